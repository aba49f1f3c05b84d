/// Sequences of characters that occur in garbled text and hardly anywhere else.
///
/// The categories and rules follow `ftfy.badness` 6.3.1 (Robyn Speer, Apache License 2.0), restricted to the
/// characters of Latin-1 and Windows-1252: a lower-case accented letter before a capital one, a letter before a currency
/// sign, ...
enum MojibakeSigns {
  /// Whether the text holds such a sequence.
  static func areIn(_ text: [Unicode.Scalar]) -> Bool {
    if text.count >= 2, [Scalars("ÃÂ"), Scalars(" ")].matches(text[...]) { return true }
    return text.indices.contains { start in rules.contains { $0.matches(text[start...]) } }
  }

  private typealias Rule = [Scalars]

  private static let rules: [Rule] = {
    let bad = Scalars("¦¤¨¬¯¸ƒˆ˜†‡‰\u{fffd}ªº")
    let law = Scalars("¶§")
    let currency = Scalars("¢£¥€")
    let start = Scalars("¡«¿©‘‚“„•‹")
    let end = Scalars("®»”›™")
    let numeric = Scalars("²³¹±¼½¾×µ÷")
    let upper = Scalars("ØÜÝŒŠŸŽ", ["À"..."Ñ"])
    let lower = Scalars("ßœšüž", ["à"..."ñ"])
    let common = Scalars("\u{a0}\u{ad}·´–—…’")
    let control = Scalars("", ["\u{80}"..."\u{9f}"])
    let letters = Scalars("", ["a"..."z", "A"..."Z"])
    let small = Scalars("", ["a"..."z"])
    let accented = lower.union(upper)
    let unlikely = accented.union(start, end, currency, numeric, law)
    let arabic = common.union(currency, bad, numeric, start, Scalars("ŸŠ®°µ»"))
    let thorn = Scalars("Þ")
    return [
      [control], [unlikely.union(bad), bad], [letters, thorn, bad], [bad, unlikely],
      [lower.union(end, currency, numeric), upper], [end.union(currency, numeric), lower],
      [lower.union(end), currency],
      [.space, upper, currency], [upper, numeric.union(law)], [accented.union(currency, end), start, numeric],
      [accented.union(currency, numeric, law), end, start], [currency.union(numeric), start],
      [small, upper, start.union(currency)], [accented, start.union(end), .word],
      [Scalars("Œœ"), letters.inverted], [upper, Scalars("°")],
      [Scalars("ÂÃÎÐ"), Scalars("€œŠš¢£Ÿž\u{a0}\u{ad}®©°·»–—´").union(start, end)], [Scalars("×"), Scalars("²³")],
      [Scalars("ØÙ"), arabic, Scalars("ØÙ"), arabic], [Scalars("à"), Scalars("²µ¹¼½¾")],
      [Scalars("Ã"), Scalars("\u{a0}¡")], [small, Scalars("ÃÂ"), Scalars(" ")],
      [small, .space, Scalars("ÃÂ"), Scalars(" ")],
      [small.union(Scalars(".,?!"), end), Scalars("Â"), Scalars(" ").union(start, end)],
    ]
  }()
}

/// A set of characters in a rule.
private struct Scalars: Sendable {
  let contains: @Sendable (Unicode.Scalar) -> Bool

  init(_ contains: @escaping @Sendable (Unicode.Scalar) -> Bool) { self.contains = contains }

  init(_ members: String, _ ranges: [ClosedRange<Unicode.Scalar>] = []) {
    let set = Set(members.unicodeScalars)
    self.init { scalar in set.contains(scalar) || ranges.contains { $0.contains(scalar) } }
  }

  static let space = Scalars { $0.properties.isWhitespace || (0x1c...0x1f).contains($0.value) }

  /// Letters, numbers and the underscore.
  static let word = Scalars { scalar in
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
      .letterNumber, .otherNumber:
      true
    default: scalar == "_"
    }
  }

  var inverted: Scalars { Scalars { [contains] in !contains($0) } }

  func union(_ others: Scalars...) -> Scalars {
    Scalars { [contains] scalar in contains(scalar) || others.contains { $0.contains(scalar) } }
  }
}

extension [Scalars] {
  /// Whether `text` starts with one character of each set in turn.
  fileprivate func matches(_ text: ArraySlice<Unicode.Scalar>) -> Bool {
    text.count >= count && zip(self, text).allSatisfy { $0.contains($1) }
  }
}
