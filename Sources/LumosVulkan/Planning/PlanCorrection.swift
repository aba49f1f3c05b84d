import LumosTensor
import Synchronization

extension VulkanPlan {
  /// The rates that the timestamps of a run speak for, beginning with those by which the plan was cut. Nil if the queue
  /// has no timestamps.
  func rates(measuredBy timing: RunTiming, from rates: DeviceRates) -> DeviceRates? {
    guard timing.submissionSeconds.count == submissions.count, !submissions.isEmpty else { return nil }
    return rates.corrected(
      by: zip(submissions, timing.submissionSeconds).map { range, seconds in
        DeviceRates.Measurement(
          commands[range].map { .init(flops: $0.flops, bytesMoved: $0.bytesMoved) }, seconds: seconds)
      })
  }

  /// Whether the plan should be cut anew within these limits: because a dispatch that could be sliced or a submission
  /// would take too long, or because there are more than twice as many submissions as it takes.
  func isCutBadly(_ limits: Limits) -> Bool {
    let rates = limits.rates
    let cuts = Self.submissions(commands, limits, cuts: Set(loads.map { submissions[$0.before].lowerBound }))
    let isTooLong = submissions.contains { range in
      range.count > 1 && commands[range].reduce(0) { $0 + rates.seconds(of: $1) } > limits.secondsPerSubmission
    }
    // Only arithmetic is sliced; a copy takes as long as it takes.
    let slice = Double(Limits.flopsPerDispatch(rates, seconds: limits.secondsPerDispatch))
    let isTooCoarse = commands.contains { Double($0.flops) > 1.5 * slice && $0.kernel != nil }
    return isTooLong || isTooCoarse || submissions.count > 2 * cuts.count
  }
}

/// What runs on a device have told about its speed, for plans that are yet to be made.
///
/// A plan begins with cautious rates: how fast one graph's kernels are says little of another's, and short submissions
/// cost little. But a device that was slower than that with the last graph is slow with the next. Only the last run
/// counts: one that was held up, by other programs or by a driver that compiles, does not slow all that follow.
final class SpeedMemory: Sendable {
  private let last = Mutex<DeviceRates?>(nil)

  /// Remembers rates that were measured.
  func note(_ rates: DeviceRates) { last.withLock { $0 = rates } }

  /// Rates to begin with, where nothing is known but these.
  func start(_ rates: DeviceRates) -> DeviceRates { last.withLock { $0.map(rates.slower) ?? rates } }
}

extension DeviceRates {
  /// The slower of both in every respect.
  func slower(_ other: DeviceRates) -> DeviceRates {
    DeviceRates(
      flopsPerSecond: min(flopsPerSecond, other.flopsPerSecond),
      bytesPerSecond: min(bytesPerSecond, other.bytesPerSecond),
      secondsPerDispatch: max(secondsPerDispatch, other.secondsPerDispatch))
  }
}
