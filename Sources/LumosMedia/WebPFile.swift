import CLibAV
import LumosTensor

/// The chunks of a WebP file: size, orientation, animation ("WebP Container Specification").
struct WebPFile {
  private let bytes: [UInt8]
  private let name: String
  private var orientation = Orientation.upright
  private var hasImage = false
  /// One past the RIFF chunk.
  private let end: Int

  /// Walks over all chunks. Throws `LumosError.badInput` with the byte where the structure breaks.
  init(_ bytes: [UInt8], name: String) throws {
    self.bytes = bytes
    self.name = name
    guard bytes.count >= 12 else { throw ImageReader.truncated(at: bytes.count, "no header", name: name) }
    end = 8 + Self.number(bytes, 4, 4)
    guard end <= bytes.count else {
      throw ImageReader.truncated(at: bytes.count, "it should have \(end) bytes", name: name)
    }
    try walk()
  }

  /// The upright RGB image. Throws `LumosError.badInput`.
  func decode() throws -> Image {
    orientation.applied(
      to: try StillDecoder.decode(bytes[..<end], AV_CODEC_ID_WEBP, .webp, name: name))
  }

  private mutating func walk() throws {
    var at = 12
    while at + 8 <= end {
      let kind = bytes[at..<at + 4]
      let size = Self.number(bytes, at + 4, 4)
      let payload = at + 8
      guard payload + size <= end else { throw corrupt(at, "a chunk is longer than the file") }
      if kind.elementsEqual("VP8X".utf8) {
        guard size >= 10 else { throw corrupt(at, "the header is too short") }
        let animationFlag: UInt8 = 0x02
        if bytes[payload] & animationFlag != 0 {
          throw LumosError(
            .badInput, "animated WebP images are not read", at: name, advice: ImageReader.formatAdvice)
        }
        try ImageReader.checkSize(
          width: Self.number(bytes, payload + 4, 3) + 1, height: Self.number(bytes, payload + 7, 3) + 1, name: name)
      } else if kind.elementsEqual("VP8 ".utf8) {
        guard size >= 10 else { throw corrupt(at, "the header is too short") }
        let sideMask = 0x3fff  // the upper two bits are a hint for scaling
        try ImageReader.checkSize(
          width: Self.number(bytes, payload + 6, 2) & sideMask, height: Self.number(bytes, payload + 8, 2) & sideMask,
          name: name)
        hasImage = true
      } else if kind.elementsEqual("VP8L".utf8) {
        guard size >= 5 else { throw corrupt(at, "the header is too short") }
        let fields = Self.number(bytes, payload + 1, 4)
        try ImageReader.checkSize(width: (fields & 0x3fff) + 1, height: (fields >> 14 & 0x3fff) + 1, name: name)
        hasImage = true
      } else if kind.elementsEqual("EXIF".utf8) {
        orientation = Orientation(exif: bytes[payload..<payload + size])
      }
      // Chunks are padded to even lengths.
      at = payload + size + size % 2
    }
    guard hasImage else { throw corrupt(at, "there are no pixels") }
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
    bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private func corrupt(_ at: Int, _ detail: String) -> LumosError {
    ImageReader.corrupt(at: "\(name), byte \(at)", detail)
  }
}
