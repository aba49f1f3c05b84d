/// Numbers for people, without Foundation.
enum Text {
  /// Three significant digits, as `2.41e-13`, `0.0123`, `3.14`, `152`.
  static func short(_ x: Double) -> String {
    guard x.isFinite else { return "-" }
    guard x != 0 else { return "0" }
    if x < 0 { return "-" + short(-x) }
    var (mantissa, exponent) = (x, 0)
    while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    if (-3..<6).contains(exponent) { return fixed(x, max(0, 2 - exponent)) }
    return fixed(mantissa, 2) + "e\(exponent)"
  }

  /// `x` with `digits` digits behind the point.
  static func fixed(_ x: Double, _ digits: Int) -> String {
    guard x.isFinite, abs(x) < 1e15 else { return "\(x)" }
    if x < 0 { return "-" + fixed(-x, digits) }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let (whole, rest) = Int((x * Double(scale)).rounded()).quotientAndRemainder(dividingBy: scale)
    guard digits > 0 else { return String(whole) }
    let fraction = String(rest)
    return "\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }

  /// `1.52 s`, `3.40 ms`, `12.0 us`.
  static func seconds(_ x: Double) -> String {
    x >= 1 ? short(x) + " s" : x >= 1e-3 ? short(x * 1e3) + " ms" : short(x * 1e6) + " us"
  }

  /// `text`, filled with blanks to `width` columns on the right.
  static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// `text`, filled with blanks to `width` columns on the left.
  static func aligned(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
