import ArgumentParser
import Glibc
import LumosGraph
import LumosReference
import LumosTensor
import LumosVulkan

/// The `--device` option and how it becomes a backend.
struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "auto, cpu, vulkan, vulkan:INDEX or vulkan:PART-OF-NAME.",
      discussion: """
        auto takes a discrete GPU, else an integrated, else a virtual one, else the CPU. A software Vulkan driver is \
        used only when named. Default: $LUMOSX_DEVICE, else auto.
        """))
  var device: String?

  /// The backend asked for; `warn` hears why Vulkan is not used when `auto` falls back to the CPU.
  /// - Throws: `LumosError` (.usage for a malformed choice, .noDevice if there is no such device).
  func makeBackend(warn: (String) -> Void) throws -> any Backend {
    let choice = device ?? environment("LUMOSX_DEVICE") ?? "auto"
    switch choice.lowercased() {
    case "cpu": return ReferenceBackend()
    case "auto":
      do {
        guard let selected = try DeviceSelection.auto.select(from: VulkanDevice.descriptions()) else {
          return ReferenceBackend()
        }
        return VulkanBackend(device: try VulkanDevice(.index(selected.index)))
      } catch let error as LumosError where error.kind == .noDevice {
        warn("no Vulkan device, computing on the CPU: \(error)")
        return ReferenceBackend()
      }
    default: return VulkanBackend(device: try VulkanDevice(Self.selection(choice)))
    }
  }

  /// Parses `vulkan`, `vulkan:2` and `vulkan:radeon`.
  static func selection(_ choice: String) throws -> DeviceSelection {
    let parts = choice.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts[0].lowercased() == "vulkan", parts.count == 1 || !parts[1].isEmpty else {
      throw LumosError(
        .usage, "unknown device \"\(choice)\"", advice: "use auto, cpu, vulkan, vulkan:INDEX or vulkan:PART-OF-NAME")
    }
    if parts.count == 1 { return .gpu }
    if let index = Int(parts[1]) { return .index(index) }
    return .named(String(parts[1]))
  }
}

/// A variable of the environment, nil if unset or empty.
func environment(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return String(cString: value)
}
