/// Where a text is not JSON, and why.
public struct JSONParseError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Offset of the offending byte from the start of the text.
  public let byte: Int
  /// What is wrong there, as a clause.
  public let reason: String

  /// `"byte 812: expected ':'"`.
  public var description: String { "byte \(byte): \(reason)" }
}

extension JSONValue {
  /// Reads a whole text as one JSON value, strictly by RFC 8259: UTF-8, no comments, no trailing commas, no unpaired
  /// surrogates, no numbers beyond float64. Stricter than most readers in two points: an object must not name a member
  /// twice (readers disagree about which one counts), and nesting ends at `depthLimit` levels.
  ///
  /// - Parameter omitted: keys whose values are checked but not kept; they read as null. For parts of large files that
  ///   nobody needs.
  public init(
    parsing bytes: UnsafeRawBufferPointer, depthLimit: Int = 64, omitting omitted: Set<String> = []
  ) throws(JSONParseError) {
    var parser = JSONParser(bytes: bytes, depthLimit: depthLimit, omitted: omitted)
    self = try parser.parse()
  }

  /// Reads a text; see `init(parsing:depthLimit:)`.
  public init(parsing text: String, depthLimit: Int = 64) throws(JSONParseError) {
    let result = Array(text.utf8).withUnsafeBytes { bytes in
      Result { () throws(JSONParseError) in try JSONValue(parsing: bytes, depthLimit: depthLimit) }
    }
    self = try result.get()
  }
}

/// A recursive-descent reader over bytes that somebody else keeps alive.
private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let depthLimit: Int
  let omitted: Set<String>
  var at = 0
  /// Whether values are kept.
  var keeps = true

  init(bytes: UnsafeRawBufferPointer, depthLimit: Int, omitted: Set<String>) {
    self.bytes = bytes
    self.depthLimit = depthLimit
    self.omitted = omitted
  }

  mutating func parse() throws(JSONParseError) -> JSONValue {
    let value = try value(depth: 0)
    skipSpace()
    if at < bytes.count { throw failure("unexpected \(found) after the end of the value") }
    return value
  }

  // MARK: Values

  private mutating func value(depth: Int) throws(JSONParseError) -> JSONValue {
    skipSpace()
    if current == UInt8(ascii: "-") || isDigit(current) { return try number() }
    switch current {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw failure("expected a value, found \(found)")
    }
  }

  private mutating func object(depth: Int) throws(JSONParseError) -> JSONValue {
    try enter(depth)
    var members: [JSONValue.Member] = []
    // Keys that Unicode counts as equal (é in one or two scalars) are the same key to a Swift dictionary as well.
    var keys: Set<String> = []
    skipSpace()
    if skip(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw failure("expected a key in quotes, found \(found)") }
      let start = at
      let key = try string()
      guard keys.insert(key).inserted else { throw JSONParseError(byte: start, reason: "key \"\(key)\" occurs twice") }
      skipSpace()
      guard skip(UInt8(ascii: ":")) else { throw failure("expected ':', found \(found)") }
      let outer = keeps
      if omitted.contains(key) { keeps = false }
      let value = try value(depth: depth + 1)
      if outer { members.append(JSONValue.Member(key, keeps ? value : .null)) }
      keeps = outer
      skipSpace()
      if skip(UInt8(ascii: "}")) { return .object(members) }
      guard skip(UInt8(ascii: ",")) else { throw failure("expected ',' or '}', found \(found)") }
    }
  }

  private mutating func array(depth: Int) throws(JSONParseError) -> JSONValue {
    try enter(depth)
    var elements: [JSONValue] = []
    skipSpace()
    if skip(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      let element = try value(depth: depth + 1)
      if keeps { elements.append(element) }
      skipSpace()
      if skip(UInt8(ascii: "]")) { return .array(elements) }
      guard skip(UInt8(ascii: ",")) else { throw failure("expected ',' or ']', found \(found)") }
    }
  }

  private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONParseError) -> JSONValue {
    for i in 0..<text.utf8CodeUnitCount {
      guard current == text.utf8Start[i] else { throw failure("expected \(text)") }
      at += 1
    }
    return value
  }

  private mutating func number() throws(JSONParseError) -> JSONValue {
    let start = at
    var isInteger = true
    _ = skip(UInt8(ascii: "-"))
    if !skip(UInt8(ascii: "0")) { try digits() }
    if skip(UInt8(ascii: ".")) {
      isInteger = false
      try digits()
    }
    if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
      isInteger = false
      if !skip(UInt8(ascii: "+")) { _ = skip(UInt8(ascii: "-")) }
      try digits()
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isInteger, let value = Int(text), value != 0 || text == "0" { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      throw JSONParseError(byte: start, reason: "number is out of range")
    }
    return .number(value)
  }

  private mutating func digits() throws(JSONParseError) {
    guard isDigit(current) else { throw failure("expected a digit, found \(found)") }
    while isDigit(current) { at += 1 }
  }

  // MARK: Strings

  private mutating func string() throws(JSONParseError) -> String {
    at += 1
    var text = ""
    while true {
      let start = at
      while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { at += 1 }
      guard let plain = String(validating: bytes[start..<at], as: UTF8.self) else {
        throw JSONParseError(byte: start + Self.validPrefix(bytes[start..<at]), reason: "invalid UTF-8")
      }
      text += plain
      switch current {
      case UInt8(ascii: "\""):
        at += 1
        return text
      case UInt8(ascii: "\\"): text.unicodeScalars.append(try escape())
      case nil: throw failure("text ends inside a string")
      default: throw failure("control character inside a string")
      }
    }
  }

  private mutating func escape() throws(JSONParseError) -> Unicode.Scalar {
    let start = at
    at += 1
    guard let kind = current else { throw failure("text ends inside a string") }
    at += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let high = try codeUnit()
      if let scalar = Unicode.Scalar(high) { return scalar }
      if high < 0xdc00, skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")) {
        let low = try codeUnit()
        if (0xdc00...0xdfff).contains(low),
          let scalar = Unicode.Scalar(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        {
          return scalar
        }
      }
      throw JSONParseError(byte: start, reason: "unpaired surrogate")
    default: throw JSONParseError(byte: start, reason: "unknown escape sequence")
    }
  }

  private mutating func codeUnit() throws(JSONParseError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      switch current {
      case .some(let digit) where isDigit(digit): value = value << 4 | UInt32(digit - UInt8(ascii: "0"))
      case .some(let digit) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit | 0x20):
        value = value << 4 | UInt32((digit | 0x20) - UInt8(ascii: "a") + 10)
      default: throw failure("expected four hexadecimal digits")
      }
      at += 1
    }
    return value
  }

  /// How many leading bytes are whole, valid UTF-8 scalars.
  private static func validPrefix(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
    var decoder = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var count = 0
    while case .valid(let scalar) = decoder.parseScalar(from: &iterator) { count += scalar.count }
    return count
  }

  // MARK: Bytes

  private var current: UInt8? { at < bytes.count ? bytes[at] : nil }

  /// The current byte for an error message.
  private var found: String {
    guard let byte = current else { return "the end of the text" }
    return (0x21...0x7e).contains(byte) ? "'\(Unicode.Scalar(byte))'" : "byte 0x\(String(byte, radix: 16))"
  }

  private func isDigit(_ byte: UInt8?) -> Bool {
    guard let byte else { return false }
    return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private func failure(_ reason: String) -> JSONParseError { JSONParseError(byte: at, reason: reason) }

  private mutating func skip(_ byte: UInt8) -> Bool {
    guard current == byte else { return false }
    at += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { at += 1 }
  }

  /// Steps over the opening bracket of a container at `depth`.
  private mutating func enter(_ depth: Int) throws(JSONParseError) {
    guard depth < depthLimit else { throw failure("nested deeper than \(depthLimit) levels") }
    at += 1
  }
}
