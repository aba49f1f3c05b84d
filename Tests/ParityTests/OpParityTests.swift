import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan
import Testing

/// Every case of the table on a Vulkan device against the CPU reference.
///
/// Serialised, so that a message of the validation layer belongs to the case that is running.
@Suite(.serialized) struct OpParityTests {
  let device: VulkanDevice

  init() throws { device = try ParityDevice.shared.get() }

  @Test(
    "Kernels agree with the reference, write nothing else and leave the validation layer silent",
    arguments: OpSuite.cases())
  func agrees(opCase: OpCase) {
    let before = device.validationMessages.count
    let result = parity(opCase, on: device)
    #expect(result.pass, "\(result)")
    #expect(Array(device.validationMessages.dropFirst(before)) == [])
  }

  @Test(
    "Variants that the rules do not choose agree as well, aligned and misaligned",
    arguments: OpSuite.cases().filter {
      (($0.op as? any VulkanLowering).map { type(of: $0).variantNames.count } ?? 0) > 1
    })
  func otherVariants(opCase: OpCase) throws {
    let lowering = try #require(opCase.op as? any VulkanLowering)
    let inputs = opCase.inputs.map(\.type)
    let types = LoweredTypes(inputs: inputs, outputs: try opCase.op.outputTypes(inputs))
    for variant in lowering.variants(types, device.profile).dropFirst() {
      for misaligned in [false, true] {
        let result = parity(opCase, on: device, misaligned: misaligned) {
          $0.forcedVariants = [opCase.op.name: variant]
        }
        #expect(result.pass, "\(result)")
        #expect(result.variant.isEmpty || result.variant.contains(".\(variant)."), "\(result)")
      }
    }
  }

  @Test("The first case of every op agrees at aligned addresses too", arguments: OpCatalog.all.map { $0.name })
  func agreesAligned(name: String) throws {
    let result = parity(try #require(OpSuite.cases(of: name).first), on: device, misaligned: false)
    #expect(result.pass, "\(result)")
  }

  /// Cases of kernels that are not products, whose rows may be read in words.
  private static let wordCases: [OpCase] = OpSuite.cases().filter(mayReadWords)

  private static func mayReadWords(_ opCase: OpCase) -> Bool {
    let products = ["Attention", "Conv3D", "Linear", "MultiLinear", "RelationBias"]
    if products.contains(opCase.op.name) { return false }
    for shape in opCase.inputs.map(\.type.shape) where shape.count >= 4 {
      if shape.rank == 1 || shape[-1] % 4 == 0 { return true }
    }
    return false
  }

  @Test("Words of 16 bytes are only taken where every operand has them", arguments: wordCases)
  func words(opCase: OpCase) throws {
    let aligned = parity(opCase, on: device, misaligned: false)
    #expect(aligned.pass, "\(aligned)")
    let operands = opCase.inputs.count + (try opCase.op.outputTypes(opCase.inputs.map(\.type))).count
    for operand in 0..<operands {
      let result = parity(opCase, on: device) { $0.misalignedOperand = operand }
      #expect(result.pass, "operand \(operand) off its alignment: \(result)")
    }
  }

  /// Real grids fold at 65 535 workgroups, which takes larger tensors than a test should; so the lowering is told of a
  /// device that has five.
  @Test("Grids that are folded cover everything", arguments: OpSuite.cases())
  func folded(opCase: OpCase) throws {
    let lowering = try #require(opCase.op as? any VulkanLowering)
    let inputs = opCase.inputs.map(\.type)
    let types = LoweredTypes(inputs: inputs, outputs: try opCase.op.outputTypes(inputs))
    var profile = device.profile
    let usual = try lowering.lower(types, profile)
    profile.maxWorkgroupCount = 5
    let folded = try lowering.lower(types, profile)
    guard folded != usual else { return }
    let result = parity(opCase, on: device) { $0.editing = { _ in folded } }
    #expect(result.pass, "\(folded.map(\.grid)): \(result)")
  }

  @Test("The validation layer is on, so that its silence means something")
  func validated() { #expect(device.isValidated) }
}
