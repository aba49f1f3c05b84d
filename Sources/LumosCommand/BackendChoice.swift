import ArgumentParser
import Glibc
import LumosGraph
import LumosReference
import LumosTensor
import LumosVulkan

/// The `--device` option and how it becomes a backend.
public struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "auto, cpu, vulkan, vulkan:INDEX or vulkan:PART-OF-NAME.",
      discussion: """
        auto takes a discrete GPU, else an integrated, else a virtual one, else the CPU. A software Vulkan driver is \
        used only when named. Default: $LUMOSX_DEVICE, else auto.
        """))
  public var device: String?

  /// Without a choice; ArgumentParser fills it in.
  public init() {}

  /// What `--device`, or `LUMOSX_DEVICE`, asks for.
  public enum Choice: Equatable {
    /// The CPU backend.
    case cpu
    /// The best GPU, else the CPU.
    case automatic
    /// A Vulkan device, without falling back.
    case vulkan(DeviceSelection)
  }

  /// The choice, with `LUMOSX_DEVICE` and `auto` as defaults.
  /// - Throws: `LumosError(.usage)` for anything malformed.
  public func choice() throws -> Choice { try Self.choice(device ?? environment("LUMOSX_DEVICE") ?? "auto") }

  /// Parses `auto`, `cpu`, `vulkan`, `vulkan:2` and `vulkan:radeon`.
  public static func choice(_ text: String) throws -> Choice {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    switch (parts[0].lowercased(), parts.count) {
    case ("cpu", 1): return .cpu
    case ("auto", 1): return .automatic
    case ("vulkan", 1): return .vulkan(.auto)
    case ("vulkan", 2) where !parts[1].isEmpty:
      if let index = Int(parts[1]) { return .vulkan(.index(index)) }
      return .vulkan(.named(String(parts[1])))
    default:
      throw LumosError(
        .usage, "unknown device \"\(text)\"", at: "--device",
        advice: "use auto, cpu, vulkan, vulkan:INDEX or vulkan:PART-OF-NAME; `lumosx devices` lists them")
    }
  }

  /// The backend asked for; `warn` hears why `auto` fell back to the CPU although a driver is there.
  /// - Throws: `LumosError` (.usage for a malformed choice, .noDevice if there is no such device).
  public func makeBackend(warn: (String) -> Void) throws -> any Backend {
    switch try choice() {
    case .cpu: return ReferenceBackend()
    case .automatic:
      do {
        guard let best = try DeviceSelection.auto.choose(from: VulkanDevice.descriptions()) else {
          return ReferenceBackend()
        }
        return VulkanBackend(device: try VulkanDevice(.index(best.index)))
      } catch let error as LumosError where error.kind == .noDevice {
        warn("computing on the CPU: \(error.what)")
        return ReferenceBackend()
      }
    case .vulkan(let selection): return VulkanBackend(device: try Self.device(selection))
    }
  }

  /// A Vulkan device; `auto` means the best GPU here, and there must be one.
  public static func device(_ selection: DeviceSelection) throws -> VulkanDevice {
    guard let found = try selection.choose(from: VulkanDevice.descriptions()) else {
      throw LumosError(
        .noDevice, "there is no GPU with a usable Vulkan driver", at: "--device vulkan",
        advice: "`lumosx devices` tells why; a software driver must be named: --device vulkan:llvmpipe")
    }
    return try VulkanDevice(.index(found.index))
  }
}

/// A variable of the environment, nil if unset or empty.
public func environment(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return String(cString: value)
}
