import CLibAV
import LumosTensor

/// The markers of a JPEG file: size, orientation and where the image ends (ITU-T T.81, annex B).
///
/// libavcodec conceals missing data, so completeness is proved here, before anything is decoded.
struct JPEGFile {
  private let bytes: [UInt8]
  private let name: String
  private var orientation = Orientation.upright
  /// One past the end-of-image marker; cameras append previews and more.
  private var end = 0

  /// Walks over all markers. Throws `LumosError.badInput` with the byte where the structure breaks.
  init(_ bytes: [UInt8], name: String) throws {
    self.bytes = bytes
    self.name = name
    try walk()
  }

  /// The upright RGB image. Throws `LumosError.badInput`.
  func decode() throws -> Image {
    orientation.applied(
      to: try StillDecoder.decode(bytes[..<end], AV_CODEC_ID_MJPEG, .jpeg, name: name))
  }

  private enum Marker {
    static let startOfImage: UInt8 = 0xd8
    static let endOfImage: UInt8 = 0xd9
    static let startOfScan: UInt8 = 0xda
    static let application1: UInt8 = 0xe1
    /// Followed by data at once, without a length.
    static func isBare(_ marker: UInt8) -> Bool { (0xd0...0xd8).contains(marker) || marker == 0x01 }
    /// Start of frame, all processes; C4, C8 and CC are tables and extensions.
    static func isFrame(_ marker: UInt8) -> Bool {
      (0xc0...0xcf).contains(marker) && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
    }
  }

  private mutating func walk() throws {
    var at = 2
    var hasFrame = false
    var hasScan = false
    while true {
      let marker = try marker(&at)
      if marker == Marker.endOfImage { break }
      if Marker.isBare(marker) { continue }
      let length = try segmentLength(at)
      let payload = bytes[at + 2..<at + length]
      if Marker.isFrame(marker) {
        try checkFrame(marker, payload)
        hasFrame = true
      } else if marker == Marker.application1, payload.starts(with: "Exif\0\0".utf8) {
        orientation = Orientation(exif: payload)
      }
      at += length
      if marker == Marker.startOfScan {
        guard hasFrame else { throw corrupt(at, "pixels come before the header") }
        hasScan = true
        skipEntropyCodedData(&at)
      }
    }
    guard hasScan else { throw corrupt(at, "there are no pixels") }
    end = at
  }

  /// The marker at `at`, which moves past it.
  private func marker(_ at: inout Int) throws -> UInt8 {
    guard at < bytes.count else { throw truncated("there is no end marker") }
    guard bytes[at] == 0xff else { throw corrupt(at, "there is no marker") }
    // Any number of fill bytes may come before the marker's code.
    while at < bytes.count, bytes[at] == 0xff { at += 1 }
    guard at < bytes.count else { throw truncated("there is no end marker") }
    at += 1
    return bytes[at - 1]
  }

  /// The length of the segment at `at`, itself included.
  private func segmentLength(_ at: Int) throws -> Int {
    guard at + 2 <= bytes.count else { throw truncated("a segment has no length") }
    let length = Int(bytes[at]) << 8 | Int(bytes[at + 1])
    guard length >= 2 else { throw corrupt(at, "a segment has the length \(length)") }
    guard at + length <= bytes.count else { throw truncated("a segment is incomplete") }
    return length
  }

  private func checkFrame(_ marker: UInt8, _ payload: ArraySlice<UInt8>) throws {
    guard payload.count >= 6 else { throw corrupt(payload.startIndex, "the header is too short") }
    func number(_ offset: Int) -> Int {
      Int(payload[payload.startIndex + offset]) << 8 | Int(payload[payload.startIndex + offset + 1])
    }
    let (depth, height, width) = (payload[payload.startIndex], number(1), number(3))
    try ImageReader.checkSize(width: width, height: height, name: name)
    // Baseline, extended and progressive with Huffman coding; the lossless and arithmetic processes are rare.
    guard depth == 8, (0xc0...0xc2).contains(marker) else {
      throw LumosError(
        .badInput, "this kind of JPEG is not read (process \(marker & 15), \(depth) bits)", at: name,
        advice: ImageReader.formatAdvice)
    }
    // Every 8 x 8 block of the finest component costs at least one bit.
    guard bytes.count >= width * height / 512 else {
      throw ImageReader.truncated(at: bytes.count, "too short for \(width) x \(height) pixels", name: name)
    }
  }

  /// Moves `at` to the next marker that is not part of the entropy-coded data (stuffed zeros and restart markers are).
  private func skipEntropyCodedData(_ at: inout Int) {
    bytes.withUnsafeBufferPointer { bytes in
      while at + 1 < bytes.count {
        if bytes[at] == 0xff, bytes[at + 1] != 0, bytes[at + 1] != 0xff, !(0xd0...0xd7).contains(bytes[at + 1]) {
          return
        }
        at += 1
      }
      at = bytes.count
    }
  }

  private func truncated(_ detail: String) -> LumosError {
    ImageReader.truncated(at: bytes.count, detail, name: name)
  }

  private func corrupt(_ at: Int, _ detail: String) -> LumosError {
    ImageReader.corrupt(at: "\(name), byte \(at)", detail)
  }
}
