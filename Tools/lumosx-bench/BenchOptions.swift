import ArgumentParser
import LumosCommand
import LumosOpSuite
import LumosTensor
import LumosVulkan

/// Options of all subcommands.
struct BenchOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "vulkan, vulkan:INDEX or vulkan:PART-OF-NAME.",
      discussion: "Default: $LUMOSX_DEVICE, else the best GPU; where there is none, the software driver."))
  var device: String?

  @Option(help: "Only cases whose title contains this text; may be repeated, one of the texts is enough.")
  var filter: [String] = []

  @Option(help: "Leave out cases whose title contains this text; may be repeated.")
  var exclude: [String] = []

  @Flag(help: "Print the titles of the cases and end.")
  var list = false

  @Flag(help: "Machine output: JSON, one object per line.")
  var json = false

  /// Opens the device asked for.
  /// - Throws: `LumosError` (.usage for a malformed choice, .noDevice if there is no such device).
  func openDevice() throws -> VulkanDevice {
    switch try DeviceOptions.choice(device ?? environment("LUMOSX_DEVICE") ?? "auto") {
    case .cpu:
      throw LumosError(
        .usage, "the CPU backend has no kernels to measure", at: "--device",
        advice: "name a Vulkan device; `lumosx devices` lists them")
    case .vulkan(let selection): return try DeviceOptions.device(selection)
    case .automatic:
      let devices = try VulkanDevice.descriptions()
      let best = try DeviceSelection.auto.choose(from: devices) ?? devices.first { $0.isUsable }
      guard let best else {
        throw LumosError(
          .noDevice, "there is no usable Vulkan device", advice: "`lumosx devices` tells why")
      }
      return try VulkanDevice(.index(best.index))
    }
  }

  /// The cases that `--filter` and `--exclude` leave.
  /// - Throws: `LumosError(.usage)` if none is left.
  func select(_ cases: [OpCase]) throws -> [OpCase] {
    let chosen = cases.filter { opCase in
      (filter.isEmpty || filter.contains { opCase.title.contains($0) })
        && !exclude.contains { opCase.title.contains($0) }
    }
    guard !chosen.isEmpty else {
      throw LumosError(.usage, "no case matches", at: "--filter", advice: "run with --list to see the titles")
    }
    return chosen
  }
}
