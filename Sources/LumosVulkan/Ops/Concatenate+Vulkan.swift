import LumosOps

extension Concatenate: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = try types.indexableCount(of: self)
    return [
      Dispatch(
        "Concatenate", specialization: [ElementType.code(types.outputs[0].dtype)],
        push: [.input(0), .input(1), .output(0), .count(count), .count(types.inputs[0].shape.count)],
        grid: .elements(count, device))
    ]
  }
}
