import ArgumentParser
import LumosCommand
import LumosFiles
import LumosVulkan

/// `lumosx-bench device`: what the device is.
struct DeviceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "device", abstract: "Tell what the device is: driver, memory, features, matrix units.")

  @OptionGroup var options: BenchOptions

  func run() throws {
    try Reporting.run {
      let device = try options.openDevice()
      let facts = Self.facts(device.description)
      if options.json {
        return Reporting.line("\(JSONValue.object([.init("device", .string(device.title)), .init("facts", facts)]))")
      }
      Reporting.line(device.title)
      for member in facts.members ?? [] { Reporting.line("\(Text.padded(member.key, 22)) \(member.value)") }
    }
  }

  private static func facts(_ device: DeviceDescription) -> JSONValue {
    let features = device.features
    let flags: [(String, Bool)] = [
      ("shaderFloat16", features.shaderFloat16), ("bfloat16", features.bfloat16),
      ("cooperativeMatrix", features.cooperativeMatrix), ("cooperativeMatrix2", features.cooperativeMatrix2),
      ("bfloat16CooperativeMatrix", features.bfloat16CooperativeMatrix),
      ("subgroupSizeControl", features.subgroupSizeControl), ("subgroupShuffle", features.subgroupShuffle),
      ("memoryBudget", features.memoryBudget),
    ]
    let shapes = device.matrixShapes.map {
      JSONValue.string("\($0.m)x\($0.n)x\($0.k) \($0.a) \($0.b) \($0.c) \($0.result) \($0.scope)")
    }
    return .object([
      .init("name", .string(device.name)), .init("kind", .string(device.kind.rawValue)),
      .init("driver", .string(device.driver)), .init("driverInfo", .string(device.driverInfo)),
      .init("vulkan", .string(device.apiVersion)), .init("deviceLocalBytes", .integer(device.deviceLocalBytes)),
      .init("availableBytes", .integer(device.availableBytes)),
      .init("maxAllocationBytes", .integer(device.limits.maxAllocationBytes)),
      .init("subgroupSize", .integer(device.limits.subgroupSize)),
      .init("sharedMemoryBytes", .integer(device.limits.sharedMemoryBytes)),
      .init("features", .array(flags.filter { $0.1 }.map { .string($0.0) })), .init("matrixShapes", .array(shapes)),
    ])
  }
}
