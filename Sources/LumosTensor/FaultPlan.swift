import Glibc
import Synchronization

/// Failures made to order, for tests: counts the calls at each point and says which of them are to fail, as if the
/// driver or the disk had refused them.
///
/// A device takes its plan when it is opened (`VulkanDevice.Options.faults`); file accesses ask the plan of the
/// surrounding task. Where there is none, which is always so outside of tests, a point costs one comparison with nil.
public final class FaultPlan: Sendable {
  /// Where calls can be made to fail.
  public enum Point: String, Sendable, Hashable, CaseIterable {
    /// Allocation of device memory: out of memory.
    case allocation
    /// Mapping of device memory into the host's address space.
    case mapping
    /// Submission to the queue: out of memory.
    case submission
    /// Submission to the queue: the device is lost.
    case deviceLoss
    /// A copy between staging memory and a buffer of the device: out of memory.
    case stagingCopy
    /// Reading or mapping a file: EIO.
    case fileRead
    /// Creating, writing or completing a file: EIO.
    case fileWrite
  }

  private struct State {
    var counts: [Point: Int] = [:]
    var point: Point?
    var indices = 0..<0
  }

  private let state = Mutex(State())

  /// The plan that file accesses of the current task follow.
  @TaskLocal public static var files: FaultPlan?

  /// A plan by which nothing fails: it only counts.
  public init() {}

  /// Starts counting anew, and lets call `index` (from 0) at `point` fail; if `persistent`, all later ones too.
  public func arm(_ point: Point, at index: Int, persistent: Bool = false) {
    state.withLock { $0 = State(point: point, indices: index..<(persistent ? .max : index + 1)) }
  }

  /// Starts counting anew, and lets nothing fail.
  public func disarm() { state.withLock { $0 = State() } }

  /// Calls at `point` so far.
  public func count(_ point: Point) -> Int { state.withLock { $0.counts[point, default: 0] } }

  /// Counts a call that is about to be made.
  /// - Returns: whether it is to fail.
  public func strikes(_ point: Point) -> Bool {
    state.withLock {
      let index = $0.counts[point, default: 0]
      $0.counts[point] = index + 1
      return $0.point == point && $0.indices.contains(index)
    }
  }

  /// Whether the file access that is about to be made is to fail; `errno` then says EIO.
  public static func strikesFile(_ point: Point) -> Bool {
    guard let files, files.strikes(point) else { return false }
    errno = EIO
    return true
  }
}
