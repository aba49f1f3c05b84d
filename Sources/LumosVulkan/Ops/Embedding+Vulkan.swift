import LumosOps

extension Embedding: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    guard count > 0 else { return [] }
    let table = types.inputs[1]
    return [
      Dispatch(
        "Embedding.\(table.dtype.variant)",
        push: [.input(0), .input(1), .output(0), .count(count), .count(table.shape[1]), .count(table.shape[0])],
        grid: .folded(ceilingDivide(count, 128), device))
    ]
  }
}
