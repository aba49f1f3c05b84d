import LumosOps

extension LayerNorm: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    let width = types.inputs[0].shape[-1]
    let rows = width == 0 ? 0 : count / width
    let kernel = RowKernel(rows: rows, width: width, result: dtype, device)
    let isAffine = isAffine(inputCount: types.inputs.count)
    let variant = try isAffine ? types.weightVariant(1...2, of: self) : "plain"
    let table = types.inputs.count - 1
    func row(_ index: Int?) -> PushWord { index.map { .input(table, offset: 4 * $0 * width) } ?? .null }
    return [
      Dispatch(
        "LayerNorm.\(variant)",
        specialization: [
          UInt32(kernel.lanes), modulation == nil ? 0 : 1, ElementType.code(dtype), UInt32(kernel.vectors),
        ],
        push: [
          .input(0), isAffine ? .input(1) : .null, isAffine ? .input(2) : .null, row(modulation?.scaleRow),
          row(modulation?.shiftRow), .output(0), .count(rows), .count(width), .float(epsilon),
        ],
        grid: kernel.grid)
    ]
  }
}
