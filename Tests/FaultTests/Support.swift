import Foundation
import LumosTensor
import Testing

/// A folder that goes away with the test.
final class Scratch: Sendable {
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
