import Glibc
import LumosFiles
import LumosTensor
import LumosText
import Testing

@testable import LumosModels

struct TokenizerTests {
  private func golden() throws -> (JSONValue, Tokenizer) {
    (
      try readJSON(Repository.tokenizerGoldens + "/cases.json"),
      try Tokenizer(modelPath: Repository.tokenizerGoldens + "/spiece.model")
    )
  }

  private func ids(_ json: JSONValue?) throws -> [Int32] {
    try #require(json?.array).compactMap { $0.integer.map(Int32.init) }
  }

  @Test func everyPublishedText() throws {
    let (cases, tokenizer) = try golden()
    let texts = try #require(cases["texts"]?.array)
    #expect(texts.count == 22)
    for item in texts {
      let text = try #require(item["text"]?.string)
      #expect(TextCleaner.clean(text) == item["cleaned"]?.string)
      #expect(try tokenizer.encode(text, length: 512) == ids(item["ids"]), "\(text.debugDescription)")
    }
    #expect([tokenizer.padID, tokenizer.endID, tokenizer.unknownID] == [0, 1, 3])
    #expect(tokenizer.vocabulary == 433 && tokenizer.piece(260) == "▁" && tokenizer.piece(433) == nil)
  }

  @Test func everyPublishedEntity() throws {
    let (cases, tokenizer) = try golden()
    let entities = try #require(cases["entities"]?.array)
    #expect(entities.count == 24)
    for item in entities {
      let (prompt, word) = (try #require(item["prompt"]?.string), try #require(item["word"]?.string))
      let promptIDs = try tokenizer.encode(prompt, length: 512)
      let wordIDs = try tokenizer.encode(word, length: 512)
      let expected = try #require(item["mask_positions"]?.array).compactMap(\.integer)
      #expect(try promptIDs == ids(item["prompt_ids"]))
      #expect(try wordIDs == ids(item["word_ids"]))
      #expect(EntityMask.positions(promptIDs: promptIDs, wordIDs: wordIDs) == expected, "\(word)")
      let mask = EntityMask.mask(promptIDs: promptIDs, wordIDs: wordIDs, length: 512)
      #expect(mask.count == 512 && mask.indices.filter { mask[$0] } == expected)
    }
  }

  /// With byte fallback on, ids are those of the SentencePiece library, special tokens in the text apart.
  @Test func byteFallbackComesFromTheFastTokenizersFile() throws {
    let tree = try ScratchTree()
    let json =
      #"{"model": {"byte_fallback": true, "vocab": [["a", 0]]}, "added_tokens": [{"id": 500, "content": "<x>"}]}"#
    try tree.write(json, to: "tokenizer.json")
    let model = Repository.tokenizerGoldens + "/spiece.model"
    let tokenizer = try Tokenizer(modelPath: model, tokenizerJSONPath: tree.path + "/tokenizer.json")
    #expect(tokenizer.hasByteFallback && tokenizer.vocabulary == 501)
    let texts = try #require(try golden().0["texts"]?.array)
    for item in texts where item["text"]?.string?.contains("</s>") == false {
      let text = try #require(item["text"]?.string)
      // The golden's ids of the library are not cut to 512.
      let raw = try ids(item["raw_sentencepiece_ids"])
      #expect(try tokenizer.encode(text, length: 512) == (raw.count > 512 ? raw.prefix(511) + [1] : raw))
    }
    #expect(try tokenizer.encode("a<x>a", length: 9) == [261, 500, 261, 1])
    let plain = try Tokenizer(modelPath: model)
    try tree.write("{}", to: "tokenizer.json")
    let silent = try Tokenizer(modelPath: model, tokenizerJSONPath: tree.path + "/tokenizer.json")
    #expect(!plain.hasByteFallback && !silent.hasByteFallback)
  }

  @Test func promptsAreCutBeforeTheEnd() throws {
    let (_, tokenizer) = try golden()
    let whole = try tokenizer.encode("the the the the", length: 512)
    #expect(whole == [265, 263, 265, 263, 265, 263, 265, 263, 1])
    #expect(try tokenizer.encode("the the the the", length: 9) == whole)
    #expect(try tokenizer.encode("the the the the", length: 8) == [265, 263, 265, 263, 265, 263, 265, 1])
    #expect(try tokenizer.encode("the", length: 1) == [1])
    #expect(try tokenizer.encode(String(repeating: "man ", count: 20_000), length: 512).count == 512)
  }

  @Test func theDemonstrationTokenizer() throws {
    let tokenizer = try Tokenizer(modelPath: Repository.demoBundle + "/tokenizer/spiece.model")
    #expect([tokenizer.padID, tokenizer.endID, tokenizer.unknownID] == [0, 1, 2])
    // Made by the SentencePiece library: ▁a ▁boy ▁wearing ▁ <unk> ▁ <unk> ▁ x.
    #expect(try tokenizer.encode("a boy wearing é 🐶 x", length: 64) == [3, 16, 12, 95, 2, 95, 2, 95, 73, 1])
  }

  @Test func brokenFilesAreRefused() throws {
    let tree = try ScratchTree()
    try tree.write("no model", to: "spiece.model")
    let error = try lumosError { try Tokenizer(modelPath: tree.path + "/spiece.model") }
    #expect(error.kind == .badInput && error.place == tree.path + "/spiece.model")
    #expect(error.what.hasPrefix("is no SentencePiece model: "))
    try tree.write("", to: "empty.model")
    #expect(try lumosError { try Tokenizer(modelPath: tree.path + "/empty.model") }.kind == .badInput)
    #expect(try lumosError { try Tokenizer(modelPath: tree.path + "/none") }.what == "does not exist")
    for (text, place) in [
      ("[", "tokenizer.json, byte 1"), (#"{"model": {"byte_fallback": 1}}"#, "tokenizer.json, key model.byte_fallback"),
      (#"{"added_tokens": [{"id": -1, "content": "x"}]}"#, "tokenizer.json, key added_tokens"),
    ] {
      try tree.write(text, to: "tokenizer.json")
      let model = Repository.tokenizerGoldens + "/spiece.model"
      let refusal = try lumosError { try Tokenizer(modelPath: model, tokenizerJSONPath: tree.path + "/tokenizer.json") }
      #expect(refusal.kind == .badInput && refusal.place == "\(tree.path)/\(place)")
    }
  }

  /// The mask runs over the padding as well, as published.
  @Test func masks() {
    #expect(EntityMask.positions(promptIDs: [5, 5, 5, 5, 1], wordIDs: [5, 5, 5, 1]) == [0, 1, 2, 3])
    #expect(EntityMask.positions(promptIDs: [5, 6, 5, 6, 5, 1], wordIDs: [5, 6, 5, 1]) == [0, 1, 2, 3, 4])
    #expect(EntityMask.positions(promptIDs: [5, 1], wordIDs: [5, 6, 7, 1]) == [])
    #expect(EntityMask.mask(promptIDs: [5, 1], wordIDs: [0, 1], length: 4) == [false, false, true, true])
  }
}
