import LumosFiles

/// Records sorted by what they tell, and the tables that are made of them.
struct Summary {
  /// Title of the device; that of the first record that has one.
  let device: String
  /// The last record of `peaks`.
  let peaks: JSONValue?
  /// Measured cases of `ops`.
  let ops: [JSONValue]
  /// Cases that were not measured, and why.
  let skipped: [(title: String, reason: String)]
  /// Rows of `parity`.
  let parity: [JSONValue]
  /// Whether a run of `parity` was interrupted.
  let isParityCutOff: Bool
  /// Records of `step`.
  let stages: [JSONValue]
  /// Records of another implementation's measurements of the same work.
  let baseline: [JSONValue]

  init(_ records: [JSONValue]) {
    device = records.lazy.compactMap { $0["device"]?.string }.first ?? "an unnamed device"
    peaks = records.last { $0["copyGbps"] != nil }
    ops = records.filter { $0["op"] != nil && $0["medianSeconds"] != nil }
    skipped = records.compactMap { record in
      guard let reason = record["skipped"]?.string else { return nil }
      return ((record["case"] ?? record["stage"])?.string ?? "", reason)
    }
    parity = records.flatMap { $0["cases"]?.array ?? [] }
    isParityCutOff = records.contains { $0["cases"] != nil && $0["complete"]?.bool == false }
    stages = records.filter { $0["stage"] != nil && $0["medianSeconds"] != nil }
    baseline = records.filter { $0["baseline"] != nil }
  }

  // MARK: - Parity

  /// All cases of one op and type.
  struct Tile {
    var count = 0
    var failures = 0
    /// Largest error relative to its bound.
    var worst = 0.0
  }

  /// Tiles by op, in the order of their first case, and by type.
  var parityByOp: [(op: String, tiles: [String: Tile])] {
    var order: [String] = []
    var tiles: [String: [String: Tile]] = [:]
    for row in parity {
      guard let name = row["name"]?.string, let dtype = row["dtype"]?.string else { continue }
      let op = String(name.prefix { $0 != ":" })
      if tiles[op] == nil { order.append(op) }
      var tile = tiles[op]?[dtype] ?? Tile()
      tile.count += 1
      if row["pass"]?.bool != true { tile.failures += 1 }
      if let nmse = row["nmse"]?.double, let bound = row["bound"]?.double, bound > 0 {
        tile.worst = max(tile.worst, nmse / bound)
      }
      tiles[op, default: [:]][dtype] = tile
    }
    return order.map { ($0, tiles[$0] ?? [:]) }
  }

  /// `"612 of 612 cases hold"`.
  var parityLine: String {
    "\(parity.count { $0["pass"]?.bool == true }) of \(parity.count) cases hold"
      + (isParityCutOff ? "; cut off before the end, other cases are unknown" : "")
  }

  /// Cases that do not hold, with their reasons.
  var parityFailures: [String] {
    parity.filter { $0["pass"]?.bool != true }.map {
      "\($0["name"]?.string ?? "") (\($0["variant"]?.string ?? "")): \($0["failure"]?.string ?? "")"
    }
  }

  // MARK: - Tables

  static let opHead = ["case", "variant", "median", "TFLOP/s", "GB/s", "of peak", "bound by", "runs"]
  var opRows: [[String]] {
    ops.map { record in
      [
        record["case"]?.string ?? "", record["variant"]?.string ?? "", Self.time(record), Self.number(record, "tflops"),
        Self.number(record, "gbps"), Self.percent(record), record["boundBy"]?.string ?? "", Self.count(record),
      ]
    }
  }

  static let stageHead = ["stage", "size", "precision", "median", "TFLOP/s", "of peak", "device memory", "runs"]
  var stageRows: [[String]] {
    stages.map { record in
      let bytes = (record["peakDeviceBytes"]?.double ?? 0) / 0x1p30
      return [
        record["stage"]?.string ?? "", record["size"]?.string ?? "", record["precision"]?.string ?? "",
        Self.time(record), Self.number(record, "tflops"), Self.percent(record), Text.fixed(bytes, 2) + " GiB",
        Self.count(record),
      ]
    }
  }

  static let baselineHead = ["PyTorch", "median", "TFLOP/s", "GB/s", "runs"]
  var baselineRows: [[String]] {
    baseline.compactMap { record in
      guard let name = record["name"]?.string else { return nil }
      if let error = record["error"]?.string { return [name, "failed: \(error.prefix(90))", "", "", ""] }
      guard record["medianSeconds"] != nil else { return nil }
      return [name, Self.time(record), Self.number(record, "tflops"), Self.number(record, "gbps"), Self.count(record)]
    }
  }

  private static func time(_ record: JSONValue) -> String {
    record["medianSeconds"]?.double.map { Text.seconds($0) } ?? "-"
  }
  private static func number(_ record: JSONValue, _ key: String) -> String {
    guard let value = record[key]?.double, value > 0 else { return "-" }
    return Text.short(value)
  }
  private static func percent(_ record: JSONValue) -> String {
    record["shareOfPeak"]?.double.map { Text.fixed(100 * $0, 1) + " %" } ?? "-"
  }
  private static func count(_ record: JSONValue) -> String { record["runs"]?.integer.map { String($0) } ?? "" }
}
