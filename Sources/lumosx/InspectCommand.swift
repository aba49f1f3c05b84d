import ArgumentParser
import LumosCommand
import LumosFiles
import LumosPipeline

/// `lumosx inspect`: what a file or folder contains.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Tell what a checkpoint, bundle, scene, video or picture contains, what is missing and what is unknown.")

  @Argument(help: "A bundle or scene folder, a checkpoint, a video or a picture.")
  var path: String

  @Flag(help: "One JSON object.")
  var json = false

  func run() throws { try Self.inspect(path, json: json) }

  /// Tells what is under `path`.
  static func inspect(_ path: String, json: Bool) throws {
    try Reporting.run(
      onFailure: { error in
        if json { Reporting.line(JSONValue(dictionaryLiteral: ("ok", false), ("error", Reporting.json(error))).text()) }
      },
      {
        let inspection = try Inspection(path)
        if let problem = inspection.problem {
          if !json { for line in inspection.lines { Reporting.line(line) } }
          throw problem
        }
        if json {
          Reporting.line(
            JSONValue.object(
              [.init("ok", true), .init("kind", .string(inspection.kind.rawValue))] + (inspection.facts.members ?? [])
            ).text())
        } else {
          for line in ["\(inspection.kind.rawValue) \(path)"] + inspection.lines { Reporting.line(line) }
        }
      })
  }
}
