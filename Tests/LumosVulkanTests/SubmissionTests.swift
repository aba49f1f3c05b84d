import CVulkan
import LumosTensor
import Testing

@testable import LumosVulkan

/// The loop that submits the parts of a run.
@Suite struct SubmissionTests {
  /// Empty command buffers on a device of its own.
  private static func buffers(_ count: Int) throws -> (VulkanDevice, CommandList) {
    let device = try TestDevice.open()
    let list = try CommandList(device.context)
    for index in 0..<count { try list.record(index) { _ in } }
    return (device, list)
  }

  @Test("Every part is done, in order, and heard of")
  func order() throws {
    let (device, list) = try Self.buffers(7)
    var heard: [Int] = []
    let hostSeconds = try device.submissions.run(list.buffers) { heard.append($0) }
    #expect(heard == Array(1...7))
    #expect(hostSeconds > 0)
    #expect(try device.submissions.run([]) == 0)
    #expect(try device.submissions.submit(list.buffers[0]) == 8)
    try device.submissions.wait(for: 8)
  }

  @Test("Work that is called off ends with what was submitted, and the queue goes on", arguments: [1, 3])
  func calledOff(after count: Int) throws {
    struct Enough: Error {}
    let (device, list) = try Self.buffers(20)
    #expect(throws: Enough.self) {
      try device.submissions.run(list.buffers) { done in if done == count { throw Enough() } }
    }
    // One more was at work and nothing behind it.
    let next = try device.submissions.submit(list.buffers[0])
    #expect(next == UInt64(count) + 2)
    try device.submissions.wait(for: next)
    #expect(!device.isLost)
  }
}
