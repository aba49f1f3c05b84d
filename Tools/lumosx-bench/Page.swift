import Glibc
import LumosFiles

/// A self-contained page of records: no scripts, no other files.
struct Page {
  private let summary: Summary

  /// A page of the records of `peaks`, `ops`, `parity`, `step` and of a baseline, as many as there are.
  init(_ records: [JSONValue]) { summary = Summary(records) }

  /// The page.
  var html: String {
    var body = "<h1>LumosX on \(Self.escaped(summary.device))</h1>"
    body += facts
    if !summary.ops.isEmpty { body += "<h2>Roofline</h2>" + Roofline(summary).svg + Self.legend }
    if !summary.ratios.isEmpty { body += "<h2>Against PyTorch, same device, same run</h2>" + ratioTable }
    if !summary.stages.isEmpty { body += "<h2>Whole stages</h2>" + stageTable }
    if !summary.parity.isEmpty { body += "<h2>Parity with the CPU reference</h2>" + parityTiles }
    if !summary.ops.isEmpty || !summary.skipped.isEmpty { body += "<h2>Kernels</h2>" + opTable }
    if !summary.baseline.isEmpty { body += "<h2>PyTorch</h2>" + baselineTable }
    return """
      <!doctype html>
      <html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
      <title>LumosX benchmark: \(Self.escaped(summary.device))</title>
      <style>
      body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1100px; padding: 0 1em; color: #222 }
      h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
      table { border-collapse: collapse; font-size: 13px } td, th { padding: 2px 9px; text-align: right }
      td:first-child, th:first-child, .l { text-align: left } tr:nth-child(even) { background: #f4f6f8 }
      th { border-bottom: 1px solid #888 } .tile { min-width: 5em; text-align: center; color: #111 }
      svg { max-width: 100%; height: auto } .note { color: #666; font-size: 13px }
      </style>
      \(body)
      </html>

      """
  }

  /// Text that HTML shows as it is.
  static func escaped(_ text: String) -> String {
    var out = ""
    for character in text {
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      default: out.append(character)
      }
    }
    return out
  }

  private static let legend = """
    <p class="note">A dot per kernel: f16 orange, bf16 green, f32 blue. Roofs are this device's measured copy \
    bandwidth and product rates. Hover over a dot for its case.</p>
    """

  private var facts: String {
    guard let peaks = summary.peaks else { return "" }
    var cells = "copy \(Text.short(peaks["copyGbps"]?.double ?? 0)) GB/s"
    for member in peaks["matrixTflops"]?.members ?? [] {
      cells += ", \(Self.escaped(member.key)) \(Text.short(member.value.double ?? 0)) TFLOP/s"
    }
    return "<p>Measured peaks: \(cells).</p>"
  }

  // MARK: - Tables

  private static func table(_ head: [String], _ rows: [[String]]) -> String {
    "<table><tr>" + head.map { "<th>\($0)</th>" }.joined() + "</tr>"
      + rows.map { "<tr>" + $0.map { "<td>\(escaped($0))</td>" }.joined() + "</tr>" }.joined(separator: "\n")
      + "</table>"
  }

  private var opTable: String {
    Self.table(Summary.opHead, summary.opRows)
      + summary.skipped.map { title, reason in
        "<p class=\"note\">\(Self.escaped(title)): skipped, \(Self.escaped(reason))</p>"
      }.joined()
  }

  private var stageTable: String { Self.table(Summary.stageHead, summary.stageRows) }
  private var ratioTable: String { Self.table(Summary.ratioHead, summary.ratioRows) }
  private var baselineTable: String { Self.table(Summary.baselineHead, summary.baselineRows) }

  /// Op by type, coloured by the worst error relative to its bound on a logarithmic scale.
  private var parityTiles: String {
    let types = ["f32", "f16", "bf16"]
    var rows = ""
    for (op, tiles) in summary.parityByOp {
      rows += "<tr><td>\(Self.escaped(op))</td>"
      for type in types {
        guard let tile = tiles[type] else {
          rows += "<td></td>"
          continue
        }
        let worst = tile.worst
        // From green, a thousandth of the bound, to yellow at the bound; red beyond.
        let share = worst > 0 ? min(1, max(0, 1 + log10(worst) / 3)) : 0
        let colour = tile.failures > 0 ? "#e05548" : "hsl(\(Int(120 - 65 * share)), 60%, 68%)"
        let text = tile.failures > 0 ? "\(tile.failures) fail" : Text.short(worst)
        rows += "<td class=\"tile\" style=\"background:\(colour)\" title=\"\(tile.count) cases\">\(text)</td>"
      }
      rows += "</tr>\n"
    }
    let head = "<tr><th>op</th>" + types.map { "<th>\($0)</th>" }.joined() + "</tr>"
    return "<p>\(summary.parityLine)</p><table>\(head)\(rows)</table>"
      + "<p class=\"note\">Worst error (NMSE) of an op's cases and variants relative to its bound.</p>"
  }
}
