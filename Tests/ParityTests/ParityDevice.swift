import Foundation
import LumosOpSuite
import LumosOps
import LumosReference
import LumosTensor
import LumosVulkan

/// The device that the parity tests run on: software Vulkan, which every machine can have, unless `LUMOSX_TEST_DEVICE`
/// names another. Where there is none the tests fail and say what to install.
enum ParityDevice {
  /// For tests of correct kernels: what its validation layer says is a failure.
  static let shared = Result { try open() }
  /// For broken kernels, so that their validation messages stay apart.
  static let forMutants = Result { try open() }

  private static func open() throws -> VulkanDevice {
    var options = VulkanDevice.Options()
    options.validated = true
    options.cacheDirectory = nil
    return try VulkanDevice(
      DeviceSelection(ProcessInfo.processInfo.environment["LUMOSX_TEST_DEVICE"] ?? "llvmpipe"), options: options)
  }
}

/// Runs a case on a device, every operand between guards and off its alignment, and holds it against the float32
/// reference. Tests of correct and of broken kernels differ in the runner alone.
func parity(
  _ opCase: OpCase, on device: VulkanDevice, misaligned: Bool = true, configure: (inout OpRunner) -> Void = { _ in }
) -> ParityResult {
  ParityCheck.run(opCase, device: device.title) { inputs in
    var runner = OpRunner(device)
    configure(&runner)
    let run = try runner.run(opCase.op, inputs, misaligned: misaligned)
    return .init(outputs: run.outputs, guardViolations: run.guardViolations, kernels: run.kernels)
  } reference: { inputs in
    try ReferenceEvaluator.evaluate(opCase.op, inputs, as: Float.self)
  }
}
