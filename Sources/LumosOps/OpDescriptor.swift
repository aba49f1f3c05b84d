import LumosTensor

/// What one operation is: its attributes, its shape rule, its cost and how exact every implementation of it must be.
///
/// A descriptor is a value; the reference (`ReferenceKernel`), the Vulkan lowering (`VulkanLowering`) and the test and
/// benchmark cases are extensions of the same type in their own modules. `OpCatalog` lists all descriptors; a test
/// fails when one of the six places is missing (CONTRIBUTING.md).
///
/// Activations are float32, except where an op says that it takes or makes half types. Inputs that hold weights may be
/// f32, f16 or bf16; they widen exactly. The weights of `Linear` and `MultiLinear` may be in blocks (`DType.blocks`), whose
/// numbers are float32.
///
/// **The type of x is the type of the product.** Where x is of a half type T, so are the factors that it meets: weights
/// that are stored in another type are rounded to T as `Convert` rounds, sums are float32. Where x is f32, weights
/// count as they are stored.
public protocol OpDescriptor: Sendable, Hashable {
  /// The op's name: that of its shader folder, reference, lowering, cases and documentation.
  static var name: String { get }

  /// Types of the outputs for inputs of these types.
  /// - Throws: `OpError` if the inputs do not fit the op.
  func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType]

  /// Floating-point operations (a multiply-add counts two) of one evaluation.
  func flops(_ inputs: [TensorType]) -> Int

  /// Bytes that an ideal implementation moves: by default every input and output once.
  func bytesMoved(_ inputs: [TensorType]) -> Int

  /// Largest allowed NMSE of an implementation against the reference, for weights of type `dtype`.
  func errorBound(_ inputs: [TensorType], dtype: DType) -> Double

  /// The inputs that the op takes row by row, for inputs of these types: row i of every output (index i of its
  /// outermost axis) depends on row i of these inputs and on all of the others. All of them and all outputs have
  /// equally many rows, and any run of rows alone is a valid evaluation. nil (the default) if the op is not row-wise.
  func rowInputs(_ inputs: [TensorType]) -> Set<Int>?

  /// The inputs whose memory the first output may take over, for inputs of these types. Every implementation must
  /// then have read an element of such an input before the output's element in its place is written, and not read it
  /// afterwards; when the bytes of both are the same the result is the same. None by default.
  func inPlaceInputs(_ inputs: [TensorType]) -> [Int]
}

extension OpDescriptor {
  public func bytesMoved(_ inputs: [TensorType]) -> Int {
    let outputs = (try? outputTypes(inputs)) ?? []
    return (inputs + outputs).reduce(0) { $0 + $1.byteCount }
  }

  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-10 }

  public func rowInputs(_ inputs: [TensorType]) -> Set<Int>? { nil }

  public func inPlaceInputs(_ inputs: [TensorType]) -> [Int] { [] }

  /// The op's name, from a value.
  public var name: String { Self.name }
}

/// Inputs that do not fit an op: a mistake in a graph or in a model file's shapes.
public struct OpError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The op that refused.
  public let op: String
  /// What does not fit.
  public let reason: String

  public init(_ op: String, _ reason: String) {
    self.op = op
    self.reason = reason
  }

  public var description: String { "\(op): \(reason)" }
}

/// Helpers that shape rules share.
extension OpDescriptor {
  /// Throws unless `condition` holds.
  func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws(OpError) {
    if !condition { throw OpError(Self.name, reason()) }
  }

  /// Throws unless there are `count` inputs.
  func require(_ inputs: [TensorType], count: ClosedRange<Int>) throws(OpError) {
    try require(count.contains(inputs.count), "takes \(count) inputs, got \(inputs.count)")
  }

  /// Throws unless `input` is a float32 activation of `rank` axes.
  func requireActivation(_ input: TensorType, _ role: String, rank: Int? = nil) throws(OpError) {
    try require(input.dtype == .f32, "\(role) must be f32, is \(input.dtype.rawValue)")
    if let rank { try require(input.shape.rank == rank, "\(role) must have \(rank) axes, is \(input.shape)") }
  }

  /// Throws unless `input` is the factor of a product (f32, f16 or bf16), of `rank` axes.
  func requireFactor(_ input: TensorType, _ role: String, rank: Int? = nil) throws(OpError) {
    try require(
      input.dtype == .f32 || input.dtype == .f16 || input.dtype == .bf16,
      "\(role) must be f32, f16 or bf16, is \(input.dtype.rawValue)")
    if let rank { try require(input.shape.rank == rank, "\(role) must have \(rank) axes, is \(input.shape)") }
  }

  /// Throws unless an op can make its result in `dtype`: f32, or f16 or bf16 as `Convert` makes them.
  func requireResult(_ dtype: DType) throws(OpError) {
    try require(dtype == .f32 || dtype.isHalf, "makes f32, f16 or bf16, not \(dtype.rawValue)")
  }

  /// The bound of an op that makes its result in `dtype`, where float32 results are within `single`.
  ///
  /// A difference in the last places of float32 may tip a number to its neighbour of a half type: some in a million as a
  /// rule, one in a hundred in small tests.
  func bound(_ single: Double, roundedTo dtype: DType) -> Double {
    switch dtype {
    case .f16: max(single, 1e-8)
    case .bf16: max(single, 5e-7)
    default: single
    }
  }

  /// Throws unless `input` is a weight of `shape` in f32, f16, bf16 or a block type.
  func requireBlocks(_ input: TensorType, _ role: String, _ shape: Shape) throws(OpError) {
    guard let block = input.dtype.block else { return try requireWeight(input, role, shape) }
    try require(input.shape == shape, "\(role) must be \(shape), is \(input.shape)")
    try require(
      input.hasWholeBlocks,
      "\(role) in \(input.dtype.rawValue) has rows of \(shape[-1]), no multiple of \(block.elements)")
  }

  /// Throws unless `input` is a weight of `shape` (f32, f16 or bf16).
  func requireWeight(_ input: TensorType, _ role: String, _ shape: Shape) throws(OpError) {
    try requireFactor(input, role)
    try require(input.shape == shape, "\(role) must be \(shape), is \(input.shape)")
  }
}
