import LumosFiles
import LumosTensor

/// What a folder has of a bundle, part by part, whatever is wrong with it.
///
/// Where `ModelBundle` refuses a folder for its first fault, this one tells of all of them, and what to do.
public struct BundleReport: Sendable {
  /// A part of the bundle.
  public struct Part: Sendable {
    /// Which one.
    public let part: ModelConfiguration.Part
    /// Where it was found; nil if it is missing.
    public let path: String?
    /// The format, element types and sizes, for people; nil if it cannot be read.
    public var summary: String?
    /// All files that belong to it.
    public var files: [String] = []
    /// What is wrong with it, if anything.
    public var problem: String?
    /// What to do about that.
    public var advice: String?
  }

  /// The folder.
  public let path: String
  /// All parts, in the order of use.
  public let parts: [Part]
  /// What is wrong with the folder's configuration, if anything.
  public let problem: LumosError?

  /// Whether a generation could use the folder.
  public var isComplete: Bool { problem == nil && parts.allSatisfy { $0.problem == nil } }

  /// Looks into a folder.
  public init(_ path: String) {
    self.path = path
    var written: ModelConfiguration?
    var problem: LumosError?
    do throws(LumosError) {
      guard FileKind(path) == .folder else {
        throw LumosError(.badInput, FileKind(path) == nil ? "does not exist" : "is not a folder", at: path)
      }
      if FileKind(path + "/config.json") != nil { written = try ModelConfiguration(path: path + "/config.json") }
    } catch { problem = error }
    let files = written?.files ?? [:]
    var (weights, failures): ([ModelConfiguration.Part: CheckpointWeights], [ModelConfiguration.Part: LumosError]) =
      ([:], [:])
    for part in ModelConfiguration.Part.allCases where part != .tokenizer {
      guard let place = ModelBundle.find(part, in: path, files) else { continue }
      do throws(LumosError) { weights[part] = try CheckpointWeights(CheckpointOpener.open(place)) } catch {
        failures[part] = error
      }
    }
    var configuration = written ?? ModelConfiguration()
    if written == nil, problem == nil {
      do throws(LumosError) { configuration = try ModelBundle.undeclared(path, weights[.transformer]) } catch {
        problem = error
      }
    }
    self.problem = problem
    parts = ModelConfiguration.Part.allCases.map { part in
      Self.part(part, in: path, files, weights[part], failures[part], configuration)
    }
  }

  private static func part(
    _ part: ModelConfiguration.Part, in path: String, _ files: [ModelConfiguration.Part: String],
    _ weights: CheckpointWeights?, _ failure: LumosError?, _ configuration: ModelConfiguration
  ) -> Part {
    guard let place = ModelBundle.find(part, in: path, files), FileKind(place) != nil else {
      return Part(
        part: part, path: nil, problem: "is missing",
        advice: "fetch it: \(downloadCommand(part, into: path)); or name it in config.json under files")
    }
    var report = Part(part: part, path: place, files: [place])
    if let failure {
      report.problem = failure.place == place ? failure.what : "\(failure.place ?? place): \(failure.what)"
      report.advice = failure.advice ?? "fetch it again: \(downloadCommand(part, into: path))"
    } else if let weights {
      report.summary = summary(of: weights)
      report.files = weights.checkpoint.files
      let deviations = weights.deviations(from: expected(part, configuration))
      if !deviations.isEmpty {
        report.problem = deviations.summary()
        report.advice =
          "compare config.json with the checkpoint, or fetch it again: \(downloadCommand(part, into: path))"
      }
    }
    return report
  }

  private static func expected(
    _ part: ModelConfiguration.Part, _ configuration: ModelConfiguration
  ) -> [String: Shape] {
    switch part {
    case .transformer: ExpectedTensors.transformer(configuration.transformer)
    case .vae: ExpectedTensors.vae(configuration.vae)
    case .umt5: ExpectedTensors.umt5(configuration.umt5)
    case .tokenizer: [:]
    }
  }

  private static func summary(of weights: CheckpointWeights) -> String {
    let types = weights.checkpoint.names.compactMap { weights.checkpoint.type(of: $0) }
    let bytes = types.reduce(0) { $0 + $1.byteCount }
    let dtypes = Set(types.map(\.dtype.rawValue)).sorted().joined(separator: ", ")
    let names = weights.naming == .official ? "" : ", names of \(weights.naming.rawValue)"
    return "\(weights.checkpoint.format), \(weights.names.count) tensors as \(dtypes), \(bytes) bytes\(names)"
  }

  /// The command that fetches a part, for people to run.
  public static func downloadCommand(_ part: ModelConfiguration.Part, into folder: String) -> String {
    let target = "--local-dir '\(folder)'"
    let wan = "hf download Wan-AI/Wan2.1-T2V-1.3B"
    return switch part {
    case .transformer: "hf download Alibaba-DAMO-Academy/LumosX --include 'LumosX_models/*' \(target)"
    case .vae: "\(wan) Wan2.1_VAE.pth \(target)"
    case .umt5: "\(wan) models_t5_umt5-xxl-enc-bf16.pth \(target)"
    case .tokenizer: "\(wan) --include 'google/umt5-xxl/*' \(target)"
    }
  }
}
