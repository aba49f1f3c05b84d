import LumosOps

extension SolverStep: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    guard count > 0 else { return [] }
    return [
      Dispatch(
        "SolverStep",
        push: [
          .input(0), .input(1), .input(2), .input(3), .input(4), .output(0), .output(1), .count(count),
        ],
        grid: .folded(ceilingDivide(count, 512), device))
    ]
  }
}
