import ArgumentParser
import LumosCommand
import LumosFiles
import LumosModels
import LumosPipeline
import LumosTensor

/// `lumosx models`: what weights there are, whether they are whole, and other forms of them.
struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "Find, check, convert and quantise weights.",
    subcommands: [
      ModelsListCommand.self, ModelsVerifyCommand.self, ModelsInfoCommand.self, ModelsConvertCommand.self,
      ModelsQuantizeCommand.self,
    ])
}

/// `lumosx models info`.
struct ModelsInfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Tell what a checkpoint or a bundle contains (as `inspect` does).")

  @Argument(help: "A checkpoint or the folder of a bundle.")
  var path: String

  @Flag(help: "One JSON object.")
  var json = false

  func run() throws { try InspectCommand.inspect(path, json: json) }
}

/// `lumosx models list`.
struct ModelsListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the bundles that are found, in the order in which they are looked for.",
    discussion: """
      Looked for are $LUMOSX_WEIGHTS, the bundle that travels with the program, and downloads of LumosX and Wan2.1 in the \
      cache of the hub ($HF_HOME, else ~/.cache/huggingface).
      """)

  @Flag(help: "One JSON object.")
  var json = false

  func run() throws {
    try Reporting.run {
      let found = BundleSearch().all
      if json {
        let bundles = found.map { place -> JSONValue in
          ["path": .string(place.path), "origin": .string(place.origin), "complete": .bool(place.report.isComplete)]
        }
        return Reporting.line((["ok": true, "bundles": .array(bundles)] as JSONValue).text())
      }
      if found.isEmpty {
        Reporting.line("no bundle found; to fetch one: hf download Alibaba-DAMO-Academy/LumosX --local-dir LumosX")
      }
      for place in found {
        let missing = place.report.parts.filter { $0.problem != nil }.map(\.part.rawValue)
        let state = place.report.isComplete ? "complete" : "faults in \(missing.joined(separator: ", "))"
        Reporting.line("\(place.path)  (\(place.origin)): \(state)")
      }
    }
  }
}

/// `lumosx models verify`.
struct ModelsVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check every part of a bundle, and say what to do about what is wrong.",
    discussion: "Exit code 0 if a generation could use it, else 65. Commands that fetch files are printed, never run.")

  @Argument(help: "The folder. Default: $LUMOSX_WEIGHTS, else the bundle that travels with the program.")
  var path: String?

  @Flag(help: "Read every file whole and tell its SHA-256.")
  var hash = false

  @Flag(help: "One JSON object.")
  var json = false

  func run() throws {
    try Reporting.run(
      onFailure: { error in
        if json { Reporting.line(JSONValue(dictionaryLiteral: ("ok", false), ("error", Reporting.json(error))).text()) }
      },
      {
        let report = BundleReport(try BundleSearch().path(explicit: path))
        if let problem = report.problem { throw problem }
        var parts: [JSONValue] = []
        for part in report.parts {
          let hashes = try hash ? part.files.map { ($0, try Self.sha256($0)) } : []
          if json {
            parts.append([
              "part": .string(part.part.rawValue), "path": part.path.map { .string($0) } ?? nil,
              "summary": part.summary.map { .string($0) } ?? nil, "problem": part.problem.map { .string($0) } ?? nil,
              "advice": part.advice.map { .string($0) } ?? nil,
              "files": .array(
                hash
                  ? hashes.map { ["path": .string($0.0), "sha256": .string($0.1)] }
                  : part.files.map { ["path": .string($0)] }),
            ])
            continue
          }
          let place = part.path.map { " \($0)" } ?? ""
          let state = [part.summary, part.problem].compactMap { $0 }.joined(separator: "; ")
          Reporting.line("\(part.problem == nil ? "ok     " : "failure") \(part.part.rawValue):\(place)")
          if !state.isEmpty { Reporting.line("        \(state)") }
          if let advice = part.advice { Reporting.line("        \(advice)") }
          for (file, sum) in hashes { Reporting.line("        \(sum)  \(file)") }
        }
        if json {
          Reporting.line(
            (["ok": .bool(report.isComplete), "path": .string(report.path), "parts": .array(parts)] as JSONValue).text()
          )
        }
        if !report.isComplete { throw ExitCode(LumosError.Kind.badInput.exitCode) }
      })
  }

  private static func sha256(_ path: String) throws(LumosError) -> String {
    let file = try MappedFile(path)
    var hash = Sha256()
    let piece = 16 << 20
    var buffer = [UInt8](repeating: 0, count: min(piece, max(file.count, 1)))
    for start in stride(from: 0, to: file.count, by: piece) {
      let range = start..<min(start + piece, file.count)
      do {
        try buffer.withUnsafeMutableBytes { bytes in
          try file.read(range, into: bytes)
          hash.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<range.count]))
        }
      } catch { throw error as? LumosError ?? LumosError(.inputOutput, "cannot be read", at: path) }
    }
    return hash.hexDigest()
  }
}

/// `lumosx models convert`.
struct ModelsConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a bundle as one tidy folder: safetensors under the published names, tokenizer, config.json.")

  @Argument(help: "The folder of the weights, in any form that `generate` reads.", completion: .directory)
  var path: String

  @Option(name: [.customShort("o"), .long], help: "The folder to write; must not exist or be empty.")
  var output: String

  @Option(help: "Type of matrices: f32, f16 or bf16. Default: as they are.")
  var type: WeightType?

  func run() throws {
    try Reporting.run {
      let bundle = try ModelBundle(path)
      try bundle.verify()
      try bundle.convert(to: output, dtype: type?.dtype) { part, path in Reporting.note("writing \(path)") }
      Reporting.line(output)
    }
  }

  /// `--type`.
  enum WeightType: String, ExpressibleByArgument, CaseIterable {
    case f32, f16, bf16

    var dtype: DType {
      switch self {
      case .f32: .f32
      case .f16: .f16
      case .bf16: .bf16
      }
    }
  }
}
