import LumosGraph
import LumosTensor

/// The description of a checkpoint that nobody has: names and shapes of a configuration, an element type, no bytes.
///
/// Graphs can be built and planned on it, not run.
public struct SyntheticWeights: WeightSource {
  /// Shapes by name; see `ExpectedTensors`.
  public let shapes: [String: Shape]
  /// Element type of the tensors; of a block type those that `WeightQuantizer` quantises, the others f16.
  public let dtype: DType

  /// Weights of these shapes, of type `dtype`.
  public init(_ shapes: [String: Shape], dtype: DType) {
    self.shapes = shapes
    self.dtype = dtype
  }

  public func type(ofWeight name: String) -> TensorType? {
    guard let shape = shapes[name] else { return nil }
    guard dtype.block != nil else { return TensorType(shape, dtype) }
    return TensorType(shape, WeightQuantizer(to: dtype).type(of: name, TensorType(shape, .f16)))
  }

  /// - Throws: always `LumosError(.internalDefect)`: there are no bytes.
  public func weight(_ name: String) throws -> Tensor {
    throw LumosError(.internalDefect, "a weight of a plan has no contents", at: name)
  }

  /// Zeros, like all results of a plan: what drivers read themselves does not change what they do.
  public func read(_ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    for index in 0..<range.count { target[index] = 0 }
  }
}
