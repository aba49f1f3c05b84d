import LumosFiles
import LumosTensor
import Testing

@testable import LumosMedia

/// Resizing against Pillow 11.0.0, exactly.
@Suite struct PreprocessTests {
  /// Tensors that the published preprocessing produced (MODEL.md section 14).
  @Test(arguments: [
    ("landscape", 48, 80), ("portrait", 48, 80), ("square_down", 48, 80), ("upscale", 64, 112), ("gray", 48, 80),
  ])
  func publishedPixels(_ name: String, _ height: Int, _ width: Int) throws {
    let goldens = try SafetensorsFile(MediaFixtures.path("preprocess/cases.safetensors"))
    let image = try ImageReader.read(MediaFixtures.path("preprocess/\(name).png"))
    let pixels = ConditionImage.pixels(image, height: height, width: width)
    #expect(pixels.type == TensorType([1, height, width, 3], .f32))
    let golden = try goldens.requireTensor("\(name)_out")
    let ours = ConditionImage.channelsFirst(pixels)
    #expect(ours.type == golden.type)
    #expect(ours.floats().map(\.bitPattern) == golden.floats().map(\.bitPattern))
  }

  /// The decoded pixels are those that the published code saw.
  @Test(arguments: ["landscape", "portrait", "square_down", "upscale", "gray"])
  func publishedSources(_ name: String) throws {
    let goldens = try SafetensorsFile(MediaFixtures.path("preprocess/cases.safetensors"))
    let golden = try goldens.requireTensor("\(name)_src").withUnsafeBytes { Array($0) }
    let image = try ImageReader.read(MediaFixtures.path("preprocess/\(name).png"))
    #expect(image.pixels == (name == "gray" ? golden.flatMap { [$0, $0, $0] } : golden))
  }

  /// More shapes: overshoot, noise, extreme sides, one pixel, no resize at all, transparency over white.
  @Test func pillowSizes() throws {
    let expectations = try MediaFixtures.expectations()
    let cases = expectations.names.filter { $0.hasPrefix("fit.") }
    #expect(cases.count == 28)
    for name in cases {
      let parts = name.split(separator: ".")
      let file = parts[1] == "rgba" ? "preprocess/rgba.png" : "images/\(parts[1]).png"
      let golden = MediaFixtures.image(try expectations.requireTensor(name))
      let image = try ImageReader.read(MediaFixtures.path(file))
      let fitted = ConditionImage.fitted(image, height: golden.height, width: golden.width)
      #expect(fitted == golden, "\(name)")
    }
  }

  @Test func valuesSpanMinusOneToOne() {
    let image = Image(width: 2, height: 1, pixels: [0, 128, 255, 255, 0, 1])
    let values = ConditionImage.pixels(image, height: 1, width: 2).floats()
    #expect(values == [-1, (Float(128) / 255 - 0.5) / 0.5, 1, 1, -1, (Float(1) / 255 - 0.5) / 0.5])
  }
}

/// Decoder output to bytes.
@Suite struct DisplayFramesTests {
  @Test func clampsAndTruncates() throws {
    // 0.5 -> 191.25 -> 191; -0.0039 -> 127.0 less a little -> 127 truncated, never rounded up.
    let values: [Float] = [-7, -1, -0.999, 0, 0.5, 0.9999, 1, 3, .infinity, -.infinity, 0.003, 0.0079]
    let images = try DisplayFrames.images(Tensor(values, [2, 1, 2, 3]))
    #expect(images.count == 2)
    #expect(images[0].pixels == [0, 0, 0, 127, 191, 254])
    #expect(images[1].pixels == [255, 255, 255, 0, 127, 128])
  }

  @Test func refusesNaN() {
    var values = [Float](repeating: 0, count: 2 * 3 * 4 * 3)
    values[36 + 2 * 12 + 1 * 3 + 2] = .nan
    let error = lumosError { _ = try DisplayFrames.images(Tensor(values, [2, 3, 4, 3])) }
    #expect(error?.kind == .internalDefect)
    #expect(error?.place == "frame 1, row 2, column 1")
  }

  @Test func contactSheetEnlargesAndSeparates() {
    let red = Image(width: 2, height: 1, red: 255, green: 0, blue: 0)
    let two = Image(width: 2, height: 1, pixels: [1, 2, 3, 4, 5, 6])
    let sheet = ContactSheet.make(frames: [red, two, red], columns: 2, scale: 3)
    #expect(sheet.width == 4 + 2 * (6 + 4) && sheet.height == 4 + 2 * (3 + 4))
    #expect(sheet[3, 4] == (32, 32, 32))
    #expect(sheet[4, 4] == (255, 0, 0) && sheet[9, 6] == (255, 0, 0))
    #expect(sheet[10, 4] == (32, 32, 32))
    #expect(sheet[14, 4] == (1, 2, 3) && sheet[16, 6] == (1, 2, 3) && sheet[17, 4] == (4, 5, 6))
    #expect(sheet[4, 11] == (255, 0, 0))
    #expect(sheet[14, 11] == (32, 32, 32))
    #expect(ContactSheet.make(frames: [two], columns: 8).width == 4 + 2 + 4)
  }
}
