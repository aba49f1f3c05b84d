import LumosOps
import LumosTensor

/// How an op becomes dispatches: an extension of the descriptor in `Ops/NAME+Vulkan.swift`.
///
/// A lowering is symbolic: it names kernels, sizes and operands, not addresses, so that a plan can be made without a
/// device and recorded for any.
public protocol VulkanLowering: OpDescriptor {
  /// The dispatches of one evaluation, in order. Between two dispatches of one op whose data depend on each other the
  /// recorder puts a barrier (it puts one after every dispatch unless it can prove that there is no hazard).
  func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch]

  /// Names of all variants: kernels that compute the op in different ways. See `variants`.
  static var variantNames: [String] { get }

  /// The variants that can compute an evaluation of these types on this device, first the one that the rules choose;
  /// at least one. A lowering takes `variant`.
  func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String]

  /// Names of the tiles that `variant` can take on this device; empty where it has one way only.
  func tiles(_ variant: String, _ types: LoweredTypes, _ device: DeviceProfile) -> [String]

  /// Under which name a measurement of evaluations of these types is kept (`TuningTable`); nil where there is nothing to
  /// choose. Evaluations of one key differ in their number of rows only (`TuningKey.rows`).
  func tuningKey(_ types: LoweredTypes) -> String?

  /// A smaller evaluation, of about `rows` rows at most, that is made as fast for its size as one of these inputs: what
  /// `Tuner` measures in its place.
  func sample(_ inputs: [TensorType], rows: Int) -> Tuner.Evaluation
}

/// Types of an op's operands, as its shape rule gave them.
public struct LoweredTypes: Sendable {
  /// Types of the inputs.
  public let inputs: [TensorType]
  /// Types of the outputs.
  public let outputs: [TensorType]

  public init(inputs: [TensorType], outputs: [TensorType]) {
    self.inputs = inputs
    self.outputs = outputs
  }
}

/// What a lowering needs to know of the device.
public struct DeviceProfile: Sendable, Hashable {
  /// Lanes of a subgroup (8 on lavapipe, 32 on NVIDIA, 64 on older AMD).
  public var subgroupSize: Int
  /// Shared memory of a workgroup in bytes (at least 16384).
  public var sharedMemoryBytes: Int
  /// Largest number of invocations in a workgroup (at least 128).
  public var maxWorkgroupInvocations: Int
  /// Largest number of workgroups per axis (at least 65535).
  public var maxWorkgroupCount: Int
  /// Floating-point operations above which products, convolutions and attention are sliced into several dispatches;
  /// nil for a number that suits slow devices. Plans set it from the device's rates.
  public var flopsPerDispatch: Int?
  /// Matrix products that its units compute for the kernels named `matrix`; none where these cannot run.
  public var matrixShapes: [MatrixShape] = []
  /// Matrix products that a whole workgroup computes together, for the kernels named `workgroup`.
  public var workgroupShapes: [WorkgroupShape] = []
  /// Whether kernels may count on full subgroups of 8 invocations or more, a power of two, that read each other's registers.
  public var exchangesWithinSubgroups = false
  /// Variants that somebody wants instead of those that the rules choose, by op; see `variantChoices`.
  public var forcedVariants: [String: String] = [:]
  /// What has been measured on the device.
  public var tuning = TuningTable()
  /// The tile that a lowering takes if its variant has it: that of `tuning`.
  var forcedTile: String?

  /// A product of small matrices that the invocations of a subgroup hold together: `[m, k]` times `[k, n]` of the type
  /// `input`, with sums in float32.
  public struct MatrixShape: Sendable, Hashable {
    /// Rows of the result.
    public var m: Int
    /// Columns of the result.
    public var n: Int
    /// Length of the sums.
    public var k: Int
    /// Type of both factors.
    public var input: DType

    public init(m: Int, n: Int, k: Int, input: DType) {
      self.m = m
      self.n = n
      self.k = k
      self.input = input
    }
  }

  /// Products of matrices that a workgroup holds together, of any size in certain steps.
  public struct WorkgroupShape: Sendable, Hashable {
    /// Of what rows, columns and inner length are multiples; the type of both factors.
    public var steps: MatrixShape
    /// Invocations of the workgroup.
    public var invocations: Int
    /// Largest side of a matrix.
    public var largestSide: Int

    public init(steps: MatrixShape, invocations: Int, largestSide: Int) {
      self.steps = steps
      self.invocations = invocations
      self.largestSide = largestSide
    }
  }

  /// The least that Vulkan guarantees.
  public static let minimum = DeviceProfile(
    subgroupSize: 1, sharedMemoryBytes: 16384, maxWorkgroupInvocations: 128, maxWorkgroupCount: 65535)

  public init(
    subgroupSize: Int, sharedMemoryBytes: Int, maxWorkgroupInvocations: Int, maxWorkgroupCount: Int,
    flopsPerDispatch: Int? = nil
  ) {
    self.subgroupSize = subgroupSize
    self.sharedMemoryBytes = sharedMemoryBytes
    self.maxWorkgroupInvocations = maxWorkgroupInvocations
    self.maxWorkgroupCount = maxWorkgroupCount
    self.flopsPerDispatch = flopsPerDispatch
  }
}

/// One dispatch of one kernel.
public struct Dispatch: Sendable, Hashable {
  /// `OP` or `OP.VARIANT`, as the kernel pack names it (`Linear.f16`).
  public var kernel: String
  /// Specialisation constants 0, 1, 2 … of the shader.
  public var specialization: [UInt32]
  /// Push constants: device addresses first, then 32-bit numbers; at most 128 bytes.
  public var push: [PushWord]
  /// Workgroups along x, y and z.
  public var grid: Grid
  /// Read-only words that the kernel reads through `.constants` (a span list, a table); uploaded once per plan.
  public var constants: [UInt32]
  /// Whether the dispatch may run at the same time as the one before it of the same op, because it neither reads nor
  /// overwrites what that one writes: slices of one long computation. The recorder then puts no barrier in between.
  public var overlapsPrevious: Bool

  public init(
    _ kernel: String, specialization: [UInt32] = [], push: [PushWord], grid: Grid, constants: [UInt32] = [],
    overlapsPrevious: Bool = false
  ) {
    self.kernel = kernel
    self.specialization = specialization
    self.push = push
    self.grid = grid
    self.constants = constants
    self.overlapsPrevious = overlapsPrevious
  }
}

/// One entry of a dispatch's push constants.
public enum PushWord: Sendable, Hashable {
  /// Device address (8 bytes) of input `index`, `offset` bytes in.
  case input(Int, offset: Int = 0)
  /// Device address (8 bytes) of output `index`, `offset` bytes in.
  case output(Int, offset: Int = 0)
  /// Device address (8 bytes) of the first of these bytes of the op's scratch memory, which the dispatch writes. The memory
  /// is there, and holds what its dispatches leave, from the op's first dispatch to its last.
  case scratchOut(Range<Int>)
  /// Device address (8 bytes) of the first of these bytes of the op's scratch memory, which the dispatch reads.
  case scratchIn(Range<Int>)
  /// Device address (8 bytes) of the dispatch's own `constants`.
  case constants
  /// An address that the kernel does not read (8 zero bytes): the operand of a variant without it.
  case null
  /// A 32-bit unsigned number.
  case uint(UInt32)
  /// A 32-bit float.
  case float(Float)

  /// A number of elements, rows or bytes; it must fit 32 bits.
  public static func count(_ value: Int) -> PushWord { .uint(UInt32(value)) }
}

/// Numbers of workgroups.
public struct Grid: Sendable, Hashable {
  /// Along x.
  public var x: Int
  /// Along y.
  public var y: Int
  /// Along z.
  public var z: Int

  public init(_ x: Int, _ y: Int = 1, _ z: Int = 1) {
    self.x = x
    self.y = y
    self.z = z
  }

  /// At least `groups` workgroups, folded into x and y where one axis is too short. The shader forms the index with
  /// `workgroup_index()` and returns when it is past the end.
  public static func folded(_ groups: Int, _ device: DeviceProfile) -> Grid {
    let limit = device.maxWorkgroupCount
    if groups <= limit { return Grid(max(groups, 1)) }
    let rows = (groups + limit - 1) / limit
    return Grid((groups + rows - 1) / rows, rows)
  }
}

extension Dispatch {
  /// Bytes of the op's scratch memory that the dispatch reads and writes.
  var scratchRanges: [Range<Int>] {
    push.compactMap { word in
      switch word {
      case .scratchIn(let bytes), .scratchOut(let bytes): bytes
      default: nil
      }
    }
  }

  /// Whether it reads what other dispatches of its op have left in scratch memory.
  var readsScratch: Bool { push.contains { if case .scratchIn = $0 { true } else { false } } }
}

extension [Dispatch] {
  /// Bytes of scratch memory that the dispatches of an op need: as many as they name.
  var scratchByteCount: Int { flatMap(\.scratchRanges).map(\.upperBound).max() ?? 0 }
}

extension DType {
  /// The variant suffix of kernels that read weights of this type; one kernel reads all block types.
  public var variant: String { block == nil ? rawValue : "blocks" }
}
