import LumosFiles

extension Summary {
  /// One measurement of ours beside another implementation's of the same work.
  struct RatioRow {
    /// The case or stage.
    let title: String
    /// How the other one does it.
    let other: String
    /// Useful work per second, ours and theirs, in the same unit.
    let (ours, theirs): (Double, Double)
    /// `"TFLOP/s"` or `"GB/s"`.
    let unit: String

    /// How many times as fast ours is, per useful operation or byte.
    var ratio: Double { ours / theirs }
  }

  /// All pairs: a baseline's record names in `comparesTo` the cases that do the same work.
  var ratios: [RatioRow] {
    var ours: [String: JSONValue] = [:]
    for record in ops + stages {
      if let title = (record["case"] ?? record["stage"])?.string, ours[title] == nil { ours[title] = record }
    }
    return baseline.flatMap { record -> [RatioRow] in
      guard let other = record["name"]?.string else { return [] }
      return (record["comparesTo"]?.array ?? []).compactMap { title -> RatioRow? in
        guard let title = title.string else { return nil }
        if title == "copy" {
          guard let theirs = record["gbps"]?.double, let copy = peaks?["copyGbps"]?.double, theirs > 0 else {
            return nil
          }
          return RatioRow(title: "copy", other: other, ours: copy, theirs: theirs, unit: "GB/s")
        }
        guard let theirs = record["tflops"]?.double, theirs > 0, let mine = ours[title]?["tflops"]?.double else {
          return nil
        }
        return RatioRow(title: title, other: other, ours: mine, theirs: theirs, unit: "TFLOP/s")
      }
    }
  }

  static let ratioHead = ["work", "PyTorch's way", "ours", "PyTorch", "ratio"]
  var ratioRows: [[String]] {
    ratios.map {
      [
        $0.title, $0.other, Text.short($0.ours) + " " + $0.unit, Text.short($0.theirs) + " " + $0.unit,
        Text.short($0.ratio),
      ]
    }
  }

  /// The record that a report's JSON has of the ratios.
  var ratiosJSON: JSONValue {
    .array(
      ratios.map {
        .object([
          .init("case", .string($0.title)), .init("baseline", .string($0.other)), .init("ours", .number($0.ours)),
          .init("theirs", .number($0.theirs)), .init("unit", .string($0.unit)), .init("ratio", .number($0.ratio)),
        ])
      })
  }
}
