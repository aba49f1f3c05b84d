import LumosOps

extension Patchify: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let x = types.inputs[0].shape
    let (rows, columns) = ((x[1] + patch - 1) / patch, (x[2] + patch - 1) / patch)
    return [
      Dispatch(
        "Patchify", specialization: [UInt32(patch)],
        push: [.input(0), .output(0), .count(count), .count(x[1]), .count(x[2]), .count(x[3])]
          + PushWord.divisor(x[3] * patch * patch) + PushWord.divisor(columns) + PushWord.divisor(rows),
        grid: .elements(count, device))
    ]
  }
}
