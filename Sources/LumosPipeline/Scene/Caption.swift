import LumosFiles
import LumosTensor

/// The contents of `caption.txt`: `<sample name>;<prompt>` (MODEL.md section 2).
struct Caption {
  /// Name of the sample.
  let sampleName: String
  /// The prompt.
  let prompt: String
  /// What deserves attention.
  let warnings: [String]

  /// Reads the file.
  ///
  /// - Throws: `LumosError(.badInput)` if it is missing, empty, not UTF-8 or in a syntax that is not supported.
  init(path: String) throws(LumosError) {
    let text = try MappedFile(path).withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    guard let text else { throw LumosError(.badInput, "is not UTF-8", at: path, advice: "save it as UTF-8") }
    try self.init(text, path: path)
  }

  /// Takes a caption apart; `path` is for errors.
  init(_ text: String, path: String) throws(LumosError) {
    // A byte order mark would otherwise become part of the sample's name.
    let text = text.unicodeScalars.drop { $0 == "\u{feff}" }
    var warnings: [String] = []
    var name = text
    var prompt = text
    if let semicolon = text.firstIndex(of: ";") {
      name = text[..<semicolon]
      prompt = text[text.index(after: semicolon)...]
      if Self.trimmed(name).contains(where: \.isWhitespace) {
        warnings.append(
          "\(path): \"\(Self.trimmed(name))\" before the first ';' is the sample's name, not part of the prompt")
      }
    }
    if Self.trimmed(prompt).hasPrefix("|0|") {
      throw LumosError(
        .badInput, "prompts of several clips (\"|0|...\") are not supported", at: path,
        advice: "make one scene folder per clip")
    }
    if let brace = prompt.firstIndex(of: "{") {
      try Self.checkSettings(prompt[brace...], path: path)
      warnings.append("\(path): the settings from '{' on are ignored")
      prompt = prompt[..<brace]
    }
    self.prompt = Self.trimmed(prompt)
    sampleName = Self.trimmed(name)
    self.warnings = warnings
    guard !self.prompt.isEmpty else {
      throw LumosError(.badInput, "holds no prompt", at: path, advice: "write \"<name>;<prompt>\"")
    }
  }

  /// The published code reads what follows a `{` as JSON settings and fails on anything else; so a brace that is meant
  /// as text must not silently end the prompt.
  private static func checkSettings(_ text: Substring.UnicodeScalarView, path: String) throws(LumosError) {
    let advice = "remove the '{' from the prompt"
    guard text.count(where: { $0 == "{" }) == 1 else {
      throw LumosError(.badInput, "the prompt holds more than one '{'", at: path, advice: advice)
    }
    do { _ = try JSONValue(parsing: String(text)) } catch {
      throw LumosError(
        .badInput, "what follows '{' in the prompt is not JSON: \(error.reason)", at: path, advice: advice)
    }
  }

  private static func trimmed(_ text: Substring.UnicodeScalarView) -> String {
    let end = text.reversed().drop(while: \.properties.isWhitespace).startIndex.base
    return String(text[..<end].drop(while: \.properties.isWhitespace))
  }
}
