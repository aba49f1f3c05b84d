import LumosOps

extension RMSNorm: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let width = types.inputs[0].shape[-1]
    let rows = width == 0 ? 0 : count / width
    let kernel = RowKernel(rows: rows, width: width, device)
    return [
      Dispatch(
        "RMSNorm.\(types.inputs[1].dtype.variant)", specialization: [UInt32(kernel.lanes)],
        push: [.input(0), .input(1), .output(0), .count(rows), .count(width), .float(epsilon)], grid: kernel.grid)
    ]
  }
}
