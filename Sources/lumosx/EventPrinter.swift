import Glibc
import LumosCommand
import LumosFiles
import LumosGraph
import LumosPipeline

/// Prints what a generation reports: sentences on standard error, or lines of JSON on standard output.
struct EventPrinter {
  private let json: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var lineOpen = false
  /// Paths of previews that people have been told of.
  private var previews: Set<String> = []
  /// Paths of the videos that are complete.
  private var outputs: [JSONValue] = []

  init(json: Bool) { self.json = json }

  /// Says what is going to happen.
  mutating func begin(device: String, precision: Precision, _ settings: Settings) {
    let seeds = settings.seeds.map { "\($0)" }.joined(separator: ", ")
    note(
      "\(settings.width)x\(settings.height), \(settings.frames) frames at \(settings.framesPerSecond)/s, "
        + "\(settings.steps) steps, shift \(settings.shift), guidance \(settings.guidance), "
        + "\(settings.seeds.count == 1 ? "seed" : "seeds") \(seeds), on \(device), \(precision.name) precision")
  }

  /// One event.
  mutating func event(_ event: GenerationEvent) {
    switch event {
    case .memory(let rungs, let peakBytes): memory(rungs, peakBytes)
    case .stage(let stage):
      emit(["event": "stage", "stage": .string(stage.rawValue)])
      note(Self.titles[stage] ?? stage.rawValue)
    case .step(let index, let count, let secondsLeft):
      emit([
        "event": "step", "step": .integer(index), "steps": .integer(count), "secondsLeft": .number(secondsLeft),
      ])
      progress("step \(index) of \(count), \(Self.duration(secondsLeft)) left", last: index == count)
    case .progress(let stage, let fraction):
      emit(["event": "progress", "stage": .string(stage.rawValue), "fraction": .number(fraction)])
      // A line that is overwritten may change often; a log should not fill with them.
      if isTerminal {
        progress("\(Self.titles[stage] ?? stage.rawValue) \(Int((fraction * 100).rounded(.down))) %", last: false)
      }
    // `preview` tells of it, where its file is known.
    case .preview: break
    case .frames(let count, let total):
      emit(["event": "frames", "frames": .integer(count), "total": .integer(total)])
      progress("frame \(count) of \(total)", last: count == total)
    case .output(let output):
      outputs.append(.string(output.path))
      emit([
        "event": "output", "output": .string(output.path), "seed": output.seed.map(Self.number) ?? .null,
        "latentsSha256": .string(output.latentsSha256),
      ])
    case .warning(let text): warning(text)
    }
  }

  /// A preview that has been written to `path`.
  mutating func preview(_ preview: GenerationPreview, _ path: String) {
    emit([
      "event": "preview", "step": .integer(preview.step), "steps": .integer(preview.count), "output": .string(path),
    ])
    // People are told once where to look.
    if previews.insert(path).inserted { note("preview: \(path)") }
  }

  /// What is done about memory; people hear of it where it is more than one network after the other.
  private mutating func memory(_ rungs: [Stage: MemoryLadder.Rung], _ peakBytes: Int) {
    let stages = Stage.allCases.compactMap { stage in rungs[stage].map { (stage, $0) } }
    emit([
      "event": "memory", "peakBytes": .integer(peakBytes),
      "stages": .object(stages.map { JSONValue.Member($0.0.rawValue, .string($0.1.rawValue)) }),
    ])
    for (stage, rung) in stages where rung > .stageByStage {
      let tiles = rung == .smallTiles ? ", smaller blocks of tokens" : ""
      note("\(Self.titles[stage] ?? stage.rawValue): weights are streamed\(tiles)")
    }
  }

  /// A warning.
  mutating func warning(_ text: String) {
    emit(["event": "warning", "message": .string(text)])
    note("warning: \(text)")
  }

  /// The end, with a result.
  mutating func finished(_ result: GenerationResult) {
    let seconds = Stage.allCases.compactMap { stage in
      result.seconds[stage].map { JSONValue.Member(stage.rawValue, .number($0)) }
    }
    let firsts = Stage.allCases.compactMap { stage in
      result.secondsToFirstDispatch[stage].map { JSONValue.Member(stage.rawValue, .number($0)) }
    }
    emit([
      "event": "result", "ok": true, "output": .string(result.outputPath), "outputs": .array(outputs),
      "latentsSha256": .string(result.latentsSha256), "seconds": .object(seconds),
      "secondsToFirstDispatch": .object(firsts), "peakDeviceBytes": .integer(result.peakDeviceBytes), "error": nil,
    ])
    let times = Stage.allCases.compactMap { stage in
      result.seconds[stage].map { "\(Self.titles[stage] ?? stage.rawValue) \(Self.duration($0))" }
    }
    note(times.joined(separator: ", "))
    for output in result.outputs { note("latents sha256 \(output.latentsSha256)") }
    if !json { for output in result.outputs { Reporting.line(output.path) } }
  }

  /// The end, with a failure.
  mutating func failed(_ error: any Error) {
    closeLine()
    emit([
      "event": "result", "ok": false, "output": nil, "outputs": .array(outputs), "error": Reporting.json(error),
    ])
  }

  private static let titles: [Stage: String] = [
    .textEncoder: "text encoder", .vaeEncode: "reference images", .transformer: "transformer", .vaeDecode: "decoding",
  ]

  /// A number that JSON readers may not hold exactly is written as text.
  private static func number(_ seed: UInt64) -> JSONValue {
    Int(exactly: seed).map { .integer($0) } ?? .string("\(seed)")
  }

  private static func duration(_ seconds: Double) -> String {
    if seconds < 99.95 { return "\((seconds * 10).rounded() / 10) s" }
    let whole = Int(seconds.rounded())
    return "\(whole / 60) min \(whole % 60) s"
  }

  private func emit(_ value: JSONValue) { if json { Reporting.line(value.text()) } }

  private mutating func note(_ text: String) {
    closeLine()
    Reporting.note(text)
  }

  /// A line that the next one overwrites on a terminal; elsewhere a plain line.
  private mutating func progress(_ text: String, last: Bool) {
    guard isTerminal else {
      Reporting.note("  " + text)
      return
    }
    Reporting.write("\r\u{1b}[K  \(text)", to: STDERR_FILENO)
    lineOpen = true
    if last { closeLine() }
  }

  private mutating func closeLine() {
    if lineOpen { Reporting.write("\n", to: STDERR_FILENO) }
    lineOpen = false
  }
}
