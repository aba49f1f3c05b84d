import LumosPipeline
import LumosTensor
import Testing

@testable import LumosVulkan

/// Every allocation, mapping, submission and staging copy of a generation fails, one after the other: each time there
/// is one error that says what and where, nothing is left behind, and the device is as good as before.
@Suite(.serialized, .timeLimit(.minutes(20))) struct DeviceFaultTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let point: FaultPlan.Point
    /// Whether tensors go through staging memory, as to memory that the host does not see.
    let staged: Bool
    /// What every message says.
    let what: String
    /// Whether weights are streamed.
    var streamed = false

    var testDescription: String { point.rawValue + (staged ? ", staged" : "") + (streamed ? ", streamed" : "") }
  }

  static let cases = [
    Case(point: .allocation, staged: false, what: "out of device memory: "),
    Case(point: .mapping, staged: false, what: "which the host cannot map"),
    Case(point: .submission, staged: false, what: "vkQueueSubmit ran out of memory (VK_ERROR_OUT_OF_HOST_MEMORY)"),
    Case(point: .submission, staged: true, what: "vkQueueSubmit ran out of memory (VK_ERROR_OUT_OF_HOST_MEMORY)"),
    Case(point: .stagingCopy, staged: true, what: "a copy through the staging buffer ran out of memory"),
    Case(point: .allocation, staged: false, what: "out of device memory: ", streamed: true),
    Case(point: .mapping, staged: false, what: "which the host cannot map", streamed: true),
    Case(
      point: .submission, staged: false, what: "vkQueueSubmit ran out of memory (VK_ERROR_OUT_OF_HOST_MEMORY)",
      streamed: true),
    Case(point: .stagingCopy, staged: false, what: "a copy of streamed weights ran out of memory", streamed: true),
  ]

  @Test(arguments: cases) func everyCall(_ fault: Case) throws {
    // The device is gone when the instance's messages are looked at: what had not been destroyed before it is told.
    let instance = try Self.sweep(fault)
    #expect(instance.validation?.messages ?? [] == [])
  }

  private static func sweep(_ fault: Case) throws -> VulkanInstance {
    let plan = FaultPlan()
    let device = try SmallGeneration.device(plan, staged: fault.staged, validated: true)
    let small = try SmallGeneration()
    let scratch = try Scratch()
    let pipeline = try small.pipeline(SmallGeneration.backend(device), streamed: fault.streamed)
    func generate() throws -> String { try pipeline.generate(small.request(), to: scratch.video).latentsSha256 }

    let undisturbed = try generate()
    plan.disarm()
    #expect(try generate() == undisturbed)
    let video = try scratch.takeVideo()
    let count = plan.count(fault.point)
    #expect(count > 0)
    #expect(device.memoryUse.liveAllocations == 0)

    for index in 0..<count {
      for persistent in [false, true] {
        let comment: Comment = "\(fault.testDescription) \(index) of \(count)\(persistent ? " and later" : "")"
        plan.arm(fault.point, at: index, persistent: persistent)
        let error = try failure(comment) { _ = try generate() }
        #expect(plan.count(fault.point) > index, comment)
        #expect(error.kind == .tryAgain && error.kind.exitCode == 75, comment)
        #expect(error.what.contains(fault.what), comment)
        #expect(error.place == device.description.name && error.advice != nil, comment)
        #expect(device.memoryUse.liveAllocations == 0 && device.memoryUse.liveBytes == 0, comment)
        #expect(try scratch.contents().isEmpty, comment)
      }
    }
    plan.disarm()
    #expect(try generate() == undisturbed)
    #expect(try scratch.takeVideo() == video)
    return device.context.instance
  }

  /// Memory is named by what it was for, with its size.
  @Test func messagesNameTheMemory() throws {
    let plan = FaultPlan()
    let device = try SmallGeneration.device(plan, staged: true)
    let small = try SmallGeneration()
    let pipeline = try small.pipeline(SmallGeneration.backend(device))
    let scratch = try Scratch()
    func failed(_ point: FaultPlan.Point) throws -> LumosError {
      plan.arm(point, at: 0)
      return try failure("\(point)") { _ = try pipeline.generate(small.request(), to: scratch.video) }
    }
    #expect(try failed(.mapping).what.hasPrefix("out of device memory: the staging buffer asks for 33554432 bytes"))
    let first = try failed(.allocation).what
    #expect(first.contains("asks for") && first.contains("in use by this program") && first.contains("on the device"))
    // The staging buffer that could not be had is asked for again.
    plan.disarm()
    _ = try pipeline.generate(small.request(), to: scratch.video)
    #expect(try scratch.contents() == ["out.mp4"])
  }
}
