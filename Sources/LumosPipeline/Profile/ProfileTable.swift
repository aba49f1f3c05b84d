import LumosGraph

/// A profile as two tables for people: what the device spent its time on, per kind of op, and the host, per kind of
/// work.
public struct ProfileTable: CustomStringConvertible {
  private let profile: Profile

  /// Tables of a profile.
  public init(_ profile: Profile) { self.profile = profile }

  /// The text, without a newline at its end.
  public var description: String {
    var tables: [String] = []
    let ops = profile.operationTotals
    if !ops.isEmpty { tables.append(Self.render(operations(ops))) }
    let activities = profile.activityTotals
    if !activities.isEmpty { tables.append(Self.render(host(activities))) }
    return tables.isEmpty ? "nothing was recorded" : tables.joined(separator: "\n\n")
  }

  private func operations(_ totals: [Profile.OperationTotal]) -> [[String]] {
    let time = totals.reduce(0) { $0 + $1.nanoseconds }
    func row(_ name: String, _ count: Int, _ nanoseconds: Int, _ flops: Int, _ bytes: Int) -> [String] {
      func rate(_ amount: Int, _ unit: Double) -> String {
        guard amount > 0, nanoseconds > 0 else { return "-" }
        return Self.significant(Double(amount) / unit / (Double(nanoseconds) * 1e-9))
      }
      return [
        name, String(count), Self.seconds(nanoseconds), Self.share(nanoseconds, of: time), rate(flops, 1e12),
        rate(bytes, 1e9),
      ]
    }
    func sum(_ member: (Profile.OperationTotal) -> Int) -> Int { totals.reduce(0) { $0 + member($1) } }
    return [["op", "count", "seconds", "share", "TFLOP/s", "GB/s"]]
      + totals.map { row(Self.name($0), $0.count, $0.nanoseconds, $0.flops, $0.bytes) }
      + [row("all", sum { $0.count }, time, sum { $0.flops }, sum { $0.bytes })]
  }

  /// An op with the variants of its kernels: `Linear: matrix.f16, vector.f16`.
  private static func name(_ total: Profile.OperationTotal) -> String {
    let variants = total.kernels.filter { $0.hasPrefix(total.op + ".") }.map { $0.dropFirst(total.op.count + 1) }
    return variants.isEmpty ? total.op : "\(total.op): \(variants.sorted().joined(separator: ", "))"
  }

  private func host(_ totals: [Profile.ActivityTotal]) -> [[String]] {
    let time = totals.reduce(0) { $0 + $1.ownNanoseconds }
    return [["host", "count", "seconds", "share"]]
      + totals.map { total in
        [
          Self.titles[total.activity] ?? total.activity.rawValue, String(total.count),
          Self.seconds(total.ownNanoseconds), Self.share(total.ownNanoseconds, of: time),
        ]
      } + [["all", "", Self.seconds(time), Self.share(time, of: time)]]
  }

  /// What is left of each kind of work without what the other rows count.
  private static let titles: [Profile.Activity: String] = [
    .stage: "stage, other", .step: "step, other", .frames: "frames, other", .compile: "compile, other",
    .run: "run, other",
  ]

  /// Rows with their columns aligned: the first to the left, the others to the right.
  private static func render(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      zip(row, widths).enumerated().map { column, cell in
        let padding = String(repeating: " ", count: cell.1 - cell.0.count)
        return column == 0 ? cell.0 + padding : padding + cell.0
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }

  private static func seconds(_ nanoseconds: Int) -> String { fixed(Double(nanoseconds) * 1e-9, 4) }

  private static func share(_ part: Int, of whole: Int) -> String {
    whole > 0 ? fixed(100 * Double(part) / Double(whole), 1) + " %" : "-"
  }

  /// Three digits that mean something, and no exponent.
  private static func significant(_ x: Double) -> String {
    x >= 100 ? fixed(x, 0) : x >= 10 ? fixed(x, 1) : x >= 1 ? fixed(x, 2) : x >= 0.1 ? fixed(x, 3) : fixed(x, 5)
  }

  /// `x` with `digits` digits behind the point.
  static func fixed(_ x: Double, _ digits: Int) -> String {
    if x < 0 { return "-" + fixed(-x, digits) }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = (x * Double(scale)).rounded()
    guard scaled < 1e18 else { return "\(x)" }
    let (whole, rest) = Int(scaled).quotientAndRemainder(dividingBy: scale)
    guard digits > 0 else { return String(whole) }
    let fraction = String(rest)
    return "\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}
