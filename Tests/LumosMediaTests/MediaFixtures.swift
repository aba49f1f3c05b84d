import Foundation
import LumosFiles
import LumosTensor
import Testing

@testable import LumosMedia

/// Files of this test bundle, comparisons and folders that vanish.
enum MediaFixtures {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

  /// Path of a file below Fixtures.
  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// Bytes of a file below Fixtures.
  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  /// What Pillow made of the files in Fixtures/images (Tools/fixtures/make_preprocess.py).
  static func expectations() throws -> SafetensorsFile { try SafetensorsFile(path("images/expected.safetensors")) }

  /// An image from `[height, width, 3]` u8.
  static func image(_ tensor: Tensor) -> Image {
    Image(
      width: tensor.shape[1], height: tensor.shape[0], pixels: tensor.withUnsafeBytes { Array($0) })
  }

  /// Peak signal-to-noise ratio of two images of one size, dB.
  static func psnr(_ a: Image, _ b: Image) -> Double {
    var sum = 0
    for (x, y) in zip(a.pixels, b.pixels) { sum += (Int(x) - Int(y)) * (Int(x) - Int(y)) }
    return sum == 0 ? .infinity : 10 * log10(255 * 255 * Double(a.pixels.count) / Double(sum))
  }

  /// The largest difference of two images of one size.
  static func maximumDifference(_ a: Image, _ b: Image) -> Int {
    zip(a.pixels, b.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
  }

  /// A fresh folder for `body`, removed afterwards.
  static func withFolder<R>(_ body: (String) throws -> R) throws -> R {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lumos-media-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
  }

  /// Names in a folder.
  static func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  /// Gradients that move with `time`, and a bright square.
  static func movingPicture(width: Int, height: Int, time: Int) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        let inSquare = (8..<24).contains(x - 2 * time) && (8..<24).contains(y - time)
        pixels.append(inSquare ? 220 : UInt8((x * 2 + time * 3) % 256 / 2 + 40))
        pixels.append(inSquare ? 210 : UInt8(y * 200 / height + 20))
        pixels.append(inSquare ? 170 : UInt8((x + y) * 200 / (width + height)))
      }
    }
    return Image(width: width, height: height, pixels: pixels)
  }
}

/// The `LumosError` that `body` throws; records an issue if there is none.
func lumosError(_ body: () throws -> Void, at location: SourceLocation = #_sourceLocation) -> LumosError? {
  do {
    try body()
    Issue.record("nothing was thrown", sourceLocation: location)
  } catch let error as LumosError {
    return error
  } catch {
    Issue.record("not a LumosError: \(error)", sourceLocation: location)
  }
  return nil
}
