import LumosOps

extension ChannelAffine: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let variant = try types.weightVariant(1...2, of: self)
    return [
      Dispatch(
        "ChannelAffine.\(variant)",
        push: [.input(0), .input(1), .input(2), .output(0), .count(count)]
          + PushWord.divisor(types.inputs[0].shape[-1]),
        grid: .elements(count, device))
    ]
  }
}
