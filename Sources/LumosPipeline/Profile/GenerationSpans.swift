import LumosGraph

/// Turns the events of a generation into spans of a profile: its stages, and within them solver steps and groups of
/// frames.
///
/// ```swift
/// let recorder = ProfileRecorder()
/// let pipeline = try Pipeline(bundle: bundle, backend: backend.profiled(by: recorder))
/// var spans = GenerationSpans(recorder)
/// let result = try pipeline.generate(request, to: "out.mp4") { spans.event($0) }
/// spans.end()
/// try TraceFile.write(recorder.profile, to: "trace.json")
/// ```
public struct GenerationSpans {
  private let recorder: ProfileRecorder
  private var stage: (stage: Stage, since: Int)?
  /// End of the last step or group of frames; the stage's beginning before the first.
  private var last = 0
  private var frames = 0

  /// Spans for `recorder`.
  public init(_ recorder: ProfileRecorder) { self.recorder = recorder }

  /// Takes an event at the moment at which the pipeline reports it.
  public mutating func event(_ event: GenerationEvent) {
    let now = recorder.now
    switch event {
    case .stage(let next):
      end(at: now)
      stage = (next, now)
      last = now
      frames = 0
    case .step(let index, let count, _):
      recorder.record(.step, "step \(index) of \(count)", time: last..<now)
      last = now
    case .frames(let count, _):
      let name = count == frames + 1 ? "frame \(count)" : "frames \(frames + 1) to \(count)"
      recorder.record(.frames, name, time: last..<now)
      frames = count
      last = now
    case .preview(let preview):
      recorder.record(.frames, "preview after step \(preview.step)", time: last..<now)
      last = now
    case .memory, .progress, .warning, .output: break
    }
  }

  /// The generation is over, or was given up: the stage that is open ends.
  public mutating func end() { end(at: recorder.now) }

  private mutating func end(at now: Int) {
    guard let stage else { return }
    recorder.record(.stage, stage.stage.rawValue, time: stage.since..<now)
    self.stage = nil
  }
}
