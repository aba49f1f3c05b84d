import LumosOps

extension GatedAdd: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let width = types.inputs[2].shape[1]
    return [
      Dispatch(
        "GatedAdd",
        push: [.input(0), .input(1), .input(2, offset: 4 * gateRow * width), .output(0), .count(count)]
          + PushWord.divisor(width),
        grid: .elements(count, device))
    ]
  }
}
