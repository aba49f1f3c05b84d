import LumosOps

extension RMSNorm: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let width = types.inputs[0].shape[-1]
    let rows = width == 0 ? 0 : count / width
    let kernel = RowKernel(rows: rows, width: width, result: dtype, device)
    let pairs = rotary.map { width / $0.heads / 2 } ?? 0
    return [
      Dispatch(
        "RMSNorm.\(types.inputs[1].dtype.variant)",
        specialization: [UInt32(kernel.lanes), rotary == nil ? 0 : 1, ElementType.code(dtype), UInt32(kernel.vectors)],
        push: [
          .input(0), .input(1), rotary == nil ? .null : .input(2), rotary == nil ? .null : .input(3), .output(0),
          .count(rows), .count(width), .float(epsilon),
        ] + PushWord.divisor(pairs),
        grid: kernel.grid)
    ]
  }
}
