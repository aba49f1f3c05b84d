import LumosOps
import LumosTensor

/// A computation in the field's words: values, and nodes that make values from values.
///
/// A graph is pure data. Model code builds it with `GraphBuilder`; the reference backend interprets it as it is; the
/// Vulkan backend plans and records it. Nodes are in an order in which they can run.
public struct Graph: Sendable {
  /// Identifies a value within its graph.
  public struct ValueID: Sendable, Hashable {
    /// Index into `values`.
    public let index: Int
  }

  /// Where a value comes from.
  public enum Source: Sendable {
    /// Given by the caller under `name`; keeps its contents from run to run until given again.
    case input(name: String)
    /// A weight, as the checkpoint stores it and then laid out by `layout`.
    case weight(name: String, layout: WeightLayout)
    /// Fixed contents, part of the graph.
    case constant(Tensor)
    /// Lives in the session between runs and is shared by name among its graphs; zero at first.
    case state(name: String)
    /// Made by a node of this graph.
    case node
  }

  /// One value.
  public struct Value: Sendable {
    /// Identity.
    public let id: ValueID
    /// Shape and element type.
    public let type: TensorType
    /// Origin.
    public let source: Source
  }

  /// One operation.
  ///
  /// An operand or result may be a *window*: some rows of a value (indices of its outermost axis) instead of all of it.
  /// The op sees a tensor of just these rows. Several nodes then fill one value, each row of it once, and a row may be
  /// read as soon as it is there. Models build nodes on whole values; `PartPlacement` and `RowTiling` make windows.
  public struct Node: Sendable {
    /// What it does.
    public let op: any OpDescriptor
    /// Operands, in the op's order.
    public let inputs: [ValueID]
    /// Results, in the op's order.
    public let outputs: [ValueID]
    /// Where in the model it stands, for people: `"blocks.3.self_attn.q"`.
    public let label: String
    /// Rows of the operands that are windows, by their position in `inputs`.
    public let inputRows: [Int: Range<Int>]
    /// Rows of the results that are windows, by their position in `outputs`.
    public let outputRows: [Int: Range<Int>]
    /// Half types in which a product may take its factors where `Precision` asks for such: all, unless numbers overflow
    /// f16 or the model is known to need float32 here. Of no meaning to other ops, and of none after `Precision`.
    public let halfTypes: Set<DType>

    /// f16 and bf16.
    public static let allHalfTypes: Set<DType> = [.f16, .bf16]

    init(
      op: any OpDescriptor, inputs: [ValueID], outputs: [ValueID], label: String,
      inputRows: [Int: Range<Int>] = [:], outputRows: [Int: Range<Int>] = [:],
      halfTypes: Set<DType> = Node.allHalfTypes
    ) {
      self.op = op
      self.inputs = inputs
      self.outputs = outputs
      self.label = label
      self.inputRows = inputRows
      self.outputRows = outputRows
      self.halfTypes = halfTypes
    }

    /// Whether an operand or result is a window.
    public var hasWindows: Bool { !inputRows.isEmpty || !outputRows.isEmpty }
  }

  /// What a state holds after a run.
  public struct StateUpdate: Sendable, Hashable {
    /// Name of the state.
    public let state: String
    /// What goes there.
    public let value: ValueID
    /// Whether the value goes behind what the state holds, whose first rows leave to make room: a history, a queue.
    /// Otherwise it replaces the contents.
    public let appends: Bool

    init(state: String, value: ValueID, appends: Bool = false) {
      self.state = state
      self.value = value
      self.appends = appends
    }
  }

  /// All values.
  public internal(set) var values: [Value] = []
  /// All nodes, in running order.
  public internal(set) var nodes: [Node] = []
  /// Results that the caller may fetch, by name.
  public internal(set) var outputs: [(name: String, value: ValueID)] = []
  /// At the end of a run, each named state takes its value; all reads of the run have seen the old contents.
  public internal(set) var stateUpdates: [StateUpdate] = []
  /// States that hold nothing but factors of products, in every graph that touches them: half precision keeps them so.
  public internal(set) var factorStates: Set<String> = []

  /// The value behind an identity.
  public subscript(id: ValueID) -> Value { values[id.index] }

  /// Types of a node's operands as its op sees them: windows have their own number of rows.
  public func inputTypes(of node: Node) -> [TensorType] {
    node.inputs.enumerated().map { self[$1].type.window(node.inputRows[$0]) }
  }

  /// Types of a node's results as its op makes them.
  public func outputTypes(of node: Node) -> [TensorType] {
    node.outputs.enumerated().map { self[$1].type.window(node.outputRows[$0]) }
  }

  /// Inputs that the caller gives, with their types.
  public var inputs: [(name: String, type: TensorType)] {
    values.compactMap { if case .input(let name) = $0.source { (name, $0.type) } else { nil } }
  }

  /// Values that a node, an output or a state reads: the others need not exist.
  public var usedValues: Set<ValueID> {
    var used = Set(outputs.map(\.value))
    for update in stateUpdates { used.insert(update.value) }
    for node in nodes { used.formUnion(node.inputs) }
    return used
  }

  /// States that the graph reads or updates, with their types.
  public var states: [(name: String, type: TensorType)] {
    values.compactMap { if case .state(let name) = $0.source { (name, $0.type) } else { nil } }
  }
}

extension TensorType {
  /// The type of rows `rows`, or of all if there are none given.
  public func window(_ rows: Range<Int>?) -> TensorType {
    guard let rows else { return self }
    return TensorType(Shape([rows.count] + shape.dimensions.dropFirst()), dtype)
  }

  /// Bytes of one row.
  public var rowByteCount: Int { dtype.byteCount(of: shape.rowCount) }

  /// Bytes that rows `rows` take within a tensor of this type; all bytes if there are none given.
  public func byteRange(_ rows: Range<Int>?) -> Range<Int> {
    guard let rows else { return 0..<byteCount }
    return rows.lowerBound * rowByteCount..<rows.upperBound * rowByteCount
  }
}

/// How a weight is laid out for use, from what the checkpoint stores.
public enum WeightLayout: Sendable, Hashable {
  /// As stored, but with these extents (equal count).
  case shape(Shape)
  /// A convolution `[O, C, kt, kh, kw]` (or `[O, C, kh, kw]`) as `[O, kt, kh, kw, C]`.
  case channelsLast
  /// The last frame of a convolution `[O, C, kt, kh, kw]` as `[O, 1, kh, kw, C]`: what acts on a video's first frame.
  case lastFrame
  /// As `[O, C]`, rows `start ..< start + count` of the outermost axis, the other axes flattened.
  case rows(start: Int, count: Int)

  /// The type after the layout.
  public func apply(_ type: TensorType) -> TensorType {
    let shape = type.shape
    switch self {
    case .shape(let other): return TensorType(other, type.dtype)
    case .channelsLast, .lastFrame:
      let time = self == .channelsLast && shape.rank == 5 ? shape[2] : 1
      return TensorType([shape[0], time, shape[-2], shape[-1], shape[1]], type.dtype)
    case .rows(_, let count):
      return TensorType(shape.rank == 1 ? [count] : [count, shape.rowCount], type.dtype)
    }
  }

  /// The tensor in the layout; element types stay.
  public func apply(_ tensor: Tensor) -> Tensor {
    switch self {
    case .shape(let other): return tensor.reshaped(other)
    case .rows(let start, let count):
      return tensor.rows(start..<start + count).reshaped(apply(tensor.type).shape)
    case .channelsLast, .lastFrame:
      let target = apply(tensor.type)
      let channels = target.shape[4]
      let positions = target.shape[1] * target.shape[2] * target.shape[3]
      // Positions per output and channel as stored, of which the last are taken.
      let stored = tensor.count / max(target.shape[0] * channels, 1)
      let size = tensor.dtype.byteCount
      return Tensor(target.shape, tensor.dtype) { out in
        tensor.withUnsafeBytes { bytes in
          for o in 0..<target.shape[0] {
            for c in 0..<channels {
              for p in 0..<positions {
                let from = ((o * channels + c + 1) * stored - positions + p) * size
                let to = ((o * positions + p) * channels + c) * size
                for byte in 0..<size { out[to + byte] = bytes[from + byte] }
              }
            }
          }
        }
      }
    }
  }
}

/// Named weights: a checkpoint, or a description of one.
public protocol WeightSource: Sendable {
  /// Type of a weight as stored, or nil if there is none of this name.
  func type(ofWeight name: String) -> TensorType?
  /// The weight itself.
  func weight(_ name: String) throws -> Tensor
  /// Copies bytes `range` of a weight as stored to the start of `target`, which is long enough.
  func read(_ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws
  /// Products that a layer adds to what it makes of a weight: usually none.
  func additions(toWeight name: String) -> [WeightAddition]
}

/// A product of two thin matrices beside a weight W: with it `W x` becomes `W x + up (down x)`.
public struct WeightAddition: Sendable, Hashable {
  /// Name of the first factor, `[rank, inputs]`.
  public let down: String
  /// Name of the second factor, `[outputs, rank]`.
  public let up: String

  public init(down: String, up: String) {
    self.down = down
    self.up = up
  }
}

extension WeightSource {
  public func additions(toWeight name: String) -> [WeightAddition] { [] }

  /// From the weight in memory.
  public func read(_ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    try weight(name).withUnsafeBytes { bytes in
      precondition(range.upperBound <= bytes.count && range.count <= target.count, "bytes \(range) of \(name)")
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }
}
