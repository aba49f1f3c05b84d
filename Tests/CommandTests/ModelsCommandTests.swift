import Foundation
import LumosFiles
import LumosModels
import LumosTensor
import Testing

/// `lumosx models`, on the demonstration's bundle and on a folder as diffusers writes it.
@Suite struct ModelsCommandTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  static let community = Command.repository.appending(path: "Tests/Fixtures/community").path

  /// A copy of diffusers' folder with the tokenizer of the demonstration.
  func diffusersFolder() throws -> String {
    let folder = path("hub")
    try FileManager.default.copyItem(atPath: Self.community + "/diffusers", toPath: folder)
    try FileManager.default.createDirectory(atPath: folder + "/tokenizer", withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: Command.demoBundle.path + "/tokenizer/spiece.model", toPath: folder + "/tokenizer/spiece.model")
    return folder
  }

  @Test("A whole bundle is verified, with hashes; every fault of a broken one is told, with what to do")
  func verify() throws {
    let good = try Command(["models", "verify", Command.demoBundle.path, "--hash"])
    #expect(good.status == 0, "\(good.errors)")
    let vae = try Data(contentsOf: Command.demoBundle.appending(path: "vae.safetensors"))
    #expect(good.output.contains(vae.withUnsafeBytes { Sha256.hex($0) } + "  " + Command.demoBundle.path))
    #expect(good.output.split(separator: "\n").count { $0.hasPrefix("ok ") } == 4)

    let hub = try diffusersFolder()
    #expect(try Command(["models", "verify", hub]).status == 0)
    try FileManager.default.removeItem(atPath: hub + "/tokenizer")
    try FileManager.default.removeItem(atPath: hub + "/text_encoder/model-00002-of-00003.safetensors")
    let vaePath = hub + "/vae/diffusion_pytorch_model.safetensors"
    try SafetensorsWriter.write([("post_quant_conv.weight", Tensor([1] as [Float], [1]))], to: vaePath)
    let bad = try Command(["models", "verify", hub])
    #expect(bad.status == 65)
    let lines = bad.output.split(separator: "\n").map(String.init)
    #expect(lines.contains { $0.hasPrefix("ok") && $0.contains("transformer:") })
    for words in [
      "failure vae:", "193 tensors missing", "failure umt5:", "model-00002-of-00003.safetensors: does not exist",
      "failure tokenizer:", "hf download Wan-AI/Wan2.1-T2V-1.3B --include 'google/umt5-xxl/*'",
    ] {
      #expect(bad.output.contains(words), "\(words) in \(bad.output)")
    }
    let json = try JSONValue(parsing: Command(["models", "verify", hub, "--json"]).output)
    #expect(json["ok"]?.bool == false && json["parts"]?.array?.count == 4)
    #expect(try Command(["models", "verify", path("none")]).status == 65)
  }

  @Test("Bundles are listed with where they come from")
  func list() throws {
    let hub = path("hf/hub/models--Alibaba-DAMO-Academy--LumosX/snapshots/abc")
    try FileManager.default.createDirectory(atPath: hub, withIntermediateDirectories: true)
    let run = try Command(
      ["models", "list"], environment: ["LUMOSX_WEIGHTS": Command.demoBundle.path, "HF_HOME": path("hf")])
    #expect(run.status == 0)
    let lines = run.output.split(separator: "\n").map(String.init)
    #expect(lines.first == "\(Command.demoBundle.path)  (LUMOSX_WEIGHTS): complete")
    #expect(
      lines.last == "\(hub)  (download of Alibaba-DAMO-Academy/LumosX): faults in transformer, vae, umt5, tokenizer")
  }

  @Test("A converted bundle has the same bytes under the published names, and generates the same")
  func convert() throws {
    let hub = try diffusersFolder()
    let run = try Command(["models", "convert", hub, "-o", path("tidy")])
    #expect(run.status == 0, "\(run.errors)")
    let (before, after) = (try ModelBundle(hub), try ModelBundle(path("tidy")))
    try after.verify()
    #expect(after.configuration.transformer == before.configuration.transformer)
    #expect(
      after.configuration.vae == before.configuration.vae && after.configuration.umt5 == before.configuration.umt5)
    #expect(after.configuration.sampling == before.configuration.sampling)
    #expect(after.configuration.unknownKeys.isEmpty)
    for (a, b) in [(before.transformer, after.transformer), (before.vae, after.vae), (before.umt5, after.umt5)] {
      #expect(b.naming == .official && Set(a.names) == Set(b.names))
      for name in a.names {
        #expect(
          try a.weight(name).withUnsafeBytes { Array($0) } == b.weight(name).withUnsafeBytes { Array($0) }, "\(name)")
      }
    }
    // Not over anything that is there.
    let again = try Command(["models", "convert", hub, "-o", path("tidy")])
    #expect(again.status == 73 && again.errors.contains("not empty"))

    #expect(try Command(["models", "convert", Command.demoBundle.path, "-o", path("b"), "--type", "bf16"]).status == 0)
    let halves = try ModelBundle(path("b"))
    #expect(halves.transformer.type(ofWeight: "blocks.0.ffn.0.weight")?.dtype == .bf16)
    #expect(
      halves.transformer.type(ofWeight: "blocks.0.ffn.0.bias")
        == (try ModelBundle(Command.demoBundle.path)).transformer.type(ofWeight: "blocks.0.ffn.0.bias"))
  }

  @Test("The published hub folder, all PyTorch, is a bundle as it is")
  func hubFolder() throws {
    let (hub, files) = (path("LumosX"), FileManager.default)
    try files.createDirectory(atPath: hub + "/umt5-xxl", withIntermediateDirectories: true)
    for (from, to) in [
      (Self.community + "/pytorch/transformer", "LumosX_models"), (Self.community + "/pytorch/vae.pth", "vae.pth"),
      (
        Self.community + "/pytorch/models_t5_umt5-xxl-enc-bf16.pth", "models_t5_umt5-xxl-enc-bf16.pth"
      ), (Command.demoBundle.path + "/tokenizer/spiece.model", "umt5-xxl/spiece.model"),
    ] {
      try files.copyItem(atPath: from, toPath: "\(hub)/\(to)")
    }
    let diffusers = try ModelBundle(diffusersFolder())
    // The sizes are not the published ones, and have to be said.
    var configuration = diffusers.configuration
    configuration.files = [:]
    try configuration.write(to: hub)
    let run = try Command(["models", "verify", hub])
    #expect(run.status == 0, "\(run.output)\(run.errors)")
    #expect(run.output.contains("torch.distributed.checkpoint"), "\(run.output)")

    let bundle = try ModelBundle(hub)
    for (a, b) in [
      (diffusers.transformer, bundle.transformer), (diffusers.vae, bundle.vae), (diffusers.umt5, bundle.umt5),
    ] {
      #expect(Set(a.names) == Set(b.names))
      for name in a.names {
        #expect(
          try a.weight(name).withUnsafeBytes { Array($0) } == b.weight(name).withUnsafeBytes { Array($0) }, "\(name)")
      }
    }
  }

  @Test("Checkpoints in several files are inspected as one")
  func info() throws {
    let index = Self.community + "/diffusers/text_encoder/model.safetensors.index.json"
    let run = try Command(["models", "info", index])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("safetensors in several files: 22 tensors"))
  }
}
