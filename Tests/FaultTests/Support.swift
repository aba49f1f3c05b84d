import Foundation
import LumosGraph
import LumosModels
import LumosPipeline
import LumosTensor
import LumosVulkan
import Synchronization
import Testing

/// A small generation of the demonstration bundle, on which faults are let loose.
enum Demo {
  static let bundlePath = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Tools/demo-bundle").path

  /// One scene, 5 frames of 32 x 32.
  static func request(steps: Int = 2) -> Request {
    Request(scenePath: bundlePath + "/scenes/1", size: (32, 32), frames: 5, steps: steps, seed: 7)
  }

  static func pipeline(
    _ backend: any Backend, streamed: Bool = false, rebuild: (@Sendable () throws -> any Backend)? = nil
  ) throws -> Pipeline {
    var pipeline = try Pipeline(bundle: ModelBundle(bundlePath), backend: backend, rebuild: rebuild)
    if streamed {
      pipeline.ladder.first = .streamed
      pipeline.ladder.slotBytes = 96 << 10
    }
    return pipeline
  }

  /// A backend that submits the same in every run: what comes first, second and so on must not depend on time.
  static func backend(_ device: VulkanDevice) -> VulkanBackend {
    var backend = VulkanBackend(device: device)
    backend.limits.correctsRates = false
    // Where weights are streamed at all, those of a small bundle are.
    backend.limits.leastStreamedBytes = 4096
    return backend
  }

  /// A fresh device that follows `faults`: software Vulkan unless `LUMOSX_TEST_DEVICE` names another.
  static func device(
    _ faults: FaultPlan, staged: Bool = false, validated: Bool = false
  ) throws -> VulkanDevice {
    var options = VulkanDevice.Options()
    options.cacheDirectory = nil
    options.checked = false
    options.validated = validated
    options.stagesAllTransfers = staged
    options.faults = faults
    return try VulkanDevice(
      DeviceSelection(ProcessInfo.processInfo.environment["LUMOSX_TEST_DEVICE"] ?? "llvmpipe"), options: options)
  }

  /// Which of `count` calls fail: each of the first 40, and beyond them 20 that are spread evenly and include the last.
  /// With `LUMOSX_EVERY_FAULT=1` every one, which takes more than half an hour on two cores.
  static func indices(_ count: Int, all: Int = 40, sampled: Int = 20) -> [Int] {
    let rest = count - all
    guard rest > 0, ProcessInfo.processInfo.environment["LUMOSX_EVERY_FAULT"] != "1" else { return Array(0..<count) }
    let spread = (1...sampled).map { all + rest * $0 / sampled - 1 }
    return Array(Set(0..<all).union(spread)).sorted()
  }
}

/// A folder that goes away with the test.
final class Scratch {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "lumosx-faults-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Where the video goes.
  var video: String { url.appending(path: "out.mp4").path }

  /// Everything in the folder.
  func contents() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: url.path) }

  /// The video's bytes; the file is then removed.
  func takeVideo() throws -> Data {
    defer { try? FileManager.default.removeItem(atPath: video) }
    return try Data(contentsOf: URL(fileURLWithPath: video))
  }
}

/// The error that `body` must throw, which must be a `LumosError`.
func failure(_ comment: Comment, _ body: () throws -> Void) throws -> LumosError {
  var thrown: (any Error)?
  do { try body() } catch { thrown = error }
  let error = try #require(thrown, "\(comment): nothing was thrown")
  return try #require(error as? LumosError, "\(comment): \(error)")
}
