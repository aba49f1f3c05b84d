import LumosGraph

/// Tells how far a stage is while its graphs run.
struct StageProgress {
  /// Events within a run are at least this far apart.
  private static let interval = Duration.milliseconds(500)

  /// The stage.
  let stage: Stage
  /// Runs of equal length that it consists of: prompts, images, steps.
  let units: Int
  /// Those that were done before.
  var done = 0

  /// Carries out the stage's work, and passes on between two submissions how far it is.
  /// - Parameters:
  ///   - onEvent: hears of progress; what it throws ends the work.
  ///   - body: calls its argument after each unit.
  func follow<R>(
    _ session: any Session, _ onEvent: (GenerationEvent) throws -> Void, _ body: (_ unitDone: () -> Void) throws -> R
  ) rethrows -> R {
    try withoutActuallyEscaping(onEvent) { onEvent in
      var done = done
      var last = ContinuousClock.now
      session.onProgress = { [stage, units] part, count in
        let now = ContinuousClock.now
        guard part < count, last.duration(to: now) >= Self.interval else { return }
        last = now
        let fraction = (Double(done) + Double(part) / Double(count)) / Double(units)
        try onEvent(.progress(stage: stage, fraction: min(fraction, 1)))
      }
      defer { session.onProgress = nil }
      return try body { done += 1 }
    }
  }
}
