import LumosCommand
import LumosGraph
import LumosPipeline

/// The `--profile` option at work: records a generation, then writes the trace and prints the tables.
final class ProfileOutput {
  private let path: String
  private let recorder = ProfileRecorder()
  private var spans: GenerationSpans

  /// - Throws: `LumosError(.cannotWrite)` if no file can be made at `path`, before any work.
  init(path: String) throws {
    try OutputPath.check(path)
    self.path = path
    spans = GenerationSpans(recorder)
  }

  /// `backend`, whose sessions are recorded.
  func attach(to backend: any Backend) -> any Backend { backend.profiled(by: recorder) }

  /// Takes an event of the generation.
  func event(_ event: GenerationEvent) { spans.event(event) }

  /// Does `work` and writes what was recorded. Work that fails or is interrupted leaves the trace of what was done; its
  /// own error is the one that counts.
  func around<Result>(_ work: () throws -> Result) throws -> Result {
    let result: Result
    do { result = try work() } catch {
      try? finish()
      throw error
    }
    try finish()
    return result
  }

  private func finish() throws {
    spans.end()
    let profile = recorder.profile
    try TraceFile.write(profile, to: path)
    Reporting.note("\(ProfileTable(profile))\nprofile \(path)")
  }
}

extension ProfileOutput? {
  /// Does `work`, and records it if a profile is wanted.
  func around<Result>(_ work: () throws -> Result) throws -> Result {
    guard let self else { return try work() }
    return try self.around(work)
  }
}
