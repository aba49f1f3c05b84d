import Foundation
import LumosFiles
import LumosTensor
import Testing

@testable import LumosPipeline

@Suite struct ContextCacheTests {
  let folder = FileManager.default.temporaryDirectory.appending(path: "lumos-contexts-\(UUID())").path

  private var cache: ContextCache { ContextCache(folder: folder + "/contexts", computedBy: "cpu") }

  private func tensor(_ seed: Float, _ tokens: Int = 3, width: Int = 5) -> Tensor {
    Tensor((0..<tokens * width).map { seed + Float($0) / 7 }, [tokens, width])
  }

  @Test("What was kept is found again, and by nothing that differs")
  func keptAndFound() {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(cache.context([1, 2, 3], encoder: "a", width: 5) == nil)
    cache.keep(tensor(1), of: [1, 2, 3], encoder: "a")
    #expect(cache.context([1, 2, 3], encoder: "a", width: 5)?.floats() == tensor(1).floats())
    #expect(cache.context([1, 2, 4], encoder: "a", width: 5) == nil)
    #expect(cache.context([1, 2, 3], encoder: "b", width: 5) == nil)
    #expect(cache.context([1, 2, 3], encoder: "a", width: 6) == nil)
    #expect(
      ContextCache(folder: cache.folder, computedBy: "gpu").context([1, 2, 3], encoder: "a", width: 5) == nil)
  }

  @Test("Entries that are damaged, of another shape or not numbers are as good as none")
  func damaged() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    cache.keep(tensor(1), of: [1, 2, 3], encoder: "a")
    let path = cache.path([1, 2, 3], encoder: "a")
    let whole = try #require(FileManager.default.contents(atPath: path))
    for bytes in [whole.dropLast(1), whole.prefix(20), Data()] {
      #expect(FileManager.default.createFile(atPath: path, contents: bytes))
      #expect(cache.context([1, 2, 3], encoder: "a", width: 5) == nil)
    }
    try SafetensorsWriter.write([("context", tensor(1, 4))], to: path)
    #expect(cache.context([1, 2, 3], encoder: "a", width: 5) == nil)
    try SafetensorsWriter.write([("context", tensor(.nan))], to: path)
    #expect(cache.context([1, 2, 3], encoder: "a", width: 5) == nil)
    cache.keep(tensor(2), of: [1, 2, 3], encoder: "a")
    #expect(cache.context([1, 2, 3], encoder: "a", width: 5)?.floats() == tensor(2).floats())
  }

  @Test("What is unused for longest goes when there is too much")
  func limit() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var cache = cache
    for id in 0..<4 { cache.keep(tensor(Float(id)), of: [Int32(id), 0, 0], encoder: "a") }
    for id in 0..<4 {
      let past = Date(timeIntervalSinceNow: -1000 + Double(id))
      try FileManager.default.setAttributes(
        [.modificationDate: past], ofItemAtPath: cache.path([Int32(id), 0, 0], encoder: "a"))
    }
    // The first is used again; room is left for two.
    #expect(cache.context([0, 0, 0], encoder: "a", width: 5) != nil)
    let size = try #require(FileManager.default.contents(atPath: cache.path([0, 0, 0], encoder: "a"))).count
    cache.byteLimit = 2 * size + size / 2
    cache.keep(tensor(9), of: [9, 0, 0], encoder: "a")
    let left = [0, 1, 2, 3, 9].filter { cache.context([Int32($0), 0, 0], encoder: "a", width: 5) != nil }
    #expect(left == [0, 9])
  }

  @Test("A folder that cannot be made keeps nothing and fails nothing")
  func noFolder() {
    let cache = ContextCache(folder: "/proc/none/contexts", computedBy: "cpu")
    cache.keep(tensor(1), of: [1, 2, 3], encoder: "a")
    #expect(cache.context([1, 2, 3], encoder: "a", width: 5) == nil)
  }
}
