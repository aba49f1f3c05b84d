import Foundation
import LumosMedia
import LumosModels
import LumosReference
import LumosTensor
import Testing

@testable import LumosPipeline

@Suite struct PreviewTests {
  /// A latent whose channels are a linear function of the colours, beside one that is constant.
  @Test func aLinearMapIsFound() throws {
    let (rows, columns, channels) = (6, 5, 5)
    let colours = LatentColours.chart(height: rows, width: columns)
    let values = colours.floats()
    let latent = Tensor(
      (0..<rows * columns).flatMap { position -> [Float] in
        let (r, g, b) = (values[3 * position], values[3 * position + 1], values[3 * position + 2])
        return [r + 0.5 * g + 1, g - b, 2 * b - 0.25, r - g + b, 3]
      }, [1, rows, columns, channels])
    let map = LatentColours([.init(pixels: colours, latent: latent)])
    let strip = map.filmstrip(latent)
    let scale = 128 / 6
    #expect(strip.width == columns * scale + 8 && strip.height == rows * scale + 8)
    for row in 0..<rows {
      for column in 0..<columns {
        let shown = strip[4 + column * scale + 1, 4 + row * scale + 1]
        let levels: [Float] = [Float(shown.red), Float(shown.green), Float(shown.blue)]
        for (i, level) in levels.enumerated() {
          let expected: Float = (values[(row * columns + column) * 3 + i] + 1) * 127.5
          #expect(abs(level - expected) <= 2, "\(row), \(column): \(level), expected \(expected)")
        }
      }
    }
  }

  @Test func longVideosShowEightFrames() {
    let chart = LatentColours.chart(height: 4, width: 4)
    let map = LatentColours([.init(pixels: chart, latent: chart)])
    #expect(map.filmstrip(Tensor([21, 4, 4, 3], .f32) { _ in }).width == 8 * (4 * 32 + 4) + 4)
    #expect(map.filmstrip(Tensor([1, 4, 4, 3], .f32) { _ in }).width == 4 * 32 + 8)
  }

  /// Previews come after the steps asked for, look like the video, and change nothing.
  @Test(arguments: [2, 4]) func previewsOfAGeneration(scene: Int) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "lumosx-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var pipeline = try Pipeline(bundle: ModelBundle(PipelineTests.bundlePath), backend: ReferenceBackend())
    let request = Request(scenePath: PipelineTests.bundlePath + "/scenes/\(scene)", frames: 5, steps: 7, seed: 7)
    let (video, sheet) = (folder.appending(path: "out.mp4").path, folder.appending(path: "sheet.png").path)
    let plain = try pipeline.generate(request, to: video)

    pipeline.previewEvery = 3
    var previews: [GenerationPreview] = []
    let result = try pipeline.generate(request, to: video, contactSheet: sheet) { event in
      if case .preview(let preview) = event { previews.append(preview) }
    }
    #expect(Comparison.nearlyEqual(result.latents, plain.latents))
    #expect(previews.map(\.step) == [3, 6] && previews.allSatisfy { $0.count == 7 && $0.video == 0 })

    // The first frame: cells of 64 pixels, three times enlarged, against 8 x 8 latent pixels.
    let frames = try ImageReader.read(sheet)
    let strip = try #require(previews.last).filmstrip
    #expect(strip.width == 2 * (8 * 16 + 4) + 4)
    var difference = 0.0
    for row in 0..<8 {
      for column in 0..<8 {
        var mean = [0.0, 0, 0]
        for y in 0..<8 {
          for x in 0..<8 {
            let pixel = frames[4 + (8 * column + x) * 3, 4 + (8 * row + y) * 3]
            let levels: [UInt8] = [pixel.red, pixel.green, pixel.blue]
            for (i, level) in levels.enumerated() { mean[i] += Double(level) / 64 }
          }
        }
        let shown = strip[4 + column * 16 + 1, 4 + row * 16 + 1]
        let levels: [Double] = [Double(shown.red), Double(shown.green), Double(shown.blue)]
        for (i, level) in levels.enumerated() { difference += abs(level - mean[i]) / (64 * 3) }
      }
    }
    #expect(difference < 25, "mean difference of levels \(difference)")
  }

  @Test func pathsOfPreviews() {
    #expect(OutputPath.preview(of: "a.b/video.mp4") == "a.b/video-preview.png")
    #expect(OutputPath.preview(of: "a.b/video") == "a.b/video-preview.png")
    #expect(OutputPath.path("a.b/.mp4", seed: 3) == "a.b/.mp4-seed3")
    #expect(OutputPath.path("v.mp4", seed: 3) == "v-seed3.mp4" && OutputPath.path("v.mp4", seed: nil) == "v.mp4")
  }

  /// On the CPU, runs side by side may differ in last bits (OpenBLAS's threads).
  private enum Comparison {
    static func nearlyEqual(_ a: Tensor, _ b: Tensor) -> Bool {
      zip(a.floats(), b.floats()).allSatisfy { abs($0 - $1) < 1e-3 }
    }
  }
}
