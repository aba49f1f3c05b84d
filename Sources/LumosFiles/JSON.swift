/// A JSON value (RFC 8259) whose objects keep the order of their members.
///
/// For checkpoint headers, configurations and machine output: small documents whose every byte matters. Reading is
/// strict (see `init(parsing:)`); writing is stable, so equal values give equal bytes.
public enum JSONValue: Sendable, Hashable {
  /// One `"key": value` of an object.
  public struct Member: Sendable, Hashable {
    /// Name, unique in its object.
    public let key: String
    /// What the name stands for.
    public let value: JSONValue

    /// A member from its parts.
    public init(_ key: String, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number without fraction and exponent that fits `Int`.
  case integer(Int)
  /// Any other number; finite.
  case number(Double)
  /// A text.
  case string(String)
  /// A list.
  case array([JSONValue])
  /// Named values, in order.
  case object([Member])

  /// Value of member `key`, or nil if there is none or this is no object. Linear in the number of members.
  public subscript(key: String) -> JSONValue? { members?.first { $0.key == key }?.value }

  /// The members of an object.
  public var members: [Member]? { if case .object(let members) = self { members } else { nil } }
  /// The elements of an array.
  public var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  /// The text of a string.
  public var string: String? { if case .string(let text) = self { text } else { nil } }
  /// The truth value of a boolean.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The value of an integer.
  public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  /// The value of any number.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// What kind of value this is, for error messages: `"a string"`.
  public var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

// MARK: - Writing

extension JSONValue: CustomStringConvertible {
  /// JSON text on one line.
  public var description: String { text() }

  /// JSON text: on one line, or with two spaces per level of `indented` text. Numbers that are not finite, which JSON
  /// cannot say, become `null`.
  public func text(indented: Bool = false) -> String {
    var out = ""
    write(to: &out, indented: indented, level: 0)
    return out
  }

  private func write(to out: inout String, indented: Bool, level: Int) {
    func sequence<T>(_ open: String, _ close: String, _ items: [T], _ body: (T, inout String) -> Void) {
      out += open
      for (i, item) in items.enumerated() {
        if i > 0 { out += "," }
        if indented { out += "\n" + String(repeating: "  ", count: level + 1) }
        body(item, &out)
      }
      if indented && !items.isEmpty { out += "\n" + String(repeating: "  ", count: level) }
      out += close
    }
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .integer(let value): out += String(value)
    case .number(let value): out += value.isFinite ? "\(value)" : "null"
    case .string(let text): Self.writeQuoted(text, to: &out)
    case .array(let elements):
      sequence("[", "]", elements) { $0.write(to: &$1, indented: indented, level: level + 1) }
    case .object(let members):
      sequence("{", "}", members) { member, out in
        Self.writeQuoted(member.key, to: &out)
        out += indented ? ": " : ":"
        member.value.write(to: &out, indented: indented, level: level + 1)
      }
    }
  }

  private static func writeQuoted(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..."\u{1f}", "\u{7f}":
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

// MARK: - Literals

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// `nil` is `null`.
  public init(nilLiteral: ()) { self = .null }
  /// `true`, `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A number with a fraction.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// A text.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A list.
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// Members in the order of the literal.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { Member($0.0, $0.1) })
  }
}
