import LumosKernels
import LumosTensor

/// A Vulkan device opened for computing: memory, pipelines and one queue.
///
/// Safe to share between tasks; sessions that run on one device take turns on its queue.
public final class VulkanDevice: Sendable {
  /// How a device is opened.
  public struct Options: Sendable {
    /// Whether the validation layer is switched on where it is installed. By default `LUMOSX_VALIDATION`, else debug
    /// builds only.
    public var validated = ValidationLog.isWanted
    /// Whether allocations get red zones that are verified after each run, and arenas are poisoned before it. By
    /// default where `LUMOSX_CHECKED=1`.
    public var checked = (environment("LUMOSX_CHECKED") ?? "0") != "0"
    /// Whether transfers go through staging memory even where the host could reach the device's memory.
    public var stagesAllTransfers = false
    /// File name of the Vulkan loader. By default `LUMOSX_VULKAN_LOADER`, else `libvulkan.so.1`.
    public var loaderLibrary = VulkanLoader.defaultLibrary
    /// Folder of the pipeline caches, nil for none. By default `lumosx` in `$XDG_CACHE_HOME` or `~/.cache`.
    public var cacheDirectory = CacheFolder.standard
    /// Seconds without a finished submission after which a wait gives up. By default 600.
    public var timeoutSeconds: Double = 600
    /// Variants to compute ops with: `op=name[,op=name]` (`DeviceProfile.variantChoices`). By default `LUMOSX_VARIANT`.
    public var variants = environment("LUMOSX_VARIANT")
    /// Calls that are to fail, for tests.
    public var faults: FaultPlan?

    /// The defaults.
    public init() {}
  }

  let context: DeviceContext
  let submissions: SubmissionQueue
  /// For copies that run beside the computing; the same queue where the device has no other.
  let transferSubmissions: SubmissionQueue
  let transfers: Transfers
  let pipelineCache: PipelineCache
  let pipelines: Pipelines
  /// How fast it has turned out to be.
  let speed = SpeedMemory()
  /// How the device was opened.
  public let options: Options
  /// What lowerings need to know.
  public let profile: DeviceProfile

  /// All devices that the drivers offer, usable or not.
  /// - Throws: `LumosError(.noDevice)` if there is no Vulkan loader. An empty list means a loader without drivers.
  public static func descriptions(loaderLibrary: String? = nil) throws -> [DeviceDescription] {
    let instance = try VulkanInstance(library: loaderLibrary ?? VulkanLoader.defaultLibrary, validated: false)
    return try DeviceProbe.descriptions(instance)
  }

  /// Opens a device.
  /// - Throws: `LumosError(.noDevice)` if there is no loader or no such device, if it lacks what the engine requires,
  ///   or if the selection is `auto` and there is no GPU; `LumosError(.usage)` for variants that do not exist.
  public init(_ selection: DeviceSelection = .auto, options: Options = Options()) throws {
    let instance = try VulkanInstance(library: options.loaderLibrary, validated: options.validated)
    let devices = try DeviceProbe.descriptions(instance)
    guard let chosen = try selection.choose(from: devices) else {
      let software = devices.first { $0.isUsable && $0.kind == .cpu }
      throw LumosError(
        .noDevice, "there is no GPU with a Vulkan driver that can be used",
        advice: "run with --device cpu" + (software.map { ", or with software Vulkan: --device \"\($0.name)\"" } ?? ""))
    }
    self.options = options
    var profile = chosen.profile
    profile.forcedVariants = try options.variants.map(DeviceProfile.variantChoices) ?? [:]
    profile.tuning = options.cacheDirectory.map { Self.tuning(of: chosen, in: $0) } ?? TuningTable()
    self.profile = profile
    context = try DeviceContext(
      instance, chosen, stagesAllTransfers: options.stagesAllTransfers, faults: options.faults)
    submissions = try SubmissionQueue(context, timeoutSeconds: options.timeoutSeconds)
    if let queue = context.transferQueue {
      transferSubmissions = try SubmissionQueue(context, queue, timeoutSeconds: options.timeoutSeconds)
    } else {
      transferSubmissions = submissions
    }
    transfers = Transfers(context, submissions)
    let file = options.cacheDirectory.map { DeviceCacheFile(directory: $0, device: chosen, kind: .pipelines) }
    pipelineCache = try PipelineCache(context, file: file)
    pipelines = try Pipelines(context, pipelineCache, kernels: Self.kernel)
  }

  /// What has been measured on a device with its present driver (`Tuner.save`); empty if nothing has.
  /// - Parameter directory: the cache folder; nil for the user's.
  public static func tuning(of device: DeviceDescription, in directory: String? = nil) -> TuningTable {
    guard let directory = directory ?? CacheFolder.standard else { return TuningTable() }
    return TuningTable(DeviceCacheFile(directory: directory, device: device, kind: .tuning))
  }

  /// The same device opened anew, with the same options: what is left to do once it is lost.
  /// - Throws: `LumosError(.noDevice)` if it has disappeared or cannot be opened.
  public func reopened() throws -> VulkanDevice {
    let devices = try Self.descriptions(loaderLibrary: options.loaderLibrary)
    guard let found = devices.first(where: { $0.uuid == description.uuid && $0.name == description.name }) else {
      throw LumosError(.noDevice, "the device has disappeared", at: description.name)
    }
    return try VulkanDevice(.index(found.index), options: options)
  }

  /// Whether the driver has given the device up. Everything asked of it then fails; a device opened anew may work.
  ///
  /// False for a device that did not finish in time: its work may still be running.
  public var isLost: Bool { context.isLost && !context.isAbandoned }

  /// SPIR-V of a kernel of the pack, or nil if there is none of this name.
  static func kernel(_ name: String) -> [UInt32]? { KernelPack.spirv(name) }

  /// What the device is. Budgets are those of when it was opened.
  public var description: DeviceDescription { context.description }

  /// For people and reports: `"NVIDIA H200 (NVIDIA 570.86.15)"`.
  public var title: String {
    let driver = [description.driver, description.driverInfo].filter { !$0.isEmpty }.joined(separator: " ")
    return driver.isEmpty ? description.name : "\(description.name) (\(driver))"
  }

  /// Device memory that sessions and runners have allocated now, and the most they have had.
  public var memoryUse: MemoryUse { context.ledger.use }

  /// Warnings and errors of the validation layer so far; empty where it is off.
  public var validationMessages: [String] { context.instance.validation?.messages ?? [] }

  /// Whether the validation layer is on.
  public var isValidated: Bool { context.instance.validation != nil }
}
