import Foundation
import LumosFiles
import LumosTensor
import Testing

/// `lumosx models quantize`, on the demonstration's bundle, and a bundle with what it wrote.
@Suite struct QuantizeCommandTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  static let transformer = Command.demoBundle.path + "/LumosX_models/model.safetensors"

  @Test("A quantised bundle is whole, is inspected, and generates a video")
  func bundle() throws {
    let folder = path("bundle")
    try FileManager.default.copyItem(atPath: Command.demoBundle.path, toPath: folder)
    let run = try Command([
      "models", "quantize", Self.transformer, "--type", "q4_k", "-o", folder + "/transformer.gguf", "--json",
    ])
    #expect(run.status == 0, "\(run.errors)")
    let tensors = try #require(try JSONValue(parsing: run.output)["tensors"]?.array)
    let types = tensors.reduce(into: [String: String]()) { types, tensor in
      types[tensor["name"]?.string ?? ""] = tensor["dtype"]?.string
    }
    // Rows of 768 are whole blocks of 256, those of 192 are not.
    #expect(types["blocks.5.ffn.2.weight"] == "q4_k" && types["blocks.5.ffn.0.weight"] == "q8_0")
    #expect(types["blocks.0.norm3.weight"] == "f16" && types["head.head.weight"] == "f16")
    let errors = tensors.compactMap { $0["relativeError"]?.double }
    #expect(errors.count == 6 * 10 && errors.allSatisfy { $0 > 1e-3 && $0 < 0.1 })
    let text = try Command([
      "models", "quantize", folder + "/umt5.safetensors", "--type", "q8_0", "-o", folder + "/u.gguf",
    ])
    #expect(
      text.status == 0 && text.output.contains("blocks.0.attn.q.weight f16[128, 128] -> q8_0, relative error 0.00"))
    #expect(text.output.contains("tensors quantised"))

    var config = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
    config.replace("LumosX_models/model.safetensors", with: "transformer.gguf")
    config.replace("umt5.safetensors", with: "u.gguf")
    try config.write(toFile: folder + "/config.json", atomically: true, encoding: .utf8)
    #expect(try Command(["models", "verify", folder]).status == 0)
    let info = try Command(["models", "info", folder + "/transformer.gguf"])
    #expect(info.output.contains("GGUF: ") && info.output.contains("metadata general.architecture: wan"))
    let video = try Command([
      "generate", GenerateTests.scene(4), "--weights", folder, "-o", path("out.mp4"), "--frames", "1", "--steps", "2",
      "--device", "cpu",
    ])
    #expect(video.status == 0, "\(video.errors)")
    #expect(FileManager.default.fileExists(atPath: path("out.mp4")))
  }

  @Test("What cannot be quantised is refused, and nothing is written")
  func refusals() throws {
    let target = path("out.gguf")
    for (arguments, status) in [
      ([Self.transformer, "--type", "q3_k", "-o", target], Int32(64)),
      ([Self.transformer, "-o", target], 64),
      ([Command.demoBundle.path + "/vae.safetensors", "--type", "q8_0", "-o", target], 65),
      ([path("missing"), "--type", "q8_0", "-o", target], 65),
      ([Command.demoBundle.path + "/config.json", "--type", "q8_0", "-o", target], 65),
      ([Self.transformer, "--type", "q8_0", "-o", path("none/out.gguf")], 73),
    ] {
      let run = try Command(["models", "quantize"] + arguments)
      #expect(run.status == status, "\(arguments): \(run.status) \(run.errors)")
      #expect(!FileManager.default.fileExists(atPath: target))
    }
  }
}
