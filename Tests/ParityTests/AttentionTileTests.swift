import LumosOpSuite
import LumosOps
import Testing

@testable import LumosVulkan

/// Attention's tiles and slices depend on the device; these are the ones that the device at hand would not choose.
@Suite(.serialized) struct AttentionTileTests {
  @Test(
    "The tiles of the least that Vulkan guarantees give the same results",
    arguments: ["groups, 117", "widest head", "odd head", "relation, 6x10, 63", "folded, 67"])
  func leastDevice(name: String) throws {
    let opCase = try #require(OpSuite.cases(of: "Attention").first { $0.name.hasPrefix(name) })
    let device = try ParityDevice.shared.get()
    let lowering = try #require(opCase.op as? any VulkanLowering)
    let inputs = opCase.inputs.map(\.type)
    let types = LoweredTypes(inputs: inputs, outputs: try opCase.op.outputTypes(inputs))
    let least = try lowering.lower(types, .minimum)
    #expect(try lowering.lower(types, device.profile).map(\.specialization) != least.map(\.specialization))
    let result = parity(opCase, on: device) { $0.editing = { _ in least } }
    #expect(result.pass, "\(result)")
  }

  @Test("Slices of a long attention make one result")
  func slices() throws {
    let device = try ParityDevice.shared.get()
    let opCase = try #require(OpSuite.cases(of: "Attention").first { $0.name.hasPrefix("gaps, 83 x 71, 3 x 16") })
    let op = try #require(opCase.op as? Attention)
    let inputs = opCase.inputs.map(\.type)
    let types = LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs))
    let slices = try op.lower(types, device.profile, flopsPerDispatch: 1)
    #expect(slices.count > 10)
    let result = parity(opCase, on: device) { $0.editing = { _ in slices } }
    #expect(result.pass, "\(result)")
  }
}
