import Testing

@testable import LumosFiles

struct JSONTests {
  @Test func readsEveryKind() throws {
    let text =
      #" {"a": [null, true, false, 0, -12, 2.5, 1e-6, -0], "b\n\u00e9\ud83d\ude00": "x\/\"\\", "c": {}, "d": []} "#
    let value = try JSONValue(parsing: text)
    #expect(value["a"] == [nil, true, false, 0, -12, 2.5, 1e-6, .number(-0.0)])
    #expect(value["b\né😀"]?.string == #"x/"\"#)
    #expect(value["c"]?.members == [])
    #expect(value["d"]?.array == [])
    #expect(value.members?.map(\.key) == ["a", "b\né😀", "c", "d"])
    #expect(value["a"]?["b"] == nil)
  }

  @Test func numbersBeyondIntAreReal() throws {
    #expect(try JSONValue(parsing: "9223372036854775807") == .integer(.max))
    #expect(try JSONValue(parsing: "9223372036854775808") == .number(0x1p63))
    #expect(try JSONValue(parsing: "1.0").integer == nil)
  }

  /// Each text, the byte at which it stops being JSON, and a word of the reason.
  @Test(arguments: [
    ("", 0, "value"), ("{", 1, "key"), (#"{"a"}"#, 4, "':'"), (#"{"a":1,}"#, 7, "key"), ("[1 2]", 3, "','"),
    ("[1,]", 3, "value"), ("01", 1, "after the end"), ("-", 1, "digit"), ("1.", 2, "digit"), ("1e+", 3, "digit"),
    ("1e999", 0, "range"), ("tru", 3, "true"), ("nul!", 3, "null"), (#""abc"#, 4, "inside a string"),
    ("\"a\u{1}\"", 2, "control"), (#""\x""#, 1, "escape"), (#""\u12g4""#, 5, "hexadecimal"),
    (#""\ud800""#, 1, "surrogate"), (#""\udc00\ud800""#, 1, "surrogate"), (#""\ud800\u0041""#, 1, "surrogate"),
    (#"{"a":1,"b":2,"a":3}"#, 13, "twice"), (#"{"a":1,"\u0061":3}"#, 7, "twice"), ("{} x", 3, "after the end"),
    ("[NaN]", 1, "value"), ("// no\n1", 0, "value"), ("\u{feff}1", 0, "value"), ("+1", 0, "value"), ("'a'", 0, "value"),
  ])
  func refuses(text: String, byte: Int, reason: String) {
    do {
      let value = try JSONValue(parsing: text)
      Issue.record("\(text) was read as \(value)")
    } catch {
      #expect(error.byte == byte, "\(text): \(error)")
      #expect(error.reason.contains(reason), "\(text): \(error)")
    }
  }

  @Test func refusesInvalidUTF8AtItsByte() {
    for (bytes, byte) in [([0x22, 0x61, 0xff, 0x22], 2), ([0x22, 0xc3, 0xa9, 0xc0, 0x80, 0x22], 3)] as [([UInt8], Int)]
    {
      #expect(throws: JSONParseError(byte: byte, reason: "invalid UTF-8")) {
        try bytes.withUnsafeBytes { _ = try JSONValue(parsing: $0) }
      }
    }
  }

  @Test func nestingEndsAtTheLimit() throws {
    func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
    _ = try JSONValue(parsing: nested(64))
    #expect(throws: JSONParseError(byte: 64, reason: "nested deeper than 64 levels")) {
      try JSONValue(parsing: nested(65))
    }
    #expect(throws: JSONParseError.self) { try JSONValue(parsing: String(repeating: "[", count: 1_000_000)) }
  }

  @Test func omittedValuesAreCheckedButNotKept() throws {
    func read(_ text: String) throws -> JSONValue {
      try Array(text.utf8).withUnsafeBytes { try JSONValue(parsing: $0, omitting: ["vocab"]) }
    }
    let value = try read(#"{"a": {"vocab": [["x", 1], {"y": 2}], "b": [3]}, "vocab": "z", "c": 4}"#)
    #expect(value == ["a": ["vocab": nil, "b": [3]], "vocab": nil, "c": 4])
    #expect(throws: JSONParseError.self) { try read(#"{"vocab": [1,]}"#) }
  }

  @Test func writesStably() throws {
    let value: JSONValue = [
      "event": "result", "ok": true, "seconds": ["vaeDecode": 0.5, "total": 3], "text": "a\"\\\n\u{1}é", "none": nil,
      "list": [], "nan": .number(.nan),
    ]
    let line =
      #"{"event":"result","ok":true,"seconds":{"vaeDecode":0.5,"total":3},"text":"a\"\\\n\u0001é","none":null,"#
      + #""list":[],"nan":null}"#
    #expect(value.text() == line)
    #expect(try JSONValue(parsing: line).text() == line)
    #expect(try JSONValue(parsing: value.text(indented: true)).text() == line)
    let indented: JSONValue = ["a": [1, 2]]
    #expect(indented.text(indented: true) == "{\n  \"a\": [\n    1,\n    2\n  ]\n}")
  }

  @Test func realNumbersSurvive() throws {
    for number in [0.1, 1e-6, .leastNormalMagnitude, .greatestFiniteMagnitude, -0.0, 1e22] {
      let read = try JSONValue(parsing: JSONValue.number(number).text())
      #expect(read.double?.bitPattern == number.bitPattern)
    }
  }
}
