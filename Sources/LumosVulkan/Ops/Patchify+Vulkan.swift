import LumosOps

extension Patchify: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    guard try types.indexableCount(of: self) > 0 else { return [] }
    let x = types.inputs[0].shape
    let (rows, columns) = ((x[1] + patch - 1) / patch, (x[2] + patch - 1) / patch)
    let (tokens, groups) = (types.outputs[0].shape[0], ceilingDivide(x[3], 4))
    return [
      Dispatch(
        "Patchify", specialization: [UInt32(patch)],
        push: [.input(0), .output(0), .count(tokens), .count(x[1]), .count(x[2]), .count(x[3])]
          + PushWord.divisor(groups) + PushWord.divisor(columns) + PushWord.divisor(rows),
        grid: .folded(ceilingDivide(tokens * groups, 128), device))
    ]
  }
}
