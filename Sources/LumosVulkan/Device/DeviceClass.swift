import LumosGraph
import LumosTensor

/// Devices to plan for where there is none: a small table of assumptions.
///
/// Profiles are what drivers of such devices report, matrix units of the two classes of cards included. Rates are guesses
/// at what the float32 kernels of this engine reach, about a third of the arithmetic and two thirds of the bandwidth on
/// the data sheet; none of them was measured.
public struct DeviceClass: Sendable, Hashable {
  /// What `lumosx plan --device` calls it.
  public let name: String
  /// What it stands for, for people.
  public let meaning: String
  /// What lowerings know of it.
  public let profile: DeviceProfile
  /// Largest allocation in bytes.
  public let maxAllocationBytes: Int
  /// Assumed speed, for predictions; work is cut by cautious rates as on a device that nobody has measured.
  public let rates: DeviceRates

  /// All classes, slowest first.
  public static let all: [DeviceClass] = [
    DeviceClass(
      name: "minimum", meaning: "the least that Vulkan guarantees", profile: .minimum, maxAllocationBytes: 1 << 30,
      rates: DeviceRates(flopsPerSecond: 4e9, bytesPerSecond: 4e9, secondsPerDispatch: 30e-6)),
    DeviceClass(
      name: "processor", meaning: "lavapipe on two cores",
      profile: DeviceProfile(
        subgroupSize: 8, sharedMemoryBytes: 32 << 10, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 65535),
      maxAllocationBytes: 2 << 30,
      rates: DeviceRates(flopsPerSecond: 4e9, bytesPerSecond: 5e9, secondsPerDispatch: 30e-6)),
    DeviceClass(
      name: "integrated", meaning: "a GPU that shares the system's memory: 1 TFLOP/s, 50 GB/s",
      profile: DeviceProfile(
        subgroupSize: 32, sharedMemoryBytes: 32 << 10, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 65535),
      maxAllocationBytes: 2 << 30,
      rates: DeviceRates(flopsPerSecond: 0.3e12, bytesPerSecond: 33e9, secondsPerDispatch: 10e-6)),
    DeviceClass(
      name: "discrete", meaning: "a card of the middle class: 13 TFLOP/s in float32, 360 GB/s",
      profile: card,
      maxAllocationBytes: (4 << 30) - (1 << 20),
      rates: DeviceRates(flopsPerSecond: 4e12, bytesPerSecond: 240e9, secondsPerDispatch: 5e-6)),
    DeviceClass(
      name: "datacentre", meaning: "a card of a data centre: 60 TFLOP/s in float32, 3 TB/s",
      profile: card,
      maxAllocationBytes: (4 << 30) - (1 << 20),
      rates: DeviceRates(flopsPerSecond: 20e12, bytesPerSecond: 2e12, secondsPerDispatch: 5e-6)),
  ]

  /// A card with its own memory and units for matrices.
  private static var card: DeviceProfile {
    var profile = DeviceProfile(
      subgroupSize: 32, sharedMemoryBytes: 48 << 10, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 65535)
    profile.matrixShapes = [DType.f16, .bf16].map { DeviceProfile.MatrixShape(m: 16, n: 16, k: 16, input: $0) }
    return profile
  }

  /// The class of this name, or nil.
  public static func named(_ name: String) -> DeviceClass? { all.first { $0.name == name.lowercased() } }

  /// The class that a described device belongs to, for its assumed speed.
  public static func of(_ device: DeviceDescription) -> DeviceClass {
    let name =
      switch device.kind {
      case .discrete: device.deviceLocalBytes >= 40 << 30 ? "datacentre" : "discrete"
      case .integrated, .virtual: "integrated"
      case .cpu: "processor"
      case .other: "minimum"
      }
    return all.first { $0.name == name } ?? all[0]
  }

  /// In which types values are kept unless somebody chooses: half where a GPU computes. What a processor gains in memory
  /// it loses in time, and on it results should be those of the reference.
  public var precision: Precision { profile.isProcessor ? .single : .half(.f16) }

  /// Limits of plans for the class.
  public var limits: VulkanPlan.Limits {
    var limits = VulkanPlan.Limits(profile: profile)
    limits.segmentByteCount = maxAllocationBytes - 2 * MemoryPool.redZoneBytes - MemoryPool.alignment
    return limits
  }
}
