import LumosGraph
import LumosOps
import LumosTensor

/// The Vulkan backend: plans graphs, records them once and replays them.
public struct VulkanBackend: Backend {
  /// The device that runs everything.
  public private(set) var device: VulkanDevice
  /// Whether every command of a run is timed; that costs a barrier for each.
  public var timesCommands = false
  /// Hears what sessions spend time on; see `profiled(by:)`.
  var recorder: ProfileRecorder?
  /// What bounds the plans: the device's limits, and how submissions are cut.
  public var limits: VulkanPlan.Limits
  /// Rewrites that graphs undergo before they are planned.
  public var passes: Passes
  /// In which types values are kept.
  public var precision = Precision.single
  /// How the pass `tileRows` cuts.
  public var tiling = RowTiling()

  /// A backend on `device` that plans graphs after `passes`.
  public init(device: VulkanDevice, passes: Passes = .all) {
    self.device = device
    self.passes = passes
    limits = VulkanPlan.Limits(device)
  }

  public var name: String { device.title }

  public var isLost: Bool { device.isLost }

  /// The same backend on the device opened anew. Errors as for `VulkanDevice.reopened`.
  public func reopened() throws -> VulkanBackend {
    var backend = self
    backend.device = try device.reopened()
    return backend
  }

  /// What lowerings need to know of the device.
  public var profile: DeviceProfile { limits.profile }

  public func makeSession(weights: any WeightSource) -> any Session { VulkanSession(self, weights) }

  public func makeSession(weights: any WeightSource, options: SessionOptions) -> any Session {
    var backend = self
    if let tiling = options.tiling { backend.tiling = tiling }
    return VulkanSession(backend, weights, residency: options.residency)
  }

  public func summary(of graph: Graph, options: SessionOptions) throws -> PlanSummary? {
    let graph = passes.apply(to: precision.apply(to: graph), tiling: options.tiling ?? tiling)
    return try VulkanPlan(graph, limits, residency: options.residency)
      .summary(of: graph, rates: DeviceClass.of(device.description).rates)
  }

  /// Times every command, which costs a barrier for each.
  public func profiled(by recorder: ProfileRecorder) -> any Backend {
    var copy = self
    copy.recorder = recorder
    copy.timesCommands = true
    return copy
  }
}

/// A tensor on the device. An empty one takes no memory.
struct DeviceTensor {
  let type: TensorType
  let allocation: Allocation?

  /// - Throws: `LumosError(.tryAgain)` if the memory cannot be had.
  init(_ type: TensorType, _ name: String, in pool: MemoryPool) throws {
    self.type = type
    allocation = type.byteCount > 0 ? try pool.allocate(type.byteCount, name) : nil
  }
}

extension Transfers {
  /// Replaces the contents of a tensor on the device.
  func upload(_ tensor: Tensor, to target: DeviceTensor) throws {
    guard let allocation = target.allocation else { return }
    try upload(tensor, to: allocation.all)
  }

  /// Sets a tensor on the device to zero.
  func clear(_ target: DeviceTensor) throws {
    guard let allocation = target.allocation else { return }
    try fill(allocation.all, with: 0)
  }

  /// A copy of a tensor on the device.
  func download(_ source: DeviceTensor) throws -> Tensor {
    guard let allocation = source.allocation else { return try Tensor(source.type.shape, source.type.dtype) }
    return try download(allocation.all, as: source.type)
  }
}

/// Weights and states on a device. See `Session`.
final class VulkanSession: Session {
  private struct WeightKey: Hashable {
    let name: String
    let layout: WeightLayout
  }

  let backend: VulkanBackend
  let pool: MemoryPool
  /// Memory of intermediate values, for all graphs of the session.
  let arena: SessionArena
  /// Where weights are.
  let residency: Residency
  /// The places of streamed weights on the device, for all graphs of the session.
  let slots: SessionArena
  var onProgress: ((_ done: Int, _ count: Int) throws -> Void)?
  private let begun = ContinuousClock.now
  private(set) var secondsToFirstDispatch: Double?
  private var staging: WeightStaging?
  let source: any WeightSource
  private var weights: [WeightKey: DeviceTensor] = [:]
  private var states: [String: DeviceTensor] = [:]

  var device: VulkanDevice { backend.device }
  var recorder: ProfileRecorder? { backend.recorder }

  init(_ backend: VulkanBackend, _ source: any WeightSource, residency: Residency = .resident) {
    self.backend = backend
    self.source = source
    self.residency = residency
    pool = MemoryPool(backend.device, checked: backend.device.options.checked)
    arena = SessionArena(pool, "arena segment")
    slots = SessionArena(pool, "weight slot", isShared: true)
    recordMemory()
  }

  /// A graph goes to the device.
  func noteDispatch() {
    if secondsToFirstDispatch == nil { secondsToFirstDispatch = begun.duration(to: .now) / .seconds(1) }
  }

  /// Tells the recorder, if there is one, how much memory all sessions hold on the device.
  func recordMemory() { recorder?.recordMemory(device.memoryUse.liveBytes, on: backend.name) }

  var peakDeviceBytes: Int { pool.use.peakBytes }

  func compile(_ graph: Graph) throws -> any Executable {
    try recorder.span(.compile, "compile") { try VulkanExecutable(graph, self) }
  }

  func setState(_ name: String, to tensor: Tensor) throws {
    let known = try existingState(name)
    guard known.type == tensor.type else {
      throw BackendError.mismatch(name: name, expected: known.type, found: tensor.type)
    }
    try recorder.span(.upload, "state \(name)", bytes: tensor.type.byteCount) {
      try device.transfers.upload(tensor, to: known)
    }
  }

  func state(_ name: String) throws -> Tensor {
    let known = try existingState(name)
    return try recorder.span(.download, "state \(name)", bytes: known.type.byteCount) {
      try device.transfers.download(known)
    }
  }

  func resetStates() throws {
    for state in states.values { try device.transfers.clear(state) }
  }

  func removeState(_ name: String) { states[name] = nil }

  private func existingState(_ name: String) throws -> DeviceTensor {
    guard let known = states[name] else { throw BackendError.unknownName(name) }
    return known
  }

  /// The state `name`, made and cleared when first asked for.
  func state(_ name: String, _ type: TensorType) throws -> DeviceTensor {
    if let known = states[name] {
      guard known.type == type else {
        throw BackendError.mismatch(name: name, expected: known.type, found: type)
      }
      return known
    }
    let state = try DeviceTensor(type, "state \(name)", in: pool)
    try device.transfers.clear(state)
    states[name] = state
    return state
  }

  /// The staging buffers of streamed weights, made when first asked for.
  func weightStaging() throws -> WeightStaging {
    if let staging { return staging }
    var byteCount = WeightStaging.mostBytes
    if case .streamed(let slotBytes) = residency { byteCount = min(byteCount, max(slotBytes, MemoryPool.alignment)) }
    let made = try WeightStaging(device.context, byteCount: byteCount)
    staging = made
    return made
  }

  /// The weight `name` in a layout and its stored type, uploaded when first asked for.
  func weight(_ name: String, _ layout: WeightLayout, _ type: TensorType) throws -> DeviceTensor {
    let key = WeightKey(name: name, layout: layout)
    if let known = weights[key] { return known }
    let weight = try recorder.span(.upload, "weight \(name)", bytes: type.byteCount) {
      let tensor = layout.apply(try source.weight(name))
      guard tensor.type == type else { throw BackendError.mismatch(name: name, expected: type, found: tensor.type) }
      let weight = try DeviceTensor(type, "weight \(name)", in: pool)
      try device.transfers.upload(tensor, to: weight)
      return weight
    }
    weights[key] = weight
    recordMemory()
    return weight
  }
}
