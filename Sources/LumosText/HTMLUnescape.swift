/// Replaces HTML character references by the characters they stand for.
enum HTMLUnescape {
  /// As browsers and Python's `html.unescape` do: semicolons may be missing, and the longest known name counts.
  static func lenient(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
    let scalars = Array(text.unicodeScalars)
    var out = String.UnicodeScalarView()
    var i = 0
    while i < scalars.count {
      if scalars[i] == "&", let (replacement, end) = reference(scalars, at: i) {
        out.append(contentsOf: replacement.unicodeScalars)
        i = end
      } else {
        out.append(scalars[i])
        i += 1
      }
    }
    return String(out)
  }

  /// As ftfy does: only references that end in a semicolon, and capitalised ones of lower-case names (`&EACUTE;`).
  static func strict(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var out = String.UnicodeScalarView()
    var i = 0
    while i < scalars.count {
      if let (replacement, end) = strictReference(scalars, at: i) {
        out.append(contentsOf: replacement.unicodeScalars)
        i = end
      } else {
        out.append(scalars[i])
        i += 1
      }
    }
    return String(out)
  }

  // MARK: - One reference

  private static func strictReference(_ scalars: [Unicode.Scalar], at start: Int) -> (String, Int)? {
    guard scalars[start] == "&" else { return nil }
    let isNumeric = start + 1 < scalars.count && scalars[start + 1] == "#"
    let nameStart = start + (isNumeric ? 2 : 1)
    var end = nameStart
    while end < scalars.count, end - nameStart < 24, isAlphanumeric(scalars[end]) { end += 1 }
    guard end > nameStart, end < scalars.count, scalars[end] == ";" else { return nil }
    if isNumeric {
      guard let (replacement, consumed) = reference(scalars, at: start), consumed == end + 1,
        !replacement.contains(";")
      else { return nil }
      return (replacement, consumed)
    }
    let name = string(scalars[nameStart..<end])
    if let entity = HTMLEntities.named[name] { return (entity.text, end + 1) }
    let lower = name.lowercased()
    if name == name.uppercased(), let entity = HTMLEntities.named[lower], longestPrefix(scalars[nameStart..<end]) == nil
    {
      return (entity.text.uppercased(), end + 1)
    }
    return nil
  }

  /// The replacement of the reference that starts at `start`, and where the text goes on.
  private static func reference(_ scalars: [Unicode.Scalar], at start: Int) -> (String, Int)? {
    guard start + 1 < scalars.count else { return nil }
    if scalars[start + 1] == "#" { return numericReference(scalars, at: start) }
    var end = start + 1
    while end < scalars.count, end - start <= 32, !"\t\n\u{c} <&#;".unicodeScalars.contains(scalars[end]) { end += 1 }
    guard end > start + 1 else { return nil }
    if end < scalars.count, scalars[end] == ";", let entity = HTMLEntities.named[string(scalars[start + 1..<end])] {
      return (entity.text, end + 1)
    }
    return longestPrefix(scalars[start + 1..<end])
  }

  /// The longest beginning of `name` that is known without a semicolon.
  private static func longestPrefix(_ name: ArraySlice<Unicode.Scalar>) -> (String, Int)? {
    // "CounterClockwiseContourIntegral" is the longest name, but the longest that may lack its semicolon has six.
    for count in stride(from: min(name.count, 6), through: 2, by: -1) {
      let prefix = name.prefix(count)
      if let entity = HTMLEntities.named[string(prefix)], entity.mayLackSemicolon {
        return (entity.text, prefix.endIndex)
      }
    }
    return nil
  }

  private static func numericReference(_ scalars: [Unicode.Scalar], at start: Int) -> (String, Int)? {
    var end = start + 2
    let isHexadecimal = end < scalars.count && (scalars[end] == "x" || scalars[end] == "X")
    if isHexadecimal { end += 1 }
    let digitsStart = end
    var value: UInt32 = 0
    while end < scalars.count, let digit = digit(scalars[end]), isHexadecimal || digit < 10 {
      // Stays beyond all code points once it is there.
      value = min(value * (isHexadecimal ? 16 : 10) + digit, 0x110000)
      end += 1
    }
    guard end > digitsStart else { return nil }
    if end < scalars.count, scalars[end] == ";" { end += 1 }
    return (character(value), end)
  }

  /// What a number stands for, with the standard's exceptions: the C1 range means Windows-1252, code points that can
  /// hold no character vanish or become U+FFFD.
  private static func character(_ value: UInt32) -> String {
    switch value {
    case 0, 0xd800...0xdfff, 0x110000...: "\u{fffd}"
    case 0x0d: "\r"
    case 0x80...0x9f: String(Windows1252.scalar(UInt8(value)))
    case 0x01...0x08, 0x0b, 0x0e...0x1f, 0x7f, 0xfdd0...0xfdef: ""
    case _ where value & 0xfffe == 0xfffe: ""
    default: Unicode.Scalar(value).map { String($0) } ?? "\u{fffd}"
    }
  }

  private static func digit(_ scalar: Unicode.Scalar) -> UInt32? {
    switch scalar {
    case "0"..."9": scalar.value - 0x30
    case "a"..."f": scalar.value - 0x61 + 10
    case "A"..."F": scalar.value - 0x41 + 10
    default: nil
    }
  }

  private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "0"..."9", "a"..."z", "A"..."Z": true
    default: false
    }
  }

  private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    String(String.UnicodeScalarView(scalars))
  }
}
