import Glibc
import LumosFiles

/// The roofline plot: performance over arithmetic intensity, both logarithmic, a dot per kernel.
struct Roofline {
  private let dots: [(intensity: Double, tflops: Double, dtype: String, title: String)]
  private let bandwidth: Double
  private let roofs: [(name: String, tflops: Double)]

  init(_ summary: Summary) {
    dots = summary.ops.compactMap { record in
      guard let flops = record["flops"]?.double, let bytes = record["bytes"]?.double, flops > 0, bytes > 0,
        let tflops = record["tflops"]?.double, tflops > 0
      else { return nil }
      let share = record["shareOfPeak"]?.double ?? 0
      let title =
        "\(record["case"]?.string ?? ""), \(record["variant"]?.string ?? ""): \(Text.short(tflops)) TFLOP/s, "
        + "\(Text.fixed(100 * share, 0)) % of its roof"
      return (flops / bytes, tflops, record["dtype"]?.string ?? "f32", title)
    }
    bandwidth = (summary.peaks?["copyGbps"]?.double ?? 0) / 1e3
    var roofs: [(name: String, tflops: Double)] = []
    for member in summary.peaks?["matrixTflops"]?.members ?? [] {
      guard let tflops = member.value.double, tflops > 0 else { continue }
      // Types with about the same roof share a line.
      if let index = roofs.firstIndex(where: { abs($0.tflops / tflops - 1) < 0.1 }) {
        roofs[index].name += ", " + member.key
      } else {
        roofs.append((member.key, tflops))
      }
    }
    self.roofs = roofs
  }

  private static let (width, height, left, bottom, margin) = (1000.0, 520.0, 70.0, 50.0, 20.0)
  private static let colours = ["f16": "#e8871e", "bf16": "#2e9e5b", "f32": "#2f6fb3"]

  /// The plot.
  var svg: String {
    guard !dots.isEmpty else { return "" }
    let intensities = dots.map(\.intensity)
    let heights = dots.map(\.tflops) + roofs.map(\.tflops)
    let x = Axis(intensities.min() ?? 1, intensities.max() ?? 1, from: Self.left, to: Self.width - Self.margin)
    let y = Axis(heights.min() ?? 1, heights.max() ?? 1, from: Self.height - Self.bottom, to: Self.margin)
    var out = "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" font-size=\"12\" font-family=\"sans-serif\">"
    for tick in x.ticks {
      out += Self.line(x[tick], Self.margin, x[tick], Self.height - Self.bottom, "#e4e4e4")
      out += Self.text(x[tick], Self.height - Self.bottom + 18, Self.number(tick), "middle")
    }
    for tick in y.ticks {
      out += Self.line(Self.left, y[tick], Self.width - Self.margin, y[tick], "#e4e4e4")
      out += Self.text(Self.left - 8, y[tick] + 4, Self.number(tick), "end")
    }
    out += Self.text(Self.width / 2, Self.height - 8, "floating-point operations per byte", "middle")
    out += Self.text(Self.left, 14, "TFLOP/s", "end")
    let top = roofs.map(\.tflops).max() ?? y.high
    if bandwidth > 0 {
      // The slope of the memory roof, from the left edge up to the highest roof.
      let start = max(x.low, y.low / bandwidth)
      let end = min(x.high, top / bandwidth)
      if start < end {
        out += Self.line(x[start], y[start * bandwidth], x[end], y[end * bandwidth], "#555", width: 2)
      }
    }
    for roof in roofs {
      let start = bandwidth > 0 ? min(max(roof.tflops / bandwidth, x.low), x.high) : x.low
      let colour = Self.colours[roof.name] ?? "#555"
      out += Self.line(x[start], y[roof.tflops], x[x.high], y[roof.tflops], colour, width: 2)
      out += Self.text(x[x.high] - 4, y[roof.tflops] - 5, Page.escaped(roof.name), "end")
    }
    for dot in dots {
      let colour = Self.colours[dot.dtype] ?? "#555"
      out +=
        "<circle cx=\"\(Self.fixed(x[dot.intensity]))\" cy=\"\(Self.fixed(y[dot.tflops]))\" r=\"5\" fill=\"\(colour)\" "
        + "fill-opacity=\"0.75\"><title>\(Page.escaped(dot.title))</title></circle>"
    }
    return out + "</svg>"
  }

  /// A logarithmic axis that ends at whole powers of ten.
  private struct Axis {
    let low: Double
    let high: Double
    private let (from, to): (Double, Double)

    init(_ least: Double, _ most: Double, from: Double, to: Double) {
      low = pow(10, floor(log10(least)))
      high = max(pow(10, ceil(log10(most))), low * 10)
      (self.from, self.to) = (from, to)
    }

    subscript(value: Double) -> Double { from + (to - from) * log10(value / low) / log10(high / low) }

    var ticks: [Double] {
      let (first, last) = (Int(log10(low).rounded()), Int(log10(high).rounded()))
      return (first...last).map { pow(10, Double($0)) }
    }
  }

  private static func fixed(_ value: Double) -> String { Text.fixed(value, 1) }
  private static func number(_ value: Double) -> String { value >= 1 ? Text.fixed(value, 0) : "\(value)" }

  private static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String, width: Int = 1
  ) -> String {
    "<line x1=\"\(fixed(x1))\" y1=\"\(fixed(y1))\" x2=\"\(fixed(x2))\" y2=\"\(fixed(y2))\" stroke=\"\(colour)\" "
      + "stroke-width=\"\(width)\"/>"
  }

  private static func text(_ x: Double, _ y: Double, _ text: String, _ anchor: String) -> String {
    "<text x=\"\(fixed(x))\" y=\"\(fixed(y))\" text-anchor=\"\(anchor)\" fill=\"#444\">\(text)</text>"
  }
}
