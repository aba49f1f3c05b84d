import LumosOps

extension PooledQueries: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    guard count > 0 else { return [] }
    return [
      Dispatch(
        "PooledQueries", specialization: [ElementType.code(types.inputs[0].dtype)],
        push: [
          .input(0), .output(0), .count(count), .count(types.outputs[0].shape[1]), .count(cells.firstToken),
          .count(cells.height), .count(cells.width), .count(cells.pool), .count(cells.rows), .count(cells.columns),
        ],
        grid: .folded(ceilingDivide(count, 128), device))
    ]
  }
}
