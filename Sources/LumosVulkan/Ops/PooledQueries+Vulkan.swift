import LumosOps

extension PooledQueries: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    guard count > 0 else { return [] }
    let (dtype, width) = (types.inputs[0].dtype, types.outputs[0].shape[1])
    let words = ceilingDivide(width, dtype == .f32 ? 4 : 8)
    return [
      Dispatch(
        "PooledQueries", specialization: [ElementType.code(dtype)],
        push: [
          .input(0), .output(0), .count(count / width), .count(width), .count(cells.firstToken),
          .count(cells.height), .count(cells.width), .count(cells.pool), .count(cells.rows), .count(cells.columns),
        ],
        grid: .folded(ceilingDivide(count / width * words, 128), device))
    ]
  }
}
