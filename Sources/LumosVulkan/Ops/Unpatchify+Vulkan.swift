import LumosOps

extension Unpatchify: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    return [
      Dispatch(
        "Unpatchify", specialization: [UInt32(patch)],
        push: [.input(0), .output(0), .count(count)]
          + PushWord.divisor(types.outputs[0].shape[3]) + PushWord.divisor(width) + PushWord.divisor(height),
        grid: .elements(count, device))
    ]
  }
}
