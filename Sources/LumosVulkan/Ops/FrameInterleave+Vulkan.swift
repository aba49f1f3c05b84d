import LumosOps

extension FrameInterleave: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let y = types.outputs[0].shape
    return [
      Dispatch(
        "FrameInterleave",
        push: [.input(0), .output(0), .count(count)] + PushWord.divisor(y[3]) + PushWord.divisor(y[1] * y[2]),
        grid: .elements(count, device))
    ]
  }
}
