import Glibc
import Synchronization

/// Collects a profile while a run goes on. Sessions of several threads may share one.
///
/// Code that can be profiled holds an optional recorder and writes `recorder.span(.upload, name) { work }`, which costs
/// a comparison with nil where nobody records.
public final class ProfileRecorder: Sendable {
  private let origin: Int
  private let state = Mutex(Profile())

  /// A recorder whose time begins now.
  public init() { origin = Self.monotonicNanoseconds() }

  /// Nanoseconds since the recorder was made.
  public var now: Int { Self.monotonicNanoseconds() - origin }

  /// What has been recorded so far.
  public var profile: Profile { state.withLock { $0 } }

  /// Records host work that is over.
  public func record(_ activity: Profile.Activity, _ name: String, time: Range<Int>, bytes: Int? = nil) {
    state.withLock { $0.add(Profile.Span(activity: activity, name: name, time: time, bytes: bytes)) }
  }

  /// Records operations that ran one after the other on a queue. Should they seem to begin before what the queue has
  /// done already has ended, they are moved behind it.
  public func record(_ executions: [(operation: Profile.Operation, time: Range<Int>)], on queue: Profile.Queue) {
    state.withLock { $0.add(executions, on: queue) }
  }

  /// Records operations whose times a device's own clock tells, by the moment at which the host saw them done.
  ///
  /// - Parameters:
  ///   - offsets: nanoseconds of every operation from the first one's start, without overlap.
  ///   - end: the host's time when it saw the last one done.
  public func record(
    _ operations: [Profile.Operation], offsets: [Range<Int>], endingAt end: Int, on queue: Profile.Queue
  ) {
    precondition(operations.count == offsets.count, "\(operations.count) operations, \(offsets.count) times")
    guard let last = offsets.last else { return }
    // The host wakes up after the device is done, never before; and nothing ran before the recorder was made.
    let start = max(end - last.upperBound, 0)
    record(
      zip(operations, offsets).map { ($0, start + $1.lowerBound..<start + $1.upperBound) }, on: queue)
  }

  /// Records how many bytes are allocated on a device now.
  public func recordMemory(_ bytes: Int, on device: String) {
    let time = now
    state.withLock { $0.add(Profile.MemorySample(device: device, time: time, bytes: bytes)) }
  }

  private static func monotonicNanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}

extension ProfileRecorder? {
  /// Does `work` and records how long it took, also if it throws. Without a recorder it is just done.
  public func span<Result>(
    _ activity: Profile.Activity, _ name: @autoclosure () -> String, bytes: @autoclosure () -> Int? = nil,
    _ work: () throws -> Result
  ) rethrows -> Result {
    guard let recorder = self else { return try work() }
    let start = recorder.now
    defer { recorder.record(activity, name(), time: start..<recorder.now, bytes: bytes()) }
    return try work()
  }
}
