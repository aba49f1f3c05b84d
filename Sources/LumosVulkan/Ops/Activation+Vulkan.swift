import LumosOps

extension Activation: VulkanLowering {
  public func lower(_ types: LoweredTypes, _ device: DeviceProfile) throws -> [Dispatch] {
    let count = types.inputs[0].shape.count
    // Parts begin where words of 16 bytes do.
    let most = DispatchLimit.elements / 4 * 4
    return stride(from: 0, to: count, by: most).map { first in
      let part = min(most, count - first)
      return Dispatch(
        "Activation.\(kind.rawValue)",
        push: [.input(0, offset: first * 4), .output(0, offset: first * 4), .count(part)],
        grid: .elements(part, device), overlapsPrevious: first > 0)
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
