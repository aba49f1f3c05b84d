import LumosFiles
import LumosTensor
import Testing

@testable import LumosText

struct TextCleanerTests {
  /// Cases that the Python libraries of the published pipeline made; see the file's note.
  @Test func agreesWithThePublishedCleaning() throws {
    let cases = try #require(try readJSON(Repository.root + "/Tests/Fixtures/text/cleaning.json")["cases"]?.array)
    #expect(cases.count > 100)
    for item in cases {
      let text = try #require(item["text"]?.string)
      #expect(
        scalars(TextCleaner.clean(text)) == scalars(try #require(item["cleaned"]?.string)), "\(text.debugDescription)")
    }
  }

  @Test func cleaningIsStable() throws {
    let cases = try #require(try readJSON(Repository.tokenizerGoldens + "/cases.json")["texts"]?.array)
    for item in cases {
      let cleaned = try #require(item["cleaned"]?.string)
      #expect(scalars(TextCleaner.clean(cleaned)) == scalars(cleaned))
    }
  }

  /// Text as people write it must not be taken for garbled.
  @Test(arguments: [
    "CAFÉ” open", "Ölfarbe, Ätna, Übung, größer", "l’été à la plage", "São Paulo — 25 °C, 5 € or £9", "naïve façade",
    "Ångström", "¿Qué? ¡Hola!", "静态 細節", "Привет мир", "œuvre d'art", "½ × 2²",
  ])
  func leavesProperTextAlone(text: String) {
    #expect(MojibakeRepair.repair(Array(text.unicodeScalars)) == Array(text.unicodeScalars))
  }

  @Test func htmlReferences() {
    #expect(
      HTMLUnescape.lenient("&ampx; &notit; &#x41;&#65 &#146; &#0; &bogus; &") == "&x; ¬it; AA ’ \u{fffd} &bogus; &")
    #expect(HTMLUnescape.strict("&amp &eacute;&EACUTE; &#59; &#65;") == "&amp éÉ &#59; A")
    #expect(HTMLUnescape.lenient("&#99999999999999999999;&#1;") == "\u{fffd}")
    #expect(HTMLEntities.named.count == 2125)
    #expect(HTMLEntities.named["fjlig"]?.text == "fj")
    // The limit of six characters in the search for names without a semicolon.
    #expect(HTMLEntities.named.filter(\.value.mayLackSemicolon).keys.allSatisfy { (2...6).contains($0.count) })
  }

  private func scalars(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }
}
