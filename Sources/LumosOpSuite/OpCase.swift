import LumosOps
import LumosTensor

/// One line of the table that the parity tests and the benchmarks share: an op, the types of its inputs and how to
/// fill them. Cases of an op stand in `Cases/NAME+Cases.swift`.
public struct OpCase: Sendable, CustomStringConvertible {
  /// What the case is for: parity at awkward shapes, or speed at the model's shapes.
  public enum Purpose: Sendable, Hashable { case parity, benchmark }

  /// How an input is filled.
  public enum Fill: Sendable, Hashable {
    /// Normal numbers of this standard deviation.
    case normal(deviation: Float = 1)
    /// Uniform in `lower ..< upper`.
    case uniform(lower: Float, upper: Float)
    /// Integers in `0 ..< bound`.
    case integers(below: Int)
    /// Exactly these.
    case values([Float])
  }

  /// One input.
  public struct Input: Sendable {
    /// Shape and type.
    public let type: TensorType
    /// Contents.
    public let fill: Fill

    public init(_ shape: Shape, _ dtype: DType = .f32, _ fill: Fill = .normal()) {
      type = TensorType(shape, dtype)
      self.fill = fill
    }
  }

  /// What distinguishes the case among those of its op, for people: `"7 x 13 x 5, bias, f16"`.
  public let name: String
  /// The op with its attributes.
  public let op: any OpDescriptor
  /// Its inputs.
  public let inputs: [Input]
  /// Purpose.
  public let purpose: Purpose
  /// The type that the case varies: that of its weights.
  public let dtype: DType

  public init(
    _ name: String, _ op: any OpDescriptor, _ inputs: [Input], dtype: DType = .f32, purpose: Purpose = .parity
  ) {
    self.name = name
    self.op = op
    self.inputs = inputs
    self.dtype = dtype
    self.purpose = purpose
  }

  /// `"Linear: 7 x 13 x 5, bias, f16"`.
  public var title: String { "\(type(of: op).name): \(name)" }

  public var description: String { title }

  /// The inputs' contents, the same on every machine: they depend on the case's title and on `seed` alone.
  public func makeInputs(seed: UInt64 = 0) -> [Tensor] {
    var random = SplitMix64(seed: title.utf8.reduce(seed &+ 0x9e37_79b9) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
    return inputs.map { input in
      let count = input.type.shape.count
      func floats(_ next: () -> Float) -> Tensor {
        let values = Array(unsafeUninitializedCapacity: count) { out, initialized in
          for i in 0..<count { out[i] = next() }
          initialized = count
        }
        return Tensor(values, input.type.shape).converted(to: input.type.dtype)
      }
      switch input.fill {
      case .normal(let deviation): return floats { random.normal() * deviation }
      case .uniform(let lower, let upper): return floats { lower + (upper - lower) * random.unit() }
      case .values(let values): return Tensor(values, input.type.shape).converted(to: input.type.dtype)
      case .integers(let bound):
        return Tensor((0..<count).map { _ in Int32(random.next() % UInt64(bound)) }, input.type.shape)
      }
    }
  }
}

/// An op that has cases. A test requires every op of the catalogue to conform.
public protocol OpCases: OpDescriptor {
  /// Cases at awkward shapes (primes, ones, tails of tiles) and at the model's shapes.
  static var cases: [OpCase] { get }
}

/// A small generator for test data (Steele, Lea and Flood 2014). Not the engine's noise.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Uniform in [0, 1).
  public mutating func unit() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Approximately normal: the sum of twelve uniform numbers, less six. Bounded, cheap and free of libm.
  public mutating func normal() -> Float {
    var sum: Float = -6
    for _ in 0..<12 { sum += unit() }
    return sum
  }
}

/// The whole table.
public enum OpSuite {
  /// Cases of every op of the catalogue, or of those whose name is given.
  public static func cases(of name: String? = nil, purpose: OpCase.Purpose = .parity) -> [OpCase] {
    OpCatalog.all.filter { name == nil || $0.name == name }.flatMap { type -> [OpCase] in
      (type as? any OpCases.Type)?.cases ?? []
    }.filter { $0.purpose == purpose }
  }
}
