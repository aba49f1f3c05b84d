import Foundation
import LumosGraph
import LumosPipeline
import LumosTensor
import LumosVulkan
import Synchronization
import Testing

/// The device is lost at every submission of a generation: on a device opened anew the work goes on where it was, and
/// the result is the same to the last byte.
@Suite(.serialized, .timeLimit(.minutes(20))) struct DeviceLossTests {
  static let steps = 3

  /// What a generation reported.
  struct Report {
    var steps: [Int] = []
    var frames: [Int] = []
    var warnings: [String] = []
    /// Steps that had been reported when the device was lost.
    var stepsBeforeLoss = 0
    /// Submissions before each step's report.
    var submissions: [Int] = []

    mutating func note(_ event: GenerationEvent, _ plan: FaultPlan) {
      switch event {
      case .memory, .stage, .progress, .preview, .output: break
      case .step(let index, _, _):
        steps.append(index)
        submissions.append(plan.count(.deviceLoss))
      case .frames(let count, _): frames.append(count)
      case .warning(let text):
        warnings.append(text)
        stepsBeforeLoss = steps.count
      }
    }
  }

  /// A backend that is opened anew when it is lost, and the generations on it.
  final class Subject {
    let plan = FaultPlan()
    let small: SmallGeneration
    let scratch: Scratch
    var backend: VulkanBackend

    let streamed: Bool

    init(staged: Bool = false, streamed: Bool = false) throws {
      small = try SmallGeneration()
      scratch = try Scratch()
      self.streamed = streamed
      backend = SmallGeneration.backend(try SmallGeneration.device(plan, staged: staged))
    }

    /// Runs a generation; if it loses the device, the next one begins on the device that took over, whose kernels are
    /// compiled by then.
    func generate(
      recovers: Bool = true, checkpointEvery: Int? = nil, steps: Int = DeviceLossTests.steps
    ) throws -> (result: GenerationResult, report: Report) {
      let first = backend
      let latest = Mutex(first)
      let rebuild = { @Sendable () throws -> any Backend in
        #expect(first.device.memoryUse.liveAllocations == 0, "the lost device's memory is free before the next opens")
        let new = try first.reopened()
        latest.withLock { $0 = new }
        return new
      }
      defer { backend = latest.withLock { $0 } }
      var pipeline = try small.pipeline(first, streamed: streamed, rebuild: recovers ? rebuild : nil)
      pipeline.checkpointEvery = checkpointEvery
      var report = Report()
      let result = try pipeline.generate(small.request(steps: steps), to: scratch.video) { report.note($0, plan) }
      return (result, report)
    }
  }

  /// With staging every transfer is a submission, also those that keep a step's latent.
  /// Streamed weights are submissions too, on the queue that copies.
  @Test(arguments: [(false, false), (true, false), (false, true)])
  func goesOnToTheSameBytes(staged: Bool, streamed: Bool) throws {
    let subject = try Subject(staged: staged, streamed: streamed)
    let undisturbed = try subject.generate()
    let video = try subject.scratch.takeVideo()
    let count = subject.plan.count(.deviceLoss)
    #expect(undisturbed.report.warnings.isEmpty && undisturbed.report.steps == Array(1...Self.steps))
    #expect(count > Self.steps + 3)

    for index in 0..<count {
      let comment: Comment = "lost at submission \(index) of \(count)"
      let lost = subject.backend
      subject.plan.arm(.deviceLoss, at: index)
      let (result, report) = try subject.generate()
      #expect(lost.isLost && !subject.backend.isLost, comment)
      #expect(result.latentsSha256 == undisturbed.result.latentsSha256, comment)
      #expect(try subject.scratch.takeVideo() == video, comment)
      #expect(report.warnings.count == 1, comment)
      #expect(report.warnings.first?.hasPrefix("device lost, ") == true, "\(report.warnings)")
      #expect(report.warnings.first?.contains(lost.device.description.name) == true, "\(report.warnings)")
      // No step is reported, and no frame encoded, twice.
      #expect(report.steps == Array(1...Self.steps), comment)
      #expect(report.frames == undisturbed.report.frames, comment)
      for backend in [lost, subject.backend] {
        #expect(backend.device.memoryUse.liveAllocations == 0, comment)
      }
    }
  }

  /// Fewer copies of the latent, more steps to take again.
  @Test(arguments: [2, 3]) func goesOnFromTheLastKeptStep(every: Int) throws {
    let subject = try Subject()
    let undisturbed = try subject.generate(checkpointEvery: every, steps: 4)
    // The first submission of each step but the first.
    for (done, submission) in undisturbed.report.submissions.enumerated().dropLast() {
      subject.plan.arm(.deviceLoss, at: submission)
      let (result, report) = try subject.generate(checkpointEvery: every, steps: 4)
      #expect(result.latentsSha256 == undisturbed.result.latentsSha256)
      #expect(report.stepsBeforeLoss == done + 1)
      let kept = (done + 1) / every * every
      #expect(report.steps == Array(1...done + 1) + Array(kept + 1...4))
    }
  }

  /// A device that is lost again ends the generation, as does one that nobody opens anew.
  @Test(arguments: [true, false]) func endsWithTryAgain(recovers: Bool) throws {
    let subject = try Subject()
    _ = try subject.generate()
    _ = try subject.scratch.takeVideo()
    let count = subject.plan.count(.deviceLoss)
    for index in [0, count / 2, count - 1] {
      let comment: Comment = "lost at submission \(index) of \(count)"
      let lost = subject.backend
      subject.plan.arm(.deviceLoss, at: index, persistent: true)
      let error = try failure(comment) { _ = try subject.generate(recovers: recovers) }
      #expect(error.kind == .tryAgain && error.kind.exitCode == 75, comment)
      #expect(error.what.hasPrefix("device lost in vkQueueSubmit") && error.advice != nil, comment)
      #expect(error.place == lost.device.description.name, comment)
      #expect(lost.isLost && subject.backend.isLost, comment)
      #expect(try subject.scratch.contents().isEmpty, comment)
      for backend in [lost, subject.backend] {
        #expect(backend.device.memoryUse.liveAllocations == 0, comment)
      }
      // A lost device refuses all further work.
      let again = try failure(comment) { _ = try subject.generate(recovers: false) }
      #expect(again.kind == .tryAgain && again.what.hasPrefix("device lost"), comment)
      subject.plan.disarm()
      subject.backend = try subject.backend.reopened()
    }
  }

  /// A device that has gone for good.
  @Test func endsWithTryAgainIfNoDeviceIsLeft() throws {
    let plan = FaultPlan()
    let scratch = try Scratch()
    let backend = SmallGeneration.backend(try SmallGeneration.device(plan))
    let small = try SmallGeneration()
    plan.arm(.deviceLoss, at: 0)
    let pipeline = try small.pipeline(backend) { throw LumosError(.noDevice, "the device has disappeared") }
    let error = try failure("no device left") { _ = try pipeline.generate(small.request(), to: scratch.video) }
    #expect(error.kind == .tryAgain && error.what == "the device was lost and cannot be opened again")
    #expect(error.place == backend.name && error.description.contains("the device has disappeared"))
    #expect(try scratch.contents().isEmpty)
  }
}
