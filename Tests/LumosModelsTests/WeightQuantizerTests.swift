import LumosFiles
import LumosTensor
import Testing

@testable import LumosModels

/// Which tensors are quantised, and what the file says then.
@Suite struct WeightQuantizerTests {
  static let expectations: [(String, [Int], DType)] = [
    ("blocks.3.self_attn.q.weight", [512, 512], .q4_K), ("blocks.29.ffn.2.weight", [512, 512], .q4_K),
    ("blocks.0.attn.k.weight", [96, 64], .q8_0), ("blocks.0.ffn.0.weight", [96, 48], .bf16),
    ("blocks.0.ffn.0.bias", [512], .bf16), ("blocks.0.modulation", [1, 6, 512], .bf16),
    ("blocks.0.norm3.weight", [512, 512], .bf16), ("blocks.0.pos_embedding.embedding.weight", [32, 512], .bf16),
    ("token_embedding.weight", [512, 512], .bf16), ("time_projection.1.weight", [512, 512], .bf16),
    ("head.head.weight", [64, 512], .bf16), ("patch_embedding.weight", [512, 16, 1, 2, 2], .bf16),
  ]

  @Test func types() {
    for (name, extents, expected) in Self.expectations {
      let type = WeightQuantizer(to: .q4_K).type(of: name, TensorType(Shape(extents), .bf16))
      #expect(type == expected, "\(name)")
    }
  }

  @Test func writesWhatItSays() throws {
    let folder = try ScratchTree()
    let source = folder.path + "/a.safetensors"
    let numbers = Tensor((0..<64 * 96).map { Float($0 % 101) / 50 - 1 }, [96, 64])
    try SafetensorsWriter.write(
      [
        ("model.blocks.0.ffn.0.weight", numbers), ("model.blocks.0.ffn.0.bias", numbers.rows(0..<1)),
        ("model.patch_embedding.weight", numbers.reshaped([96, 16, 1, 2, 2])),
      ], to: source)
    var records: [WeightQuantizer.Record] = []
    let target = folder.path + "/b.gguf"
    try WeightQuantizer(to: .q8_0).write(CheckpointWeights(SafetensorsFile(source)), to: target) { records.append($0) }
    let file = try GGUFFile(target)
    #expect(file.metadata["general.architecture"] == .text("wan"))
    #expect(file.names == ["blocks.0.ffn.0.weight", "blocks.0.ffn.0.bias", "patch_embedding.weight"])
    #expect(file.type(of: "blocks.0.ffn.0.weight") == TensorType([96, 64], .q8_0))
    #expect(file.type(of: "patch_embedding.weight") == TensorType([96, 16, 1, 2, 2], .f32))
    let stored = try file.requireTensor("blocks.0.ffn.0.weight")
    let same = stored.withUnsafeBytes { a in numbers.converted(to: .q8_0).withUnsafeBytes { b in a.elementsEqual(b) } }
    #expect(same)
    #expect(records.map(\.name) == file.names && records.map(\.dtype) == [.q8_0, .f32, .f32])
    #expect(records[1].relativeError == nil && records[2].relativeError == nil)
    let error = zip(stored.floats(), numbers.floats()).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    let square = numbers.floats().reduce(0.0) { $0 + Double($1) * Double($1) }
    let relative = try #require(records[0].relativeError)
    #expect(abs(relative - (error / square).squareRoot()) < 1e-6 && relative > 1e-4 && relative < 0.01)
  }

  @Test func refusesNumbersThatAreNone() throws {
    let folder = try ScratchTree()
    let source = folder.path + "/a.safetensors"
    var values = [Float](repeating: 1, count: 64)
    values[50] = .nan
    try SafetensorsWriter.write([("blocks.0.ffn.0.weight", Tensor(values, [2, 32]))], to: source)
    let weights = CheckpointWeights(try SafetensorsFile(source))
    let target = folder.path + "/b.gguf"
    let error = #expect(throws: LumosError.self) { try WeightQuantizer(to: .q8_0).write(weights, to: target) }
    #expect(error?.kind == .badInput && error?.place == source + ", tensor blocks.0.ffn.0.weight")
    #expect(throws: LumosError.self) { try GGUFFile(target) }
  }

  // MARK: Names of the community's files

  @Test func namesOfLlama() throws {
    let file = try MappedFile(Repository.root + "/Tests/Fixtures/gguf/t5names.json")
    let json = try file.withUnsafeBytes { try JSONValue(parsing: String(decoding: $0, as: UTF8.self)) }
    let pairs = try #require(json.members).map { ($0.key, $0.value.string ?? "") }
    #expect(pairs.count == 22)
    #expect(TensorNaming(of: pairs.map(\.1)) == .llamaUMT5)
    for (transformers, llama) in pairs {
      let name = TensorNaming.llamaUMT5.official(llama)
      #expect(name != llama && name == TensorNaming.transformersUMT5.official(transformers), "\(llama)")
    }
  }

  /// A text encoder as llama.cpp names it and a transformer as ComfyUI prefixes it: nothing missing, nothing unknown.
  @Test func communityFiles() throws {
    let folder = try ScratchTree()
    func reopened(_ shapes: [String: Shape], _ dtype: DType, rename: (String) -> String) throws -> CheckpointWeights {
      let path = folder.path + "/x.gguf"
      let items = shapes.sorted { $0.key < $1.key }.map { name, shape in
        let numbers = Tensor((0..<shape.count).map { Float($0 % 13) - 6 }, shape)
        let stored = WeightQuantizer(to: dtype).type(of: name, numbers.type)
        return GGUFWriter.Item(rename(name), numbers.converted(to: stored))
      }
      try GGUFWriter.write(items, to: path)
      return CheckpointWeights(try CheckpointOpener.open(path))
    }
    let umt5 = ExpectedTensors.umt5(
      UMT5Configuration(vocabulary: 512, width: 64, attentionWidth: 96, heads: 6, layers: 2, feedForwardWidth: 160))
    let table = [
      ("blocks.", "enc.blk."), ("pos_embedding.embedding.", "attn_rel_b."), ("norm1.", "attn_norm."),
      ("norm2.", "ffn_norm."), ("attn.", "attn_"), ("ffn.gate.0.", "ffn_gate."), ("ffn.fc1.", "ffn_up."),
      ("ffn.fc2.", "ffn_down."), ("token_embedding.", "token_embd."),
    ]
    let text = try reopened(umt5, .q8_0) { name in
      name == "norm.weight" ? "enc.output_norm.weight" : table.reduce(name) { $0.replacing($1.0, with: $1.1) }
    }
    #expect(text.checkpoint.names.contains("enc.blk.1.attn_q.weight"))
    #expect(text.deviations(from: umt5).isEmpty, "\(text.deviations(from: umt5).summary())")
    #expect(text.type(ofWeight: "blocks.1.attn.q.weight")?.dtype == .q8_0)

    let sizes = TransformerConfiguration(
      width: 256, heads: 2, layers: 2, feedForwardWidth: 512, textWidth: 64, textLength: 32)
    let expected = ExpectedTensors.transformer(sizes)
    let transformer = try reopened(expected, .q4_K) { "model.diffusion_model." + $0 }
    #expect(transformer.deviations(from: expected).isEmpty, "\(transformer.deviations(from: expected).summary())")
    #expect(transformer.type(ofWeight: "blocks.1.ffn.2.weight") == TensorType([256, 512], .q4_K))
    #expect(transformer.type(ofWeight: "patch_embedding.weight") == TensorType([256, 16, 1, 2, 2], .f32))
  }
}
