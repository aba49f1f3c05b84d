import Glibc
import LumosFiles
import LumosTensor
import Testing

@testable import LumosModels

struct ModelBundleTests {
  @Test func publishedKeyTables() {
    let transformer = ExpectedTensors.transformer(TransformerConfiguration())
    #expect(transformer.count == 825)
    #expect(transformer.values.reduce(0) { $0 + $1.count } == 1_418_996_800)
    #expect(ExpectedTensors.umt5(UMT5Configuration()).count == 242)
    let vae = ExpectedTensors.vae(VAEConfiguration())
    #expect(vae.count == 194)
    #expect(vae.values.reduce(0) { $0 + $1.count } == 126_892_531)
    #expect(vae["decoder.upsamples.4.shortcut.weight"] == [384, 192, 1, 1, 1])
    #expect(vae["decoder.upsamples.7.time_conv.weight"] == [768, 384, 3, 1, 1])
  }

  @Test func theDemonstrationBundleFits() throws {
    let bundle = try ModelBundle(Repository.demoBundle)
    try bundle.verify()
    #expect(bundle.transformer.names.count == 177)
    #expect(bundle.tokenizerPath == Repository.demoBundle + "/tokenizer/spiece.model")
    #expect(bundle.tokenizerJSONPath == nil)
    #expect(bundle.vae.type(ofWeight: "conv2.weight") == TensorType([16, 16, 1, 1, 1], .f16))
    #expect(try bundle.umt5.weight("norm.weight").floats().allSatisfy(\.isFinite))
    #expect(try lumosError { try bundle.vae.weight("none") }.place == Repository.demoBundle + "/vae.safetensors")
  }

  /// Everything that is wrong with all checkpoints comes in one error.
  @Test func deviationsComeTogether() throws {
    let tree = try ScratchTree()
    try tree.write(
      #"{"transformer": {"dim": 8, "num_heads": 2, "num_layers": 2, "ffn_dim": 8, "text_dim": 8, "freq_dim": 8},"#
        + #""umt5": {"dim": 8, "dim_attn": 8, "num_heads": 2, "encoder_layers": 1, "dim_ffn": 8, "vocab_size": 9}}"#,
      to: "config.json")
    try tree.makeFolders(above: "LumosX_models/x")
    let one = Tensor([1] as [Float], [1])
    let sizes = try ModelConfiguration(path: tree.path + "/config.json")
    var tensors = ExpectedTensors.transformer(sizes.transformer).sorted { $0.key < $1.key }.map {
      (name: "ema." + $0.key, tensor: Tensor($0.value, .f32) { _ in })
    }
    tensors.removeAll { $0.name == "ema.blocks.1.norm3.bias" }
    tensors[0].tensor = Tensor([7], .f32) { _ in }
    tensors += [("ema.surprise", one), ("freqs", one)]
    try SafetensorsWriter.write(tensors, to: tree.path + "/LumosX_models/model.safetensors")
    try SafetensorsWriter.write([("model.a", one), ("b", one)], to: tree.path + "/vae.safetensors")
    let umt5 = ExpectedTensors.umt5(sizes.umt5).map { (name: $0.key, tensor: Tensor($0.value, .f16) { _ in }) }
    try SafetensorsWriter.write(umt5, to: tree.path + "/umt5.safetensors")
    try tree.write("", to: "umt5-xxl/spiece.model")
    try tree.write("{}", to: "umt5-xxl/tokenizer.json")

    let bundle = try ModelBundle(tree.path)
    #expect(bundle.transformer.droppedPrefix == "ema." && bundle.vae.droppedPrefix == "")
    #expect(bundle.tokenizerJSONPath == tree.path + "/umt5-xxl/tokenizer.json")
    let report = bundle.transformer.deviations(from: ExpectedTensors.transformer(sizes.transformer))
    #expect(report.missing == ["blocks.1.norm3.bias [8]"])
    #expect(report.extra == ["surprise"])
    #expect(report.misshapen == ["blocks.0.cross_attn.k.bias is [7], expected [8]"])

    let error = try lumosError { try bundle.verify() }
    #expect(error.kind == .badInput && error.place == tree.path)
    for part in [
      "LumosX_models/model.safetensors: 1 tensor missing: blocks.1.norm3.bias [8]; 1 tensor of another shape: ",
      "vae.safetensors: 194 tensors missing: conv1.bias [32], ", "and 174 more; 2 tensors unknown: model.a, b",
    ] {
      #expect(error.what.contains(part), "\(error)")
    }
    #expect(!error.what.contains("umt5.safetensors"))
  }

  @Test func missingPartsAreNamed() throws {
    let tree = try ScratchTree()
    let nothing = try lumosError { try ModelBundle(tree.path) }
    #expect(nothing.place == tree.path && nothing.what.contains("has no transformer file"))
    try tree.makeFolders(above: "LumosX_models/x")
    #expect(try lumosError { try ModelBundle(tree.path) }.place == tree.path + "/LumosX_models")
    for name in ["a", "b"] {
      try SafetensorsWriter.write(
        [("x", Tensor([1] as [Float], [1]))], to: tree.path + "/LumosX_models/\(name).safetensors")
    }
    #expect(try lumosError { try ModelBundle(tree.path) }.what == "holds 2 checkpoints: a.safetensors, b.safetensors")
    try tree.write(#"{"files": {"transformer": "t.safetensors"}}"#, to: "config.json")
    #expect(try lumosError { try ModelBundle(tree.path) }.place == tree.path + "/t.safetensors")
    #expect(try lumosError { try ModelBundle(tree.path + "/none") }.what == "does not exist")
    #expect(try lumosError { try ModelBundle(tree.path + "/config.json") }.what == "is not a folder")
  }

  @Test func integersAreNoWeights() throws {
    let tree = try ScratchTree()
    try SafetensorsWriter.write([("module.model.a", Tensor([1, 2] as [Int32], [2]))], to: tree.path + "/x")
    let weights = CheckpointWeights(try SafetensorsFile(tree.path + "/x"))
    #expect(weights.droppedPrefix == "module.model." && weights.names == ["a"])
    #expect(weights.deviations(from: ["a": [2]]).misshapen == ["a holds integers (i32)"])
  }
}

struct BundleSearchTests {
  @Test func orderOfPlaces() throws {
    let tree = try ScratchTree()
    try tree.makeFolders(above: "src/.build/debug/x")
    let binary = tree.path + "/src/.build/debug/lumosx"
    var search = BundleSearch(executablePath: binary)
    let none = try lumosError { try search.path() }
    #expect(none.kind == .badInput && none.advice?.contains("LUMOSX_WEIGHTS") == true)

    try tree.makeFolders(above: "src/Tools/demo-bundle/x")
    #expect(try search.path() == tree.path + "/src/Tools/demo-bundle")
    try tree.makeFolders(above: "src/.build/share/lumosx/bundle/x")
    #expect(try search.path() == tree.path + "/src/.build/share/lumosx/bundle")
    search = BundleSearch(executablePath: binary, environmentPath: "/somewhere")
    #expect(try search.path() == "/somewhere")
    #expect(try search.path(explicit: "here") == "here")
    #expect(BundleSearch(executablePath: binary, environmentPath: "").environmentPath == nil)
  }

  /// The test program lies in the source tree, so the demonstration bundle is found whatever the working directory.
  @Test func thisProcessFindsItsBundle() throws {
    var search = BundleSearch()
    #expect(search.executablePath.hasPrefix("/"))
    search.environmentPath = nil
    search.executablePath = Repository.root + "/.build/debug/lumosx"
    #expect(try search.path() == Repository.demoBundle)
  }
}
