import LumosOps

extension Activation: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = types.inputs[0].shape.count
    return stride(from: 0, to: count, by: DispatchLimit.elements).map { first in
      let part = min(DispatchLimit.elements, count - first)
      return Dispatch(
        "Activation.\(kind.rawValue)",
        push: [.input(0, offset: first * 4), .output(0, offset: first * 4), .count(part)],
        grid: .folded(ceilingDivide(part, 128), device), overlapsPrevious: first > 0)
    }
  }
}

extension Activation.Kind? {
  /// The kind as `Shaders/Common/activation.glsl` numbers it; 0 for none.
  var constant: UInt32 {
    switch self {
    case nil: 0
    case .silu: 1
    case .geluTanh: 2
    }
  }
}
