import Dispatch

/// Calls `body` with the ranges `0 ..< grain`, `grain ..< 2 · grain` and so on up to `count`, on all cores, and returns
/// when all are done.
///
/// The ranges depend on `count` and `grain` alone. Results therefore do not depend on the number of threads, as long as
/// a call writes only what belongs to its own range. Choose the grain so that one call takes 20 µs or more.
func parallelFor(count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
  precondition(count >= 0 && grain > 0, "count \(count), grain \(grain)")
  let calls = (count + grain - 1) / grain
  if calls <= 1 {
    if count > 0 { body(0..<count) }
    return
  }
  // The closure is shared with other threads, but only until concurrentPerform returns.
  withoutActuallyEscaping(body) { body in
    nonisolated(unsafe) let body = body
    DispatchQueue.concurrentPerform(iterations: calls) { call in
      body(call * grain..<min((call + 1) * grain, count))
    }
  }
}
