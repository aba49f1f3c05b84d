import LumosOps

extension RelationBias: VulkanLowering {
  /// Cells and keys of a workgroup.
  private static let tile = 32

  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    guard try types.indexableCount(of: self) > 0 else { return [] }
    let (cells, keys) = (types.inputs[0].shape[0], types.inputs[1].shape[0])
    let (cellTiles, keyTiles) = (ceilingDivide(cells, Self.tile), ceilingDivide(keys, Self.tile))
    return [
      Dispatch(
        "RelationBias", specialization: [ElementType.code(types.inputs[1].dtype)],
        push: [
          .input(0), .input(1), .input(2), .output(0), .count(cells), .count(keys), .count(heads),
          .count(types.inputs[0].shape[1] / heads), .count(cells / types.inputs[2].shape[0]),
          .count(cellTiles), .count(keyTiles), .float(scale), .float(ratio),
        ],
        grid: .folded(cellTiles * keyTiles * heads, device))
    ]
  }
}
