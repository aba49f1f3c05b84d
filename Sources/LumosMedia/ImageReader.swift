import LumosTensor

/// Images from files: PNG, JPEG and WebP, recognised by content and never by name.
///
/// Every kind of pixel becomes 8-bit RGB: 16-bit samples keep their upper byte (as in Pillow), palettes and grey are
/// expanded, transparency is composited over white, the EXIF orientation is applied. Colour profiles are ignored, as
/// the published code ignores them. Transparency, palettes and orientation deviate from the published code on
/// purpose (MODEL.md section 3).
public enum ImageReader {
  /// Longest side that is accepted, pixels.
  public static let maximumSide = 32_768
  /// Largest area that is accepted, pixels.
  public static let maximumPixelCount = 100_000_000
  /// Largest file that is accepted, bytes: more than any image within the limits above needs.
  static let maximumByteCount = 1 << 30

  /// Advice for everything that is not an image we read.
  static let formatAdvice = "save it as PNG, JPEG or WebP"

  /// The image in the file `path`.
  ///
  /// Throws `LumosError`: `.badInput` with the file, the byte or row where it is known, and the reason;
  /// `.inputOutput` if the file cannot be read to its end.
  public static func read(_ path: String) throws -> Image {
    try decode(InputFile.read(path, limit: maximumByteCount), name: path)
  }

  /// The image in `bytes`, the whole content of a file; `name` is used in errors only. Throws as `read` does.
  public static func decode(_ bytes: [UInt8], name: String) throws -> Image {
    switch ImageFormat(bytes) {
    case .png: return try PNGDecoder.decode(bytes, name: name)
    case .jpeg: return try JPEGFile(bytes, name: name).decode()
    case .webp: return try WebPFile(bytes, name: name).decode()
    case .empty: throw LumosError(.badInput, "the file is empty", at: name, advice: formatAdvice)
    case .foreign(let format):
      throw LumosError(.badInput, "\(format) images are not read", at: name, advice: formatAdvice)
    case .unknown(let start):
      throw LumosError(.badInput, "not an image: it begins with \(start)", at: name, advice: formatAdvice)
    }
  }

  /// Throws `.badInput` unless an image of this size is accepted. Called before anything is allocated for it.
  static func checkSize(width: Int, height: Int, name: String) throws {
    guard width > 0, height > 0 else {
      throw LumosError(.badInput, "the image has no pixels: \(width) x \(height)", at: name, advice: formatAdvice)
    }
    guard width <= maximumSide, height <= maximumSide, width * height <= maximumPixelCount else {
      throw LumosError(
        .badInput,
        "the image has \(width) x \(height) pixels; at most \(maximumSide) a side and \(maximumPixelCount) in all"
          + " are read",
        at: name, advice: "scale it down")
    }
  }

  /// What to throw where the file ends before the image does.
  static func truncated(at byte: Int, _ detail: String, name: String) -> LumosError {
    LumosError(
      .badInput, "the image is truncated: \(detail)", at: "\(name), byte \(byte)",
      advice: "copy or download the file again")
  }

  /// What to throw where the content contradicts its format.
  static func corrupt(at place: String, _ detail: String) -> LumosError {
    LumosError(.badInput, "the image is corrupt: \(detail)", at: place, advice: "copy or save the file again")
  }
}

/// What a file is, by its first bytes.
enum ImageFormat: Equatable {
  case png, jpeg, webp
  case empty
  /// An image or document that is known but not read.
  case foreign(String)
  /// Anything else, with its first bytes in a readable form.
  case unknown(String)

  init(_ bytes: [UInt8]) {
    func has(_ text: String, at offset: Int = 0) -> Bool { bytes.dropFirst(offset).starts(with: text.utf8) }
    if bytes.isEmpty {
      self = .empty
    } else if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
      self = .png
    } else if bytes.starts(with: [0xff, 0xd8, 0xff]) {
      self = .jpeg
    } else if has("RIFF"), has("WEBP", at: 8) {
      self = .webp
    } else if has("GIF8") {
      self = .foreign("GIF")
    } else if has("BM"), bytes.count > 14, bytes[6..<10].allSatisfy({ $0 == 0 }) {
      self = .foreign("BMP")
    } else if has("II*\0") || has("MM\0*") {
      self = .foreign("TIFF")
    } else if has("ftypavif", at: 4) || has("ftypavis", at: 4) {
      self = .foreign("AVIF")
    } else if has("ftyphei", at: 4) || has("ftyphev", at: 4) || has("ftypmif1", at: 4) {
      self = .foreign("HEIC")
    } else if bytes.starts(with: [0xff, 0x0a]) || has("JXL ", at: 4) {
      self = .foreign("JPEG XL")
    } else if has("jP  ", at: 4) || bytes.starts(with: [0xff, 0x4f, 0xff, 0x51]) {
      self = .foreign("JPEG 2000")
    } else if has("%PDF") {
      self = .foreign("PDF")
    } else if has("<svg") {
      self = .foreign("SVG")
    } else {
      self = .unknown(Self.preview(bytes.prefix(12)))
    }
  }

  /// `"hello wo…"` for text, hexadecimal for the rest.
  private static func preview(_ start: ArraySlice<UInt8>) -> String {
    if start.allSatisfy({ (0x20..<0x7f).contains($0) || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }) {
      let text = start.map { $0 < 0x20 ? " " : String(UnicodeScalar($0)) }.joined()
      return "the text \"\(text)\""
    }
    let digits = start.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    return "the bytes \(digits)"
  }
}
