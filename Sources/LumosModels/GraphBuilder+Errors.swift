import LumosGraph
import LumosTensor

extension GraphBuilder {
  /// The graph that `body` builds on `weights`.
  /// - Parameter model: what is built, for people: `"video decoder"`.
  /// - Throws: `LumosError` naming the weight that is missing or has another shape than `model` needs.
  static func graph(
    of model: String, weights: any WeightSource, _ body: (inout GraphBuilder) throws(Failure) -> Void
  ) throws -> Graph {
    var builder = GraphBuilder(weights: weights)
    do { try body(&builder) } catch {
      switch error {
      case .mismatch:
        throw LumosError(.internalDefect, "the graph of the \(model) is malformed", cause: error)
      case .missingWeight, .weightShape:
        throw LumosError(
          .badInput, "the checkpoint does not fit the \(model)",
          advice: "check that it is complete and belongs to this model", cause: error)
      }
    }
    return builder.graph
  }
}
