import Foundation
import LumosTensor
import Testing

@testable import LumosMedia

/// Files that must be refused with a useful message, and damage that must never crash.
@Suite struct HostileImageTests {
  private func refusal(_ bytes: [UInt8], _ name: String = "face.png") -> LumosError? {
    lumosError { _ = try ImageReader.decode(bytes, name: name) }
  }

  private func bigEndian(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }

  @Test func emptyAndForeignFiles() throws {
    #expect(refusal([])?.what == "the file is empty")
    let text = refusal(Array("hello world, this is text".utf8))
    #expect(text?.kind == .badInput && text?.place == "face.png" && text?.advice == "save it as PNG, JPEG or WebP")
    #expect(text?.what == "not an image: it begins with the text \"hello world,\"")
    #expect(refusal([0, 1, 254])?.what == "not an image: it begins with the bytes 00 01 fe")
    let gif = refusal(try MediaFixtures.bytes("images/still.gif"))
    #expect(gif?.what == "GIF images are not read" && gif?.advice == "save it as PNG, JPEG or WebP")
    let animated = refusal(try MediaFixtures.bytes("images/animated.webp"))
    #expect(animated?.what == "animated WebP images are not read")
  }

  @Test func pathsThatAreNoFiles() throws {
    try MediaFixtures.withFolder { folder in
      let missing = lumosError { _ = try ImageReader.read(folder + "/none.png") }
      #expect(missing?.kind == .badInput && missing?.place == folder + "/none.png")
      #expect(missing?.what == "cannot be opened: No such file or directory" && missing?.advice == "check the path")
      #expect(lumosError { _ = try ImageReader.read(folder) }?.what == "is a folder")
      #expect(mkfifo(folder + "/pipe", 0o600) == 0)
      #expect(lumosError { _ = try ImageReader.read(folder + "/pipe") }?.what == "is not a regular file")
      #expect(
        lumosError { _ = try InputFile.read(MediaFixtures.path("images/rgb16.png"), limit: 99) }?.kind == .badInput)
    }
  }

  /// The sizes that a header claims are refused before memory is asked for.
  @Test func hugeSizes() throws {
    var png = try MediaFixtures.bytes("images/rgb16.png")
    png.replaceSubrange(16..<24, with: bigEndian(100_000) + bigEndian(100_000))
    let error = refusal(png)
    #expect(error?.kind == .badInput && error?.what.hasPrefix("the image has 100000 x 100000 pixels") == true)
    png.replaceSubrange(16..<24, with: bigEndian(20_000) + bigEndian(20_000))
    #expect(refusal(png)?.what.hasPrefix("the image has 20000 x 20000 pixels") == true)
    png.replaceSubrange(16..<24, with: bigEndian(0) + bigEndian(5))
    #expect(refusal(png)?.what == "the image has no pixels: 0 x 5")
    png.replaceSubrange(16..<24, with: bigEndian(9_000) + bigEndian(9_000))
    #expect(refusal(png)?.what == "the image is truncated: too short for 9000 x 9000 pixels")

    var jpeg = try MediaFixtures.bytes("images/photo_444.jpg")
    let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xff, 0xff, 0xff, 0xff])
    #expect(refusal(jpeg)?.what.hasPrefix("the image has 65535 x 65535 pixels") == true)
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0x20, 0, 0x20, 0])
    #expect(refusal(jpeg)?.what == "the image is truncated: too short for 8192 x 8192 pixels")

    var webp = try MediaFixtures.bytes("images/lossy.webp")
    webp.replaceSubrange(26..<30, with: [0xff, 0x3f, 0xff, 0x3f])
    #expect(refusal(webp)?.what.hasPrefix("the image has 16383 x 16383 pixels") == true)
  }

  /// Every proper prefix is refused, with the place where the bytes end.
  @Test(arguments: ["rgb8_interlaced.png", "palette4.png", "photo_420.jpg", "progressive.jpg", "lossy.webp"])
  func everyTruncation(_ name: String) throws {
    let bytes = try MediaFixtures.bytes("images/\(name)")
    for count in 0..<bytes.count {
      guard let error = refusal(Array(bytes[..<count]), name) else { continue }
      #expect(error.kind == .badInput)
      if count > 64 {
        #expect(error.what.contains("truncated") && error.place?.hasSuffix("byte \(count)") == true, "\(error)")
      }
    }
  }

  @Test func truncatedPixelsNameTheRow() throws {
    let bytes = try MediaFixtures.bytes("images/rgb16.png")
    let place = try #require(refusal(Array(bytes[..<(bytes.count / 2)]))?.place)
    #expect(place.hasPrefix("face.png, row ") && place.hasSuffix(", byte \(bytes.count / 2)"))
  }

  @Test func wrongChecksum() throws {
    var bytes = try MediaFixtures.bytes("images/rgb16.png")
    bytes[29] ^= 1  // CRC of the header
    let header = refusal(bytes)
    #expect(header?.kind == .badInput && header?.what == "the image is corrupt: IHDR: CRC error")
    bytes = try MediaFixtures.bytes("images/rgb16.png")
    bytes[bytes.count - 13] ^= 1  // CRC of the pixels
    let pixels = refusal(bytes)
    #expect(pixels?.what == "the image is corrupt: IDAT: CRC error" && pixels?.advice != nil)
  }

  /// Flipped bits, overwritten runs and cuts: refused or read, never anything else.
  @Test(arguments: [
    "rgba16_interlaced.png", "palette4_transparent.png", "orientation6.png", "photo_420.jpg", "progressive.jpg",
    "restart.jpg", "cmyk.jpg", "orientation6.jpg", "lossy.webp", "alpha_lossy.webp", "alpha_lossless.webp",
  ])
  func fuzz(_ name: String) throws {
    let original = try MediaFixtures.bytes("images/\(name)")
    var random = SplitMix(state: UInt64(original.count))
    var refused = 0
    for round in 0..<150 {
      var bytes = original
      switch round % 4 {
      case 0: bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1:
        for _ in 0..<8 {
          bytes[Int.random(in: 12..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
        }
      case 2:
        let start = Int.random(in: 12..<bytes.count, using: &random)
        bytes.removeSubrange(start..<min(start + Int.random(in: 1...20, using: &random), bytes.count))
      default:
        let start = Int.random(in: 12..<bytes.count, using: &random)
        bytes.replaceSubrange(start..<min(start + 16, bytes.count), with: [UInt8](repeating: 0xff, count: 16))
      }
      if name.hasSuffix(".png"), round % 2 == 1 { Self.mendChecksums(&bytes) }
      do {
        let image = try ImageReader.decode(bytes, name: name)
        #expect(image.pixels.count == image.width * image.height * 3)
      } catch let error as LumosError {
        refused += 1
        #expect(error.kind == .badInput && error.place?.hasPrefix(name) == true, "\(error)")
      }
    }
    #expect(refused > 10)
  }

  /// Makes the CRCs right again, so that damage reaches the code behind them.
  private static func mendChecksums(_ bytes: inout [UInt8]) {
    var at = 8
    while at + 12 <= bytes.count {
      let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      guard at + 12 + length <= bytes.count else { return }
      var crc: UInt32 = 0xffff_ffff
      for byte in bytes[at + 4..<at + 8 + length] {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
      }
      crc = ~crc
      for i in 0..<4 { bytes[at + 8 + length + i] = UInt8(truncatingIfNeeded: crc >> (24 - 8 * UInt32(i))) }
      at += 12 + length
    }
  }
}

/// A small generator, so that failures repeat.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
