import Foundation
import LumosMedia
import LumosModels
import LumosPipeline
import LumosReference
import LumosTensor
import Testing

@Suite struct PipelineTests {
  static let bundlePath = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Tools/demo-bundle").path

  /// The example of the README.
  @Test func asTheReadmeShows() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "lumosx-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let bundle = try ModelBundle(Self.bundlePath)
    let pipeline = try Pipeline(bundle: bundle, backend: ReferenceBackend())
    var request = Request(scenePath: Self.bundlePath + "/scenes/2", frames: 5, steps: 3, seed: 7)
    request.ablation = .mcam
    var events: [String] = []
    let out = folder.appending(path: "out.mp4").path
    let result = try pipeline.generate(request, to: out) { event in events.append("\(event)") }
    #expect(result.latentsSha256.count == 64)
    #expect(Set(result.seconds.keys) == Set(Stage.allCases))
    #expect(events.count == 4 + 3 + 5 + 1)
    #expect(try VideoProbe.info(out).frameCount == 5)
  }

  /// What the caller's event handler throws ends the work and leaves nothing behind.
  @Test func theEventHandlerCanStop() throws {
    struct Stop: Error {}
    let folder = FileManager.default.temporaryDirectory.appending(path: "lumosx-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let pipeline = try Pipeline(bundle: ModelBundle(Self.bundlePath), backend: ReferenceBackend())
    for stage in Stage.allCases {
      #expect(throws: Stop.self) {
        _ = try pipeline.generate(
          Request(scenePath: Self.bundlePath + "/scenes/1", frames: 5, steps: 1),
          to: folder.appending(path: "out.mp4").path
        ) { event in if case .stage(stage) = event { throw Stop() } }
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
  }

  @Test func settingsComeFromTheBundleAndAreChecked() throws {
    let defaults = ModelConfiguration()
    let settings = try Settings(Request(scenePath: ""), defaults: defaults)
    #expect(settings.height == 480 && settings.width == 832 && settings.frames == 81 && settings.steps == 50)
    #expect(settings.shift == 8 && settings.guidance == 6 && settings.framesPerSecond == 16)
    #expect(settings.negativePrompt.hasPrefix("色调艳丽"))
    func refusal(_ change: (inout Request) -> Void) -> LumosError? {
      var request = Request(scenePath: "")
      change(&request)
      do {
        _ = try Settings(request, defaults: defaults)
        return nil
      } catch { return error as? LumosError }
    }
    #expect(refusal { $0.frames = 80 }?.advice == "use 81")
    #expect(refusal { $0.size = (480, 830) }?.advice == "use 832")
    #expect(refusal { $0.size = (0, 832) }?.kind == .usage)
    #expect(refusal { $0.frames = 0 }?.kind == .usage)
    #expect(refusal { $0.frames = .max }?.kind == .usage)
    #expect(refusal { $0.size = (.max, .max) }?.kind == .usage)
    #expect(refusal { $0.shift = .nan }?.kind == .usage)
    #expect(refusal { $0.guidance = .infinity }?.kind == .usage)
    #expect(refusal { $0.steps = 1001 }?.kind == .usage)
    #expect(refusal { $0.frames = 1 } == nil)
  }
}
