/// Where a session keeps its weights.
public enum Residency: Sendable, Hashable {
  /// On the device, from the first graph that reads them on.
  case resident
  /// In the checkpoint; large ones come to the device for the nodes that read them, through two slots of about
  /// `slotBytes` each (more where a single node reads more). One slot is filled while the other is read.
  case streamed(slotBytes: Int)
}

/// How a session gets along with the memory there is. The results are the same, up to rounding.
public struct SessionOptions: Sendable, Hashable {
  /// Where weights are.
  public var residency: Residency
  /// How the pass `tileRows` cuts; nil for the backend's own choice.
  public var tiling: RowTiling?

  /// All weights resident and the backend's tiling, except as given.
  public init(residency: Residency = .resident, tiling: RowTiling? = nil) {
    self.residency = residency
    self.tiling = tiling
  }
}
