import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// A linear layer whose inner axis is made in parts by a tile and number of parts that the rules need not choose.
func partsParity(
  _ opCase: OpCase, _ variant: String, _ tile: String, parts: Int, on device: VulkanDevice, misaligned: Bool
) throws -> ParityResult {
  let lowering = try #require(opCase.op as? any VulkanLowering)
  let inputs = opCase.inputs.map(\.type)
  let types = LoweredTypes(inputs: inputs, outputs: try opCase.op.outputTypes(inputs))
  let key = try #require(lowering.tuningKey(types))
  let choice = KernelChoice(variant: variant, tile: InnerParts.name(tile, parts))
  #expect(lowering.choices(types, device.profile).contains(choice), "\(choice)")
  return parity(opCase, on: device, misaligned: misaligned) {
    $0.tuning.set(choice, seconds: 1, for: key)
    $0.editing = { dispatches in
      #expect(dispatches.count == 2 && dispatches.first?.grid.z == parts, "\(dispatches)")
      #expect(dispatches.last?.kernel == "Linear.sum")
      return dispatches
    }
  }
}

/// Products whose inner axis is cut into parts.
@Suite(.serialized) struct PartsTests {
  let device: VulkanDevice

  init() throws { device = try ParityDevice.shared.get() }

  @Test("Long sums of small results are made in parts, whatever the tile", arguments: [2, 4, 8])
  func parts(count: Int) throws {
    for tile in ["64x128", "32x16", "128x4"] {
      let opCase = OpCase(
        "70 x 2083 x 45 in \(count)", Linear(epilogue: .gatedAdd(gateRow: 1)),
        [
          .init([70, 2083]), .init([45, 2083], .f16, .normal(deviation: 0.02)), .init([45], .bf16), .init([70, 45]),
          .init([2, 45]),
        ])
      let result = try partsParity(opCase, "tiles", tile, parts: count, on: device, misaligned: true)
      #expect(result.pass, "\(result)")
    }
  }

  @Test("Every run gives the same result to the last bit")
  func reproducible() throws {
    let opCase = try #require(OpSuite.cases(of: "Linear").first { $0.name.hasPrefix("33 x 4099 x 13") })
    let prepared = try OpRunner(device).prepare(opCase.op, opCase.makeInputs())
    #expect(prepared.kernels == ["Linear.tiles.f32", "Linear.sum"])
    try prepared.run()
    func bytes() throws -> [[UInt8]] { try prepared.outputs().map { $0.withUnsafeBytes { Array($0) } } }
    let first = try bytes()
    for _ in 0..<5 {
      try prepared.run()
      #expect(try bytes() == first)
    }
  }

  @Test("Slices of a product in parts make one result")
  func slices() throws {
    let opCase = try #require(OpSuite.cases(of: "Linear").first { $0.name.hasPrefix("70 x 515 x 9") })
    let op = try #require(opCase.op as? Linear)
    let inputs = opCase.inputs.map(\.type)
    let types = LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs))
    let slices = try op.lower(types, device.profile, flopsPerDispatch: 1)
    #expect(slices.count > 2 && slices.allSatisfy { $0.kernel.contains("sum") || $0.grid.z > 1 })
    #expect(slices.scratchByteCount == (try op.lower(types, device.profile).scratchByteCount))
    let result = parity(opCase, on: device) { $0.editing = { _ in slices } }
    #expect(result.pass, "\(result)")
  }
}
