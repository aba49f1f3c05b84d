import LumosOps

extension ChannelNorm: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let channels = types.inputs[0].shape[-1]
    let rows = channels == 0 ? 0 : count / channels
    let kernel = RowKernel(rows: rows, width: channels, result: dtype, device)
    return [
      Dispatch(
        "ChannelNorm.\(types.inputs[1].dtype.variant)",
        specialization: [UInt32(kernel.lanes), activation.constant, ElementType.code(dtype), UInt32(kernel.vectors)],
        push: [.input(0), .input(1), .output(0), .count(rows), .count(channels)], grid: kernel.grid)
    ]
  }
}
