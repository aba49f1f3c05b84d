import LumosOps

extension Rotary: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    guard try types.indexableCount(of: self) > 0 else { return [] }
    let (tokens, pairs) = (types.inputs[1].shape[0], types.inputs[1].shape[1])
    return [
      Dispatch(
        "Rotary",
        push: [
          .input(0), .input(1), .input(2), .output(0), .count(tokens), .count(pairs), .count(heads),
        ],
        grid: .folded(ceilingDivide(tokens * ceilingDivide(pairs, 2), 128), device))
    ]
  }
}
