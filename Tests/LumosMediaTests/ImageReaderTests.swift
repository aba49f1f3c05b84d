import LumosFiles
import LumosTensor
import Testing

@testable import LumosMedia

/// Every kind of image that is read, against Pillow or the arrays that were encoded.
@Suite struct ImageReaderTests {
  /// Lossless kinds: exactly.
  @Test func losslessImages() throws {
    let expectations = try MediaFixtures.expectations()
    let names = expectations.names.filter {
      $0.hasPrefix("decode.") && ($0.hasSuffix(".png") || $0.contains("lossless") || $0.contains("orientation8.webp"))
    }
    #expect(names.count == 23)
    for name in names {
      let image = try ImageReader.read(MediaFixtures.path("images/\(name.dropFirst(7))"))
      #expect(image == MediaFixtures.image(try expectations.requireTensor(name)), "\(name)")
    }
  }

  /// Lossy WebP is exact too. JPEG differs by the rounding of the inverse transform, CMYK also by its conversion.
  @Test func lossyImages() throws {
    let expectations = try MediaFixtures.expectations()
    let names = expectations.names.filter {
      $0.hasPrefix("decode.") && ($0.hasSuffix(".jpg") || $0.contains("lossy"))
    }
    #expect(names.count == 17)
    for name in names {
      let image = try ImageReader.read(MediaFixtures.path("images/\(name.dropFirst(7))"))
      let golden = MediaFixtures.image(try expectations.requireTensor(name))
      try #require(image.width == golden.width && image.height == golden.height, "\(name)")
      if name.hasSuffix(".webp") {
        #expect(image == golden, "\(name)")
      } else {
        #expect(MediaFixtures.psnr(image, golden) > (name.contains("cmyk") ? 47 : 58), "\(name)")
        #expect(MediaFixtures.maximumDifference(image, golden) <= 3, "\(name)")
      }
    }
  }

  /// The name says nothing.
  @Test func contentDecides() throws {
    let jpeg = try ImageReader.decode(MediaFixtures.bytes("images/photo_444.jpg"), name: "photo.png")
    #expect(jpeg == (try ImageReader.read(MediaFixtures.path("images/photo_444.jpg"))))
  }

  /// Cameras append previews after the image.
  @Test func bytesAfterTheEndAreIgnored() throws {
    for name in ["photo_444.jpg", "rgb16.png", "lossless.webp"] {
      let bytes = try MediaFixtures.bytes("images/\(name)")
      let whole = try ImageReader.decode(bytes, name: name)
      #expect(try ImageReader.decode(bytes + [UInt8](repeating: 7, count: 100), name: name) == whole)
    }
  }

  @Test func compositingRoundsToNearest() {
    var pixels: [UInt8] = []
    for alpha in 0...255 { for value in 0...255 { pixels += [UInt8(value), 0, 255, UInt8(alpha)] } }
    Transparency.compositeOverWhite(&pixels)
    for alpha in 0...255 {
      for value in 0...255 {
        let exact = (Double(value * alpha) + 255 * Double(255 - alpha)) / 255
        #expect(Double(pixels[(alpha * 256 + value) * 3]) == exact.rounded())
      }
    }
    #expect((0..<65536).allSatisfy { pixels[$0 * 3 + 2] == 255 })
  }

  @Test func orientationOfBrokenMetadataIsUpright() {
    let little: [UInt8] = [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]
    #expect(Orientation(exif: little) == .quarterClockwise)
    #expect(Orientation(exif: Array("Exif\0\0".utf8) + little) == .quarterClockwise)
    for count in 0..<20 { #expect(Orientation(exif: little.prefix(count)) == .upright) }
    var wrong = little
    wrong[18] = 9
    #expect(Orientation(exif: wrong) == .upright)
    wrong = little
    wrong[7] = 0xff
    #expect(Orientation(exif: wrong) == .upright)
  }
}
