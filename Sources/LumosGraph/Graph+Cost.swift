import LumosOps

extension Graph {
  /// Floating-point operations of one run: the sum over all nodes.
  public var flops: Int {
    nodes.reduce(0) { sum, node in sum + node.op.flops(node.inputs.map { self[$0].type }) }
  }
}
