import ArgumentParser
import LumosCommand
import LumosFiles
import LumosTensor

/// What becomes of the results besides standard output.
struct OutputOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "An earlier run's --json output: tells how much faster or slower every case has become.",
      discussion: "Exits with 1 if a case is slower by more than 5 % and than both runs' spread."), completion: .file())
  var compare: String?

  @Option(help: "Write a page with a roofline, parity tiles and a table of all results.", completion: .file())
  var html: String?
}

/// The records of a run, on their way to standard output, a page and a comparison.
final class Results {
  private let page: String?
  private let json: Bool
  private var records: [JSONValue] = []
  private let old: Comparer?

  /// Results for the files that the options name.
  /// - Throws: `LumosError` if the file to compare with cannot be read.
  convenience init(_ options: OutputOptions, json: Bool) throws {
    try self.init(page: options.html, comparedWith: options.compare, json: json)
  }

  /// - Parameters:
  ///   - page: file to write at the end.
  ///   - old: file of an earlier run.
  /// - Throws: `LumosError` if that cannot be read.
  init(page: String?, comparedWith old: String? = nil, json: Bool) throws {
    self.page = page
    self.json = json
    self.old = try old.map { try Comparer($0) }
  }

  /// Adds a record, and prints it at once where the output is for machines.
  func add(_ record: JSONValue) {
    var record = record
    if let ratio = old?.ratio(record), case .object(let members) = record {
      record = .object(members + [.init("speedup", .number(ratio.speedup))])
    }
    records.append(record)
    if json { Reporting.line("\(record)") }
  }

  /// Runs `work`, and writes the page and the comparison however it ends: what was measured until then is not lost.
  func finishing(_ work: () throws -> Void) throws {
    let outcome = Result { try work() }
    if let path = page { try AtomicFile.write(Page(records).html, to: path) }
    let regressions = old?.report(records, json: json) ?? 0
    try outcome.get()
    if regressions > 0 { throw ExitCode(1) }
  }
}
