import LumosTensor
import Testing

@testable import LumosFiles

struct ShardedSafetensorsTests {
  private func write(_ folder: ScratchFolder, _ map: String) throws -> String {
    try SafetensorsWriter.write([("a", Tensor([1, 2] as [Float], [2]))], to: folder.path + "/one.safetensors")
    try SafetensorsWriter.write(
      [("b", Tensor([3] as [Float], [1])), ("c", Tensor([4] as [Float], [1]))], to: folder.path + "/two.safetensors")
    return try folder.write(Array(map.utf8), to: "m.safetensors.index.json")
  }

  @Test("Tensors come from the files that the index names")
  func reads() throws {
    let folder = try ScratchFolder()
    let path = try write(
      folder, #"{"metadata": {"total_size": 12}, "weight_map": {"b": "two.safetensors", "a": "one.safetensors"}}"#)
    let file = try CheckpointOpener.open(folder.path)
    #expect(file.path == path && file.names == ["b", "a"] && file.files.count == 3)
    #expect(try file.requireTensor("a").floats() == [1, 2])
    #expect(file.type(of: "c") == nil)
    var bytes = [UInt8](repeating: 0, count: 4)
    try bytes.withUnsafeMutableBytes { try file.read("b", bytes: 0..<4, into: $0) }
    #expect(bytes == [0, 0, 64, 64])
    #expect(throws: LumosError.self) { try file.requireTensor("c") }
  }

  @Test(
    "Indices that lie are refused",
    arguments: [
      ("{", "JSON"), ("{}", "no weight_map"), (#"{"weight_map": {"a": 3}}"#, "no file beside it"),
      (#"{"weight_map": {"a": "../one.safetensors"}}"#, "no file beside it"),
      (#"{"weight_map": {"a": "/etc/passwd"}}"#, "no file beside it"),
      (#"{"weight_map": {"a": "two.safetensors"}}"#, "does not have it"),
      (#"{"weight_map": {"a": "three.safetensors"}}"#, "does not exist"),
      (#"{"weight_map": {"a": "m.safetensors.index.json"}}"#, "header"),
    ])
  func refused(json: String, words: String) throws {
    let folder = try ScratchFolder()
    let path = try write(folder, json)
    do {
      _ = try ShardedSafetensors(path)
      Issue.record("\(json) was read")
    } catch {
      #expect(error.kind == .badInput && (words == "JSON" || error.what.contains(words)), "\(error)")
    }
  }
}
