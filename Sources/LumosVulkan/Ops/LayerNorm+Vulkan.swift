import LumosOps

extension LayerNorm: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let width = types.inputs[0].shape[-1]
    let rows = width == 0 ? 0 : count / width
    let kernel = RowKernel(rows: rows, width: width, device)
    let isAffine = types.inputs.count == 3
    let variant = try isAffine ? types.weightVariant(1...2, of: self) : "plain"
    return [
      Dispatch(
        "LayerNorm.\(variant)", specialization: [UInt32(kernel.lanes)],
        push: [
          .input(0), isAffine ? .input(1) : .null, isAffine ? .input(2) : .null, .output(0), .count(rows),
          .count(width), .float(epsilon),
        ],
        grid: kernel.grid)
    ]
  }
}
