import LumosOps
import LumosTensor

/// Runs the CPU reference of any op, outside a graph.
public enum ReferenceEvaluator {
  /// The op's outputs for these inputs, computed in `Scalar`; the tensors returned are f32 for `Float` and f64 for
  /// `Double`.
  /// - Throws: `OpError` if the inputs do not fit the op; `LumosError` if the op has no reference.
  public static func evaluate<Scalar: ReferenceScalar>(
    _ op: any OpDescriptor, _ inputs: [Tensor], as: Scalar.Type
  ) throws -> [Tensor] {
    guard let kernel = op as? any ReferenceKernel else {
      throw LumosError(.internalDefect, "there is no CPU reference", at: op.name)
    }
    let types = try op.outputTypes(inputs.map(\.type))
    return kernel.results(inputs.map { ReferenceArray<Scalar>($0) }, outputs: types).map(\.tensor)
  }
}
