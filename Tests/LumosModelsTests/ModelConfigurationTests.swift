import LumosFiles
import LumosTensor
import Testing

@testable import LumosModels

struct ModelConfigurationTests {
  private func read(_ text: String) throws -> ModelConfiguration {
    try Array(text.utf8).withUnsafeBytes { try ModelConfiguration(json: $0, file: "config.json") }
  }

  @Test func anEmptyFileIsThePublishedModel() throws {
    let configuration = try read("{}")
    #expect(configuration.transformer == TransformerConfiguration())
    #expect(configuration.umt5 == UMT5Configuration())
    #expect(configuration.vae == VAEConfiguration())
    #expect(configuration.sampling == SamplingConfiguration())
    #expect(configuration.unknownKeys.isEmpty && configuration.files.isEmpty)
    // 28 phrases, as MODEL.md section 1 prints them.
    let phrases = configuration.sampling.negativePrompt.split(separator: "，")
    #expect(phrases.count == 28 && phrases.first == "色调艳丽" && phrases.last == "倒着走")
  }

  @Test func theDemonstrationBundle() throws {
    let configuration = try ModelConfiguration(path: Repository.demoBundle + "/config.json")
    #expect(configuration.name == "lumosx-toy")
    #expect(
      configuration.transformer
        == TransformerConfiguration(
          width: 192, heads: 3, layers: 6, feedForwardWidth: 768, textWidth: 128, textLength: 64))
    #expect(configuration.umt5.vocabulary == 97 && configuration.umt5.textLength == 64)
    #expect(configuration.vae.width == 8 && configuration.vae.latentMean[1] == 0.020398)
    #expect(configuration.vae.temporalDownsampling == [false, true, true])
    #expect(configuration.sampling.framesPerSecond == 8 && configuration.sampling.guidance == 2.5)
    #expect(configuration.sampling.shift == 5 && configuration.sampling.negativePrompt == "")
    #expect(configuration.files[.tokenizer] == "tokenizer/spiece.model")
    #expect(configuration.unknownKeys.isEmpty)
  }

  @Test func unknownKeysAreListed() throws {
    let configuration = try read(#"{"extra": 1, "vae": {"dim": 8, "x": []}, "sampling": {"fps2": 1}}"#)
    #expect(configuration.unknownKeys == ["extra", "vae.x", "sampling.fps2"])
    #expect(configuration.vae.width == 8)
  }

  @Test(arguments: [
    (#"{"transformer": {"num_heads": 0}}"#, "transformer.num_heads", "expected 1 to"),
    (#"{"transformer": {"num_heads": 7}}"#, "transformer.num_heads", "does not divide"),
    (#"{"transformer": {"dim": 9, "num_heads": 3}}"#, "transformer.num_heads", "pairs"),
    (#"{"transformer": {"dim": "1536"}}"#, "transformer.dim", "is a string, expected an integer"),
    (#"{"transformer": {"dim": 1536.0}}"#, "transformer.dim", "is a number, expected an integer"),
    (#"{"transformer": {"dim": 4611686018427387904}}"#, "transformer.dim", "expected 1 to"),
    (#"{"transformer": {"patch_size": [1, 2, 4]}}"#, "transformer.patch_size", "only [1,2,2] is supported"),
    (#"{"transformer": {"head_dim": 64}}"#, "transformer.head_dim", "only 128 is supported"),
    (#"{"transformer": {"pooling_type": "max"}}"#, "transformer.pooling_type", "only \"mean\""),
    (#"{"transformer": {"RoPE_shift": false}}"#, "transformer.RoPE_shift", "only true"),
    (#"{"transformer": {"eps": 0}}"#, "transformer.eps", "expected"),
    (#"{"transformer": {"text_dim": 128}}"#, "transformer.text_dim", "umt5.dim is 4096"),
    (#"{"transformer": {"in_dim": 8}}"#, "transformer.in_dim", "16 channels"),
    (#"{"transformer": []}"#, "transformer", "is a list, expected an object"),
    (#"{"umt5": {"num_heads": 5}}"#, "umt5.num_heads", "does not divide"),
    (#"{"umt5": {"shared_pos": true}}"#, "umt5.shared_pos", "only false"),
    (#"{"umt5": {"max_distance": 8}}"#, "umt5.max_distance", "more than"),
    (#"{"vae": {"dim_mult": []}}"#, "vae.dim_mult", "levels"),
    (#"{"vae": {"dim_mult": [1, 0, 2, 2]}}"#, "vae.dim_mult", "list of integers"),
    (#"{"vae": {"temperal_downsample": [true]}}"#, "vae.temperal_downsample", "between each two"),
    (#"{"vae": {"temperal_downsample": [1, 0, 1]}}"#, "vae.temperal_downsample", "list of booleans"),
    (#"{"vae": {"latent_mean": [0, 1]}}"#, "vae.latent_mean", "2 numbers for 16"),
    (#"{"vae": {"z_dim": 1, "latent_mean": [0], "latent_std": [0]}}"#, "vae.latent_std", "not positive"),
    (#"{"vae": {"stride": [4, 8, 16]}}"#, "vae.stride", "only [4,8,8]"),
    (#"{"vae": {"attn_scales": [1]}}"#, "vae.attn_scales", "only []"),
    (#"{"sampling": {"height": 500}}"#, "sampling.height", "multiple of 16"),
    (#"{"sampling": {"frames": 80}}"#, "sampling.frames", "multiple of 4"),
    (#"{"sampling": {"solver": "unipc"}}"#, "sampling.solver", "only"),
    (#"{"sampling": {"cfg": "high"}}"#, "sampling.cfg", "a string, expected a number"),
    (#"{"tokenizer": {"clean": "lower"}}"#, "tokenizer.clean", "only \"whitespace\""),
    (#"{"files": {"vae": "/etc/passwd"}}"#, "files.vae", "inside the bundle"),
    (#"{"files": {"vae": "a/../../b"}}"#, "files.vae", "inside the bundle"),
  ])
  func refuses(text: String, key: String, reason: String) throws {
    let error = try lumosError { try read(text) }
    #expect(error.kind == .badInput)
    #expect(error.place == "config.json, key \(key)")
    #expect(error.what.contains(reason), "\(error)")
  }

  @Test func brokenTextIsPlacedByLine() throws {
    #expect(try lumosError { try read("{\n  \"name\": 'x'\n}") }.place == "config.json, line 2, column 11")
    #expect(try lumosError { try read("[]") }.what == "is a list, expected an object")
  }
}
