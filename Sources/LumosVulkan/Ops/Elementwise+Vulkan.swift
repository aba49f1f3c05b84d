import LumosOps

extension Elementwise: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    return [
      Dispatch(
        "Elementwise.\(kind.rawValue).\(types.inputs[1].dtype.variant)", specialization: [ElementType.code(dtype)],
        push: [.input(0), .input(1), .output(0), .count(count)]
          + PushWord.divisor(types.inputs[1].shape.count),
        grid: .elements(count, device))
    ]
  }
}
