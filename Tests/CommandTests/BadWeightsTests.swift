import Foundation
import LumosFiles
import LumosTensor
import Testing

/// Checkpoints that are missing, damaged, hostile or of another model.
@Suite struct BadWeightsTests {
  let scratch: Scratch
  let bundle: URL
  let scene: URL
  let out: URL

  init() throws {
    scratch = try Scratch()
    bundle = scratch.url.appending(path: "bundle")
    try FileManager.default.copyItem(at: Command.demoBundle, to: bundle)
    scene = try scratch.scene(1)
    out = scratch.url.appending(path: "out")
    try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
  }

  var vae: URL { bundle.appending(path: "vae.safetensors") }

  func refuses(_ mentions: [String], code: Int32 = 65, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let run = try Command([
      "generate", scene.path, "--weights", bundle.path, "-o", out.appending(path: "v.mp4").path, "--device", "cpu",
    ])
    #expect(run.status == code, "\(run.errors)", sourceLocation: sourceLocation)
    for text in mentions { #expect(run.errors.contains(text), "\(run.errors)", sourceLocation: sourceLocation) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: out.path).isEmpty, sourceLocation: sourceLocation)
    let inspection = try Command(["inspect", bundle.path, "--json"])
    #expect(inspection.status == code, "\(inspection.output)\(inspection.errors)", sourceLocation: sourceLocation)
  }

  @Test func missing() throws {
    try FileManager.default.removeItem(at: vae)
    try refuses(["vae"])
  }

  @Test func truncated() throws {
    let whole = try Data(contentsOf: vae)
    for length in [0, 4, 8, 100, whole.count / 2, whole.count - 1] {
      try whole.prefix(length).write(to: vae)
      try refuses(["vae.safetensors"])
    }
  }

  @Test func bitFlippedHeader() throws {
    // A flip in a name makes a tensor missing, one in a number breaks the tiling, one in the length the header.
    let whole = try Data(contentsOf: vae)
    for position in [1, 6, 9, 40, 75, 120] {
      var flipped = whole
      flipped[position] ^= 0x04
      try flipped.write(to: vae)
      try refuses(["vae"])
    }
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}}"#,
    #"[]"#,
  ])
  func hostile(_ header: String) throws {
    var file = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    file += Data(header.utf8) + Data(count: 12)
    try file.write(to: vae)
    try refuses(["vae.safetensors"])
  }

  @Test func headerOfAGigabyte() throws {
    var file = withUnsafeBytes(of: UInt64(1 << 30).littleEndian) { Data($0) }
    file += Data("{}".utf8)
    try file.write(to: vae)
    try refuses(["vae.safetensors"])
  }

  @Test func anotherWidth() throws {
    let file = bundle.appending(path: "config.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    let wider = text.replacing("\"ffn_dim\": 768", with: "\"ffn_dim\": 1024")
    #expect(wider != text)
    try Data(wider.utf8).write(to: file)
    try refuses(["model.safetensors", "ffn.0.weight", "[768, 192]", "[1024, 192]"])
    try Data("{ not json".utf8).write(to: file)
    try refuses(["config.json"])
  }

  @Test func spoiledTokenizer() throws {
    try Data("nonsense".utf8).write(to: bundle.appending(path: "tokenizer/spiece.model"))
    try refuses(["spiece.model"])
  }
}
