/// The decoding half of base64 (RFC 4648), for little-endian 32-bit words.
enum Base64 {
  /// Words `offset ..< offset + count` of the encoded text; `offset` is a multiple of 3, because three words are
  /// sixteen characters.
  static func words(_ text: UnsafeBufferPointer<UInt8>, at offset: Int, count: Int) -> [UInt32] {
    precondition(offset % 3 == 0 && offset >= 0 && count >= 0, "word \(offset) does not start a group of three")
    let groups = (count + 2) / 3
    precondition((offset / 3 + groups) * 16 <= text.count, "words beyond the end of the text")
    return Array(unsafeUninitializedCapacity: count) { out, initialized in
      let start = offset / 3 * 16
      for group in 0..<groups {
        // Four characters are three bytes, hence a 24-bit number; four such numbers make three words.
        let at = start + group * 16
        let (a, b, c, d) = (
          triple(text, at), triple(text, at + 4), triple(text, at + 8), triple(text, at + 12)
        )
        let words = (a | b << 24, b >> 8 | c << 16, c >> 16 | d << 8)
        let i = group * 3
        out[i] = words.0
        if i + 1 < count { out[i + 1] = words.1 }
        if i + 2 < count { out[i + 2] = words.2 }
      }
      initialized = count
    }
  }

  /// Three bytes as a little-endian number, from the four characters at `start`.
  private static func triple(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt32 {
    let bits =
      digit(text[start]) << 18 | digit(text[start + 1]) << 12 | digit(text[start + 2]) << 6 | digit(text[start + 3])
    return bits >> 16 | bits & 0xff00 | (bits & 0xff) << 16
  }

  /// Value of one character; padding and foreign characters count as 0.
  private static func digit(_ character: UInt8) -> UInt32 {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: 0
    }
  }
}
