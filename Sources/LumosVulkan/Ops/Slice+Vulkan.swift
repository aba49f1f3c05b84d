import LumosOps

extension Slice: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    // The input may be of any size: the kernel starts at the slice and indexes from there.
    let count = try LoweredTypes(inputs: [], outputs: types.outputs).indexableCount(of: self)
    return [
      Dispatch(
        "Slice",
        push: [.input(0, offset: 4 * start * types.inputs[0].shape.rowCount), .output(0), .count(count)],
        grid: .elements(count, device))
    ]
  }
}
