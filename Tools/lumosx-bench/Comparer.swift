import Glibc
import LumosCommand
import LumosFiles
import LumosTensor

/// Holds a run against an earlier one, record by record.
struct Comparer {
  /// How a case has changed.
  struct Ratio {
    /// Old time divided by new time: above 1 is faster.
    let speedup: Double
    /// Whether it is slower by more than 5 % and the ranges of both runs do not overlap.
    let isRegression: Bool
  }

  private let old: [String: JSONValue]

  /// Reads the `--json` output of an earlier run.
  /// - Throws: `LumosError(.badInput)` if it cannot be read or has no measurement.
  init(_ path: String) throws {
    let records = try Records.read(path)
    old = Dictionary(
      records.compactMap { record in Self.key(record).map { ($0, record) } }, uniquingKeysWith: { $1 })
    guard !old.isEmpty else {
      throw LumosError(
        .badInput, "it holds no measurement", at: path, advice: "name the output of `lumosx-bench ops --json`")
    }
  }

  /// What makes two records the same case; nil for what was not measured. The kernel may have changed.
  private static func key(_ record: JSONValue) -> String? {
    guard record["medianSeconds"]?.double != nil, let title = (record["case"] ?? record["stage"])?.string else {
      return nil
    }
    return [title, record["shape"]?.string ?? "", record["dtype"]?.string ?? ""].joined(separator: "|")
  }

  /// The change of a case; nil if one of the runs lacks it.
  func ratio(_ record: JSONValue) -> Ratio? {
    guard let key = Self.key(record), let old = old[key], let before = old["medianSeconds"]?.double,
      let now = record["medianSeconds"]?.double, now > 0, before > 0
    else { return nil }
    let worstBefore = old["maxSeconds"]?.double ?? before
    let bestNow = record["minSeconds"]?.double ?? now
    return Ratio(speedup: before / now, isRegression: now > 1.05 * before && bestNow > worstBefore)
  }

  /// Names what has changed: on standard output for people, else on standard error.
  /// - Returns: number of regressions.
  func report(_ records: [JSONValue], json: Bool) -> Int {
    let compared = records.compactMap { record in ratio(record).map { (record, $0) } }
    guard !compared.isEmpty else {
      Reporting.note("lumosx-bench: warning: no case of this run is in the earlier one")
      return 0
    }
    let say = json ? Reporting.note : Reporting.line
    var sum = 0.0
    var regressions = 0
    for (record, ratio) in compared {
      sum += log(ratio.speedup)
      let title = (record["case"] ?? record["stage"])?.string ?? ""
      if ratio.isRegression {
        regressions += 1
        say("REGRESSION  \(Text.short(ratio.speedup)) x  \(title)")
      } else if ratio.speedup > 1.05 || !json {
        say("            \(Text.short(ratio.speedup)) x  \(title)")
      }
    }
    let mean = exp(sum / Double(compared.count))
    say("\(compared.count) cases compared: \(Text.short(mean)) x as fast on average, \(regressions) slower")
    return regressions
  }
}

/// Records in files: JSON values, one per line.
enum Records {
  /// All records of a file.
  /// - Parameter warn: hears of lines that are not JSON, which are then left out; without it they are failures.
  /// - Throws: `LumosError(.badInput)`, with the line.
  static func read(_ path: String, warn: ((String) -> Void)? = nil) throws -> [JSONValue] {
    let text = try MappedFile(path).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    return try text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
      if line.allSatisfy({ $0 == " " || $0 == "\r" }) { return nil }
      do { return try JSONValue(parsing: String(line)) } catch {
        let failure = LumosError(
          .badInput, "not a line of JSON: \(error)", at: "\(path), line \(index + 1)",
          advice: "name a file with the output of lumosx-bench --json")
        guard let warn else { throw failure }
        warn("\(failure)")
        return nil
      }
    }
  }
}
