import CSentencePiece
import LumosFiles
import LumosTensor

/// Splits prompts into the token ids that the text encoder was trained with (MODEL.md section 4).
///
/// Cleaned text is split by a SentencePiece unigram model, with the behaviour of Hugging Face's fast tokenizer where it
/// differs from the SentencePiece library: special tokens written out in a text (`</s>`, `<pad>`) become their ids, and,
/// unless `tokenizer.json` says that bytes stand in for unknown characters, a run of unknown characters becomes one
/// `<unk>`.
///
/// May be used from several tasks at once.
public final class Tokenizer: @unchecked Sendable {
  /// Id that fills a prompt up to its length.
  public let padID: Int32
  /// Id that ends a prompt, `</s>`.
  public let endID: Int32
  /// Id of a run of unknown characters.
  public let unknownID: Int32
  /// Whether bytes stand in for unknown characters.
  public let hasByteFallback: Bool
  /// Number of ids.
  public let vocabulary: Int

  private let path: String
  private let model: OpaquePointer
  /// Special tokens as UTF-8, longest first.
  private let specials: [(text: [UInt8], id: Int32)]
  /// Whether a special token starts with the byte.
  private let isSpecialStart: [Bool]
  private let bytePieces: Set<Int32>

  /// Loads a tokenizer.
  ///
  /// - Parameters:
  ///   - modelPath: the SentencePiece model, `spiece.model`.
  ///   - tokenizerJSONPath: the fast tokenizer's file, of which the special tokens and the byte fallback count; nil if
  ///     there is none.
  /// - Throws: `LumosError(.badInput)` if a file is missing or refused.
  public init(modelPath: String, tokenizerJSONPath: String? = nil) throws(LumosError) {
    let model = try Self.load(modelPath)
    path = modelPath
    self.model = model
    let count = sp_count(model)
    endID = sp_end_id(model)
    unknownID = sp_unknown_id(model)
    padID = max(sp_pad_id(model), 0)

    let kinds = (0..<count).map { sp_kind_of(model, $0) }
    bytePieces = Set((0..<count).filter { kinds[Int($0)] == sp_kind_byte })
    var specials: [String: Int32] = [:]
    for id in 0..<count where kinds[Int(id)] == sp_kind_control || kinds[Int(id)] == sp_kind_unknown {
      if let piece = sp_piece(model, id) { specials[String(cString: piece)] = id }
    }
    let settings = try tokenizerJSONPath.map(FastTokenizerSettings.init(path:))
    for (text, id) in settings?.addedTokens ?? [] { specials[text] = id }
    hasByteFallback = settings?.hasByteFallback ?? false
    vocabulary = Int(max(count, (specials.values.max() ?? 0) + 1))
    self.specials = specials.filter { !$0.key.isEmpty }.map { (Array($0.key.utf8), $0.value) }.sorted {
      $0.text.count > $1.text.count
    }
    var starts = [Bool](repeating: false, count: 256)
    for special in self.specials { starts[Int(special.text[0])] = true }
    isSpecialStart = starts
    guard endID >= 0, unknownID >= 0 else {
      throw LumosError(.badInput, "defines no end or no unknown piece", at: modelPath)
    }
  }

  deinit { sp_destroy(model) }

  /// The ids of a text, cleaned first, with `</s>` at the end and without padding: at most `length`; what does not fit
  /// is cut off before the `</s>`.
  ///
  /// - Throws: `LumosError(.badInput)` if the model fails on the text.
  public func encode(_ text: String, length: Int) throws(LumosError) -> [Int32] {
    precondition(length > 0, "a prompt of \(length) positions")
    let text = Array(TextCleaner.clean(text).utf8)
    var ids: [Int32] = []
    var start = 0
    var at = 0
    while at < text.count {
      if isSpecialStart[Int(text[at])], let special = specials.first(where: { text[at...].starts(with: $0.text) }) {
        ids += try pieces(text[start..<at])
        ids.append(special.id)
        at += special.text.count
        start = at
      } else {
        at += 1
      }
    }
    ids += try pieces(text[start...])
    return ids.prefix(length - 1) + [endID]
  }

  /// The text of a piece, for people; nil if there is no such piece.
  public func piece(_ id: Int32) -> String? { sp_piece(model, id).map { String(cString: $0) } }

  /// Ids of a stretch without special tokens.
  private func pieces(_ text: ArraySlice<UInt8>) throws(LumosError) -> [Int32] {
    if text.isEmpty { return [] }
    var error = [CChar](repeating: 0, count: 256)
    // No piece is shorter than a byte, but a space may be added in front and characters may be expanded.
    var ids = [Int32](repeating: 0, count: text.count + 16)
    while true {
      let count = text.withUnsafeBytes { bytes in
        sp_encode(
          model, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, &ids, ids.count, &error,
          error.count)
      }
      guard count >= 0 else {
        throw LumosError(.badInput, "cannot split the text: \(Self.message(error))", at: path)
      }
      if count <= ids.count {
        ids.removeLast(ids.count - Int(count))
        break
      }
      ids = [Int32](repeating: 0, count: Int(count))
    }
    return hasByteFallback ? ids : mergingUnknown(ids)
  }

  /// Runs of byte pieces and unknown pieces become one unknown piece.
  private func mergingUnknown(_ ids: [Int32]) -> [Int32] {
    var merged: [Int32] = []
    var isInRun = false
    for id in ids {
      let isUnknown = id == unknownID || bytePieces.contains(id)
      if !isUnknown { merged.append(id) } else if !isInRun { merged.append(unknownID) }
      isInRun = isUnknown
    }
    return merged
  }

  private static func load(_ path: String) throws(LumosError) -> OpaquePointer {
    var error = [CChar](repeating: 0, count: 256)
    let model = try MappedFile(path).withUnsafeBytes { bytes in
      sp_create(bytes.baseAddress, bytes.count, &error, error.count)
    }
    guard let model else {
      throw LumosError(
        .badInput, "is no SentencePiece model: \(message(error))", at: path, advice: "fetch the tokenizer again")
    }
    return model
  }

  private static func message(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// What `tokenizer.json` says beyond the SentencePiece model.
private struct FastTokenizerSettings {
  let hasByteFallback: Bool
  let addedTokens: [(text: String, id: Int32)]

  init(path: String) throws(LumosError) {
    let result = try MappedFile(path).withUnsafeBytes { bytes in
      // The vocabulary is the bulk of the file, and the model has it too.
      Result { () throws(JSONParseError) in try JSONValue(parsing: bytes, omitting: ["vocab"]) }
    }
    let json: JSONValue
    switch result {
    case .success(let value): json = value
    case .failure(let error):
      throw LumosError(.badInput, error.reason, at: "\(path), byte \(error.byte)", advice: "fetch the tokenizer again")
    }
    func refusal(_ what: String, _ key: String) -> LumosError {
      LumosError(.badInput, what, at: "\(path), key \(key)")
    }
    let fallback = json["model"]?["byte_fallback"] ?? .bool(false)
    guard let fallback = fallback.bool else { throw refusal("is not a boolean", "model.byte_fallback") }
    hasByteFallback = fallback
    var tokens: [(String, Int32)] = []
    for token in json["added_tokens"]?.array ?? [] {
      guard let text = token["content"]?.string, let id = token["id"]?.integer, let id = Int32(exactly: id), id >= 0
      else { throw refusal("holds a token without content or id", "added_tokens") }
      tokens.append((text, id))
    }
    addedTokens = tokens
  }
}
