import ArgumentParser
import Foundation
import LumosCommand
import LumosTensor
import LumosVulkan

/// `lumosx devices`: what there is to run on.
struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List every Vulkan device with driver, memory and the features that matter, and why one is unusable.")

  @Flag(help: "One JSON object.")
  var json = false

  /// The JSON object.
  private struct Report: Encodable {
    let devices: [DeviceDescription]
    /// Index that `auto` takes; absent when `auto` means the CPU.
    let automatic: Int?
    /// Why there is no device at all.
    let failure: String?
  }

  func run() throws {
    try Reporting.run {
      var devices: [DeviceDescription] = []
      var failure: LumosError?
      do { devices = try VulkanDevice.descriptions() } catch let error as LumosError where error.kind == .noDevice {
        failure = error
      }
      let automatic = try DeviceSelection.auto.choose(from: devices)?.index
      if json {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let report = Report(devices: devices, automatic: automatic, failure: failure?.description)
        Reporting.line(String(decoding: try encoder.encode(report), as: UTF8.self))
        return
      }
      if let failure { Reporting.note("lumosx: warning: \(failure)") }
      for device in devices { Reporting.line(Self.describe(device, isAutomatic: device.index == automatic)) }
      let processors = ProcessInfo.processInfo.activeProcessorCount
      let note = automatic == nil ? ", taken by auto" : ""
      Reporting.line("cpu: reference backend, \(processors) processors\(note)")
    }
  }

  /// A device as a paragraph.
  private static func describe(_ device: DeviceDescription, isAutomatic: Bool) -> String {
    let features = device.features
    func gibibytes(_ bytes: Int) -> String { String(format: "%.1f GiB", Double(bytes) / 0x1p30) }
    func list(_ entries: [(String, Bool)]) -> String {
      entries.map { ($0.1 ? "" : "no ") + $0.0 }.joined(separator: ", ")
    }
    let shapes = Set(device.matrixShapes.map { "\($0.m)x\($0.n)x\($0.k) \($0.a) -> \($0.result)" }).sorted()
    let limits = device.limits
    var lines = [
      "vulkan:\(device.index)  \(device.name)  (\(device.kind.rawValue), \(device.vendor))\(isAutomatic ? ", taken by auto" : "")",
      "  driver    \(device.driver) \(device.driverInfo), Vulkan \(device.apiVersion)",
      "  memory    \(gibibytes(device.deviceLocalBytes)), \(gibibytes(device.availableBytes)) free, "
        + "one allocation up to \(gibibytes(limits.maxAllocationBytes))",
      "  compute   subgroup \(limits.subgroupSize) (\(limits.minSubgroupSize) to \(limits.maxSubgroupSize)), "
        + "shared memory \(limits.sharedMemoryBytes / 1024) KiB, workgroup up to \(limits.maxWorkgroupInvocations)",
      "  types     "
        + list([
          ("f16 arithmetic", features.shaderFloat16), ("bf16", features.bfloat16), ("int64", features.shaderInt64),
        ]),
      "  matrices  "
        + list([
          ("cooperative matrix", features.cooperativeMatrix), ("cooperative matrix 2", features.cooperativeMatrix2),
        ]) + (shapes.isEmpty ? "" : ": " + shapes.joined(separator: ", ")),
      "  other     "
        + list([("memory budget", features.memoryBudget), ("device fault", features.deviceFault)]),
    ]
    if let reason = device.unusableReason { lines.append("  unusable: \(reason)") }
    return lines.joined(separator: "\n")
  }
}
