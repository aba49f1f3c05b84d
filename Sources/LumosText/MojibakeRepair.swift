/// Repairs text that was UTF-8 and was read as Latin-1 or Windows-1252: `cafÃ©` is `café`, `donâ€™t` is `don’t`.
///
/// The procedure and its tables follow ftfy 6.3.1 (Robyn Speer, Apache License 2.0), restricted to those two code
/// pages. Text is touched only if it holds a sequence of characters that people do not write (`MojibakeSigns`) and
/// reads as UTF-8 after going back to bytes.
enum MojibakeRepair {
  typealias Scalar = Unicode.Scalar

  /// The text with everything repaired, in as many rounds as the text was garbled.
  static func repair(_ text: [Scalar]) -> [Scalar] {
    var text = text
    while true {
      let next = repairedOnce(text)
      if next == text { return text }
      text = next
    }
  }

  private static func repairedOnce(_ text: [Scalar]) -> [Scalar] {
    guard !text.allSatisfy(\.isASCII), MojibakeSigns.areIn(text) else { return text }
    let latin1: [UInt8]? = text.allSatisfy { $0.value <= 0xff } ? text.map { UInt8($0.value) } : nil
    if let latin1, let decoded = utf8(restoringSpaces(latin1)) { return decoded }
    if let bytes = Windows1252.bytes(text), let decoded = utf8(replacingLosses(restoringSpaces(bytes))) {
      return decoded
    }
    let inner = repairedInside(text)
    if inner != text { return inner }
    // What remains in the C1 range was Windows-1252 read as Latin-1.
    return text.map { (0x80...0x9f).contains($0.value) ? Windows1252.scalar(UInt8($0.value)) : $0 }
  }

  private static func utf8(_ bytes: [UInt8]) -> [Scalar]? {
    String(validating: bytes, as: UTF8.self).map { Array($0.unicodeScalars) }
  }

  /// Repairs stretches that look like UTF-8 inside a text that as a whole is none.
  private static func repairedInside(_ text: [Scalar]) -> [Scalar] {
    var out: [Scalar] = []
    var i = 0
    while i < text.count {
      var end = i
      // Not in the middle of a longer garble, where a part of it would come out worse than it was.
      if i == 0 || !isStrictContinuation(text[i - 1]) {
        while let count = sequenceLength(text[end...]) { end += count }
      }
      guard end > i else {
        out.append(text[i])
        i += 1
        continue
      }
      let stretch = Array(text[i..<end])
      out += stretch.count < text.count && MojibakeSigns.areIn(stretch) ? repair(stretch) : stretch
      i = end
    }
    return out
  }

  /// How many characters stand for the bytes of one UTF-8 sequence here; nil if they do not. Bytes of ftfy's other
  /// code pages count as well (Š, Ž, š here; Æ, Ø, æ, ø below), so that stretches begin and end where ftfy's do.
  private static func sequenceLength(_ text: ArraySlice<Scalar>) -> Int? {
    let count: Int
    switch text.first {
    case .some("Â"..."ß"), .some("Š"), .some("Ž"): count = 2
    case .some("à"..."ï"): count = 3
    case .some("ð"), .some("ó"), .some("š"): count = 4
    default: return nil
    }
    return text.count >= count && text.dropFirst().prefix(count - 1).allSatisfy(isContinuation) ? count : nil
  }

  /// Whether a character can stand for a continuation byte, a space standing for a no-break space.
  private static func isContinuation(_ scalar: Scalar) -> Bool {
    (0x80...0xbf).contains(scalar.value) || " ÆØæø".unicodeScalars.contains(scalar)
      || Windows1252.high.contains(scalar)
  }

  /// Likewise, without those that stand for themselves often enough.
  private static func isStrictContinuation(_ scalar: Scalar) -> Bool {
    isContinuation(scalar) && !" –—‘’‚“”„•…".unicodeScalars.contains(scalar)
  }

  // MARK: - Damage on the way

  /// Bytes A0 that somebody took for spaces, where a UTF-8 sequence wants them back.
  private static func restoringSpaces(_ bytes: [UInt8]) -> [UInt8] {
    // The rules apply only if something of the kind is there at all.
    guard bytes.indices.contains(where: { alteredLength(bytes[$0...]) != nil }) else { return bytes }
    var spaced: [UInt8] = []
    for (i, byte) in bytes.enumerated() {
      spaced.append(byte)
      // "Ã la mode" is "à la mode", two spaces having become one; Portuguese contractions are one word.
      let rest = bytes[(i + 1)...]
      if byte == 0xc3, rest.first == 0x20,
        ![" ", "quele", "quela", "quilo", "s "].contains(where: { rest.dropFirst().starts(with: $0.utf8) })
      {
        spaced.append(0xa0)
      }
    }
    var out: [UInt8] = []
    var i = 0
    while i < spaced.count {
      let count = alteredLength(spaced[i...])
      out += spaced[i..<i + (count ?? 1)].map { count != nil && $0 == 0x20 ? 0xa0 : $0 }
      i += count ?? 1
    }
    return out
  }

  /// Length of a UTF-8 sequence with a space in the place of A0. Which leading bytes count depends on how likely the
  /// resulting characters are.
  private static func alteredLength(_ bytes: ArraySlice<UInt8>) -> Int? {
    let inner: ByteClass = [0x80...0x84, 0x86...0x9f, 0xa1...0xbf]
    return ByteClass.match(
      [
        [[0xc2...0xc3, 0xc5...0xc5, 0xce...0xce, 0xd0...0xd0, 0xd9...0xd9], .space],
        [[0xe2...0xe3], .space, inner], [[0xe0...0xe3], inner, .space],
        [[0xf0...0xf0], .space, .continuation, .continuation], [[0xf0...0xf0], .continuation, .space, .continuation],
        [[0xf0...0xf0], .continuation, .continuation, .space],
      ], bytes)
  }

  /// Sequences in which bytes became U+FFFD (byte 1A here) or a question mark are lost: U+FFFD in UTF-8.
  private static func replacingLosses(_ bytes: [UInt8]) -> [UInt8] {
    let lost: ByteClass = [0x1a...0x1a, 0x3f...0x3f]
    let any: ByteClass = [0x1a...0x1a, 0x80...0xbf]
    let three: ByteClass = [0xe0...0xef]
    let four: ByteClass = [0xf0...0xf4]
    let patterns: [[ByteClass]] = [
      [[0xc2...0xdf], [0x1a...0x1a]], [[0xc2...0xc3], [0x3f...0x3f]], [three, lost, any], [three, any, lost],
      [four, lost, any, any], [four, any, lost, any], [four, any, any, lost], [[0x1a...0x1a]],
    ]
    var out: [UInt8] = []
    var i = 0
    while i < bytes.count {
      if let count = ByteClass.match(patterns, bytes[i...]) {
        out += [0xef, 0xbf, 0xbd]
        i += count
      } else {
        out.append(bytes[i])
        i += 1
      }
    }
    return out
  }
}

/// A set of bytes in a pattern.
private struct ByteClass: ExpressibleByArrayLiteral {
  let ranges: [ClosedRange<UInt8>]

  init(arrayLiteral ranges: ClosedRange<UInt8>...) { self.ranges = ranges }

  static let space: ByteClass = [0x20...0x20]
  static let continuation: ByteClass = [0x80...0xbf]

  /// Length of the first of `patterns` that `bytes` starts with.
  static func match(_ patterns: [[ByteClass]], _ bytes: ArraySlice<UInt8>) -> Int? {
    patterns.first { pattern in
      bytes.count >= pattern.count
        && zip(pattern, bytes).allSatisfy { set, byte in set.ranges.contains { $0.contains(byte) } }
    }?.count
  }
}

/// The code page Windows-1252, with its five holes filled by the control characters of the same number.
enum Windows1252 {
  /// Meaning of bytes 80 ... 9F.
  static let high = Array(
    "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ".unicodeScalars)

  private static let byByte: [Unicode.Scalar: UInt8] = Dictionary(
    uniqueKeysWithValues: high.enumerated().map { ($0.element, UInt8(0x80 + $0.offset)) })

  /// Meaning of a byte.
  static func scalar(_ byte: UInt8) -> Unicode.Scalar {
    (0x80...0x9f).contains(byte) ? high[Int(byte) - 0x80] : Unicode.Scalar(byte)
  }

  /// The bytes of a text, U+FFFD being 1A; nil if a character is not in the code page.
  static func bytes(_ text: [Unicode.Scalar]) -> [UInt8]? {
    var bytes: [UInt8] = []
    for scalar in text {
      switch scalar.value {
      case 0x1a: return nil
      case 0...0x7f, 0xa0...0xff: bytes.append(UInt8(scalar.value))
      case 0xfffd: bytes.append(0x1a)
      default:
        guard let byte = byByte[scalar] else { return nil }
        bytes.append(byte)
      }
    }
    return bytes
  }
}
