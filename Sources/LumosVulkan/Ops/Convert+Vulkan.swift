import LumosOps

extension Convert: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    return [
      Dispatch(
        "Convert", specialization: [ElementType.code(dtype)], push: [.input(0), .output(0), .count(count)],
        grid: .elements(count, device))
    ]
  }
}
