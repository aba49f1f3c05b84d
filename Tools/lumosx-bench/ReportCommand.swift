import ArgumentParser
import LumosCommand
import LumosFiles
import LumosTensor

/// `lumosx-bench report`: one report of the output of several commands.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Make report.json, report.md and report.html of files with --json output.",
    discussion: """
      Lines that are no JSON, as a command leaves that was cut off while it wrote, are passed over with a warning.
      """)

  @Argument(
    help: "Files with the --json output of peaks, ops, parity, step and of Tools/torch-baseline.", completion: .file())
  var files: [String]

  @Option(name: .shortAndLong, help: "Folder for the reports.", completion: .directory)
  var output = "."

  func run() throws {
    try Reporting.run {
      let records = try files.flatMap { path in
        try Records.read(path) { warning in Reporting.note("lumosx-bench: warning: \(warning)") }
      }
      guard !records.isEmpty else {
        throw LumosError(.badInput, "there is no record in it", at: files.joined(separator: ", "))
      }
      let summary = Summary(records)
      let json = JSONValue.object([
        .init("device", .string(summary.device)), .init("facts", .array(records.filter { $0["facts"] != nil })),
        .init("peaks", summary.peaks ?? .null), .init("parity", Self.parity(summary)),
        .init("ops", .array(records.filter { $0["op"] != nil })),
        .init("stages", .array(records.filter { $0["stage"] != nil })),
        .init("baseline", .array(summary.baseline)), .init("ratios", summary.ratiosJSON),
      ])
      try AtomicFile.write(json.text(indented: true) + "\n", to: output + "/report.json")
      try AtomicFile.write(Markdown(summary).text, to: output + "/report.md")
      try AtomicFile.write(Page(records).html, to: output + "/report.html")
      Reporting.line("\(output)/report.json, report.md and report.html")
    }
  }

  private static func parity(_ summary: Summary) -> JSONValue {
    .object([
      .init("cases", .integer(summary.parity.count)),
      .init("complete", .bool(!summary.isParityCutOff)),
      .init("holding", .integer(summary.parity.count { $0["pass"]?.bool == true })),
      .init("failures", .array(summary.parityFailures.map { .string($0) })),
    ])
  }
}

/// A report as text.
struct Markdown {
  private let summary: Summary

  /// The report of these records.
  init(_ summary: Summary) { self.summary = summary }

  /// The text.
  var text: String {
    var out = "# LumosX on \(summary.device)\n"
    if let peaks = summary.peaks {
      out += "\nMeasured peaks: copy \(Text.short(peaks["copyGbps"]?.double ?? 0)) GB/s"
      for member in peaks["matrixTflops"]?.members ?? [] {
        out += ", \(member.key) \(Text.short(member.value.double ?? 0)) TFLOP/s"
      }
      out += ".\n"
    }
    if !summary.parity.isEmpty {
      out += "\n## Parity\n\n\(summary.parityLine).\n"
      out += summary.parityFailures.map { "- \($0)\n" }.joined()
    }
    out += Self.section("Against PyTorch, same device, same run", Summary.ratioHead, summary.ratioRows)
    out += Self.section("Whole stages", Summary.stageHead, summary.stageRows)
    out += Self.section("Kernels", Summary.opHead, summary.opRows)
    out += Self.section("PyTorch", Summary.baselineHead, summary.baselineRows)
    if !summary.skipped.isEmpty {
      out += "\n## Skipped\n\n" + summary.skipped.map { "- \($0.title): \($0.reason)\n" }.joined()
    }
    return out
  }

  private static func section(_ title: String, _ head: [String], _ rows: [[String]]) -> String {
    guard !rows.isEmpty else { return "" }
    func line(_ cells: [String]) -> String {
      "| " + cells.map { $0.split(separator: "|").joined(separator: "/") }.joined(separator: " | ") + " |\n"
    }
    return "\n## \(title)\n\n" + line(head) + line(head.map { _ in "---" }) + rows.map(line).joined()
  }
}
