@_spi(_Unicode) import Swift

/// Cleans prompts and entity words the way the published pipeline does ("whitespace" mode, MODEL.md section 4).
///
/// First what the Python library ftfy 6 does by default, line by line and until nothing changes: HTML references,
/// mojibake, ligatures, width forms, curly quotes, line breaks, escape sequences and control characters, NFC. Then
/// HTML references twice more, and every run of white space becomes one space. Case stays.
///
/// Deviation: mojibake is repaired where UTF-8 was read as Latin-1 or Windows-1252, which is nearly all there is; ftfy
/// also tries eight other code pages.
public enum TextCleaner {
  /// The cleaned text.
  public static func clean(_ text: String) -> String {
    let unescaped = HTMLUnescape.lenient(HTMLUnescape.lenient(fix(text)))
    let words = unescaped.unicodeScalars.split(whereSeparator: isSpace)
    var out = String.UnicodeScalarView()
    for (i, word) in words.enumerated() {
      if i > 0 { out.append(" ") }
      out.append(contentsOf: word)
    }
    return String(out)
  }

  /// `ftfy.fix_text` with its default settings.
  static func fix(_ text: String) -> String {
    var out = String.UnicodeScalarView()
    var mayUnescape = true
    var rest = text.unicodeScalars[...]
    while !rest.isEmpty {
      let end = rest.firstIndex(of: "\n").map { rest.index(after: $0) } ?? rest.endIndex
      let line = Array(rest[..<end])
      rest = rest[end...]
      // What holds a `<` may be markup, where references mean something; so do all lines after it.
      if line.contains("<") { mayUnescape = false }
      out.append(contentsOf: fix(line: line, unescapingHTML: mayUnescape))
    }
    return String(out)
  }

  private static func fix(line: [Unicode.Scalar], unescapingHTML: Bool) -> [Unicode.Scalar] {
    // Printable ASCII without references has nothing to fix.
    if line.allSatisfy({ (0x20...0x7e).contains($0.value) && $0 != "&" || $0 == "\n" || $0 == "\t" }) { return line }
    var line = line
    while true {
      let before = line
      if unescapingHTML && line.contains("&") {
        line = Array(HTMLUnescape.strict(string(line)).unicodeScalars)
      }
      line = MojibakeRepair.repair(line)
      line = line.map { (0x80...0x9f).contains($0.value) ? Windows1252.scalar(UInt8($0.value)) : $0 }
      line = line.flatMap { ligatures[$0].map { Array($0.unicodeScalars) } ?? [$0] }
      line = line.flatMap { WidthForms.standard[$0] ?? [$0] }
      line = line.map(uncurled)
      line = lineBreaks(line)
      line = withoutEscapes(line).filter { !isUnwantedControl($0) }
      line = Array(string(line)._nfc)
      if line == before { return line }
    }
  }

  private static func string(_ scalars: [Unicode.Scalar]) -> String {
    String(String.UnicodeScalarView(scalars))
  }

  /// White space in Python's sense: Unicode's, and the four information separators.
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
  }

  /// Latin ligatures and digraphs that are copy-and-paste accidents; æ and œ are letters and stay.
  private static let ligatures: [Unicode.Scalar: String] = [
    "Ĳ": "IJ", "ĳ": "ij", "ŉ": "ʼn", "Ǳ": "DZ", "ǲ": "Dz", "ǳ": "dz", "Ǆ": "DŽ", "ǅ": "Dž", "ǆ": "dž", "Ǉ": "LJ",
    "ǈ": "Lj", "ǉ": "lj", "Ǌ": "NJ", "ǋ": "Nj", "ǌ": "nj", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl",
    "ﬅ": "ſt", "ﬆ": "st",
  ]

  private static func uncurled(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x2bc, 0x2018...0x201b: "'"
    case 0x201c...0x201f: "\""
    default: scalar
    }
  }

  /// CRLF, CR, NEL, LINE SEPARATOR and PARAGRAPH SEPARATOR become LF.
  private static func lineBreaks(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var out: [Unicode.Scalar] = []
    for (i, scalar) in line.enumerated() {
      switch scalar.value {
      case 0x0d: if i + 1 == line.count || line[i + 1] != "\n" { out.append("\n") }
      case 0x85, 0x2028, 0x2029: out.append("\n")
      default: out.append(scalar)
      }
    }
    return out
  }

  /// Without terminal escape sequences such as `ESC [ 36 ; 44 m`.
  private static func withoutEscapes(_ line: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var out: [Unicode.Scalar] = []
    var i = 0
    while i < line.count {
      if line[i] == "\u{1b}", i + 1 < line.count, line[i + 1] == "[" {
        var end = i + 2
        while end < line.count, line[end] == ";" || line[end].properties.generalCategory == .decimalNumber { end += 1 }
        if end < line.count, line[end].isASCII, line[end].properties.isAlphabetic {
          i = end + 1
          continue
        }
      }
      out.append(line[i])
      i += 1
    }
    return out
  }

  /// Control characters that nobody means to write; those that make white space or shape glyphs stay.
  private static func isUnwantedControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x08, 0x0b, 0x0e...0x1f, 0x7f, 0x206a...0x206f, 0xfeff, 0xfff9...0xfffc: true
    default: false
    }
  }
}

/// Full-width and half-width forms and what they stand for (NFKC of U+3000 and U+FF01 ... U+FFEE).
enum WidthForms {
  /// Standard form by width form.
  static let standard: [Unicode.Scalar: [Unicode.Scalar]] = {
    var map: [Unicode.Scalar: [Unicode.Scalar]] = ["\u{3000}": [" "], "\u{ffe3}": [" ", "\u{304}"]]
    func add(_ start: UInt32, _ forms: some Sequence<Unicode.Scalar>) {
      for (i, form) in forms.enumerated() where map[scalar(start + UInt32(i))] == nil {
        map[scalar(start + UInt32(i))] = [form]
      }
    }
    add(0xff01, (0x21...0x7e).map(scalar))
    add(0xff5f, "⦅⦆。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン".unicodeScalars)
    add(0xff9e, [0x3099, 0x309a, 0x1160, 0x1100, 0x1101, 0x11aa, 0x1102, 0x11ac, 0x11ad].map(scalar))
    add(0xffa7, [0x1103, 0x1104, 0x1105, 0x11b0, 0x11b1, 0x11b2, 0x11b3, 0x11b4, 0x11b5].map(scalar))
    add(0xffb0, [0x111a, 0x1106, 0x1107, 0x1108, 0x1121].map(scalar) + (0x1109...0x1112).map(scalar))
    for (start, vowel) in [(0xffc2, 0x1161), (0xffca, 0x1167), (0xffd2, 0x116d)] as [(UInt32, UInt32)] {
      add(start, (vowel...vowel + 5).map(scalar))
    }
    add(0xffda, (0x1173...0x1175).map(scalar))
    add(0xffe0, "¢£¬ ¦¥₩".unicodeScalars)
    add(0xffe8, "│←↑→↓■○".unicodeScalars)
    return map
  }()

  private static func scalar(_ value: UInt32) -> Unicode.Scalar { Unicode.Scalar(value) ?? "\u{fffd}" }
}
