import LumosOps

extension Modulate: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let width = types.inputs[1].shape[1]
    return [
      Dispatch(
        "Modulate",
        push: [
          .input(0), .input(1, offset: 4 * scaleRow * width), .input(1, offset: 4 * shiftRow * width), .output(0),
          .count(count),
        ] + PushWord.divisor(width),
        grid: .elements(count, device))
    ]
  }
}
