import Foundation
import LumosFiles
import LumosModels
import LumosTensor
import Testing

/// `lumosx generate` with adapters, without a negative prompt, and with encoded texts on disk.
@Suite struct AdapterTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  /// A generation of a few steps on the CPU; its latents' hash.
  func latents(_ name: String, _ arguments: [String], scene: Int = 2) throws -> String {
    let run = try Command(
      ["generate", GenerateTests.scene(scene), "-o", path(name + ".mp4"), "--device", "cpu", "--json", "--steps", "3"]
        + arguments, environment: ["XDG_CACHE_HOME": path("cache")])
    #expect(run.status == 0, "\(run.errors)")
    return try #require(GenerateTests.events(run).last?["latentsSha256"]?.string)
  }

  /// An adapter of rank 4 of the demonstration's first block.
  func writeAdapter(_ name: String, module: String = "diffusion_model.blocks.0.ffn.0") throws -> String {
    let sizes = try ModelBundle(Command.demoBundle.path).configuration.transformer
    func random(_ rows: Int, _ columns: Int) -> Tensor {
      Tensor((0..<rows * columns).map { sin(Float($0) * 12.9898) / 4 }, [rows, columns])
    }
    try SafetensorsWriter.write(
      [
        (module + ".lora_down.weight", random(4, sizes.width)),
        (module + ".lora_up.weight", random(sizes.feedForwardWidth, 4)),
        (module + ".alpha", Tensor([2] as [Float], [1])),
      ], to: path(name))
    return path(name)
  }

  @Test("An adapter changes the video; with no strength, or with its opposite beside it, it does not")
  func strengths() throws {
    let file = try writeAdapter("a.safetensors")
    let plain = try latents("plain", ["--guidance", "1"])
    let changed = try latents("changed", ["--guidance", "1", "--lora", file])
    #expect(try latents("half", ["--guidance", "1", "--lora", file + ":0.5"]) != changed)
    #expect(changed != plain)
    #expect(try latents("none", ["--guidance", "1", "--lora", file + ":0"]) == plain)
    #expect(try latents("twice", ["--guidance", "1", "--lora", file + ":0.5", "--lora", file + ":0.5"]) != plain)
  }

  @Test("Adapters of other models and broken ones are refused with what is wrong")
  func refused() throws {
    let cases: [(String, Int32, String)] = [
      (try writeAdapter("b.safetensors", module: "lora_unet_down_blocks_0_attn"), 65, "does not have"),
      (try writeAdapter("c.safetensors", module: "blocks.0.self_attn.q"), 65, "do not make"),
      (path("none.safetensors"), 65, "does not exist"),
      (Command.demoBundle.appending(path: "config.json").path, 65, "config.json"),
      ("x.safetensors:nan", 64, "lora"),
    ]
    for (file, status, words) in cases {
      let run = try Command(
        ["generate", GenerateTests.scene(1), "-o", path("v.mp4"), "--device", "cpu", "--lora", file])
      #expect(run.status == status && run.errors.contains(words), "\(run.errors)")
    }
    #expect(!scratch.contents().contains { $0.hasSuffix(".mp4") })
  }

  @Test("Encoded texts on disk change nothing, whatever state they are in")
  func contexts() throws {
    let without = try latents("a", ["--no-context-cache"])
    #expect(!FileManager.default.fileExists(atPath: path("cache/lumosx/contexts")))
    #expect(try latents("b", []) == without)
    let folder = scratch.url.appending(path: "cache/lumosx/contexts")
    func entries() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
    #expect(try entries().count == 2)
    #expect(try latents("c", []) == without)
    // Another prompt: the negative prompt is there already.
    _ = try latents("d", [], scene: 3)
    #expect(try entries().count == 3)
    for entry in try entries() { try Data("{}".utf8).write(to: folder.appending(path: entry)) }
    #expect(try latents("e", []) == without)
    // Guidance 1 reads no negative prompt, and none is encoded for it.
    try FileManager.default.removeItem(at: folder)
    _ = try latents("f", ["--guidance", "1"])
    #expect(try entries().count == 1)
  }
}
