import LumosOps

extension Rotary: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    guard try types.indexableCount(of: self) > 0 else { return [] }
    let count = types.inputs[1].shape.count
    return [
      Dispatch(
        "Rotary",
        push: [
          .input(0), .input(1), .input(2), .output(0), .count(count), .count(types.inputs[1].shape[1]), .count(heads),
        ],
        grid: .folded(ceilingDivide(count, 128), device))
    ]
  }
}
