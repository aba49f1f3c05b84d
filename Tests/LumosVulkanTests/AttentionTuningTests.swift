import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// Tiles of attention, chosen by measurement.
@Suite struct AttentionTuningTests {
  /// Self-attention of 12 heads, 1000 tokens, of which the last 200 see themselves alone.
  private static let op = Attention(
    heads: 12, scale: 0.088,
    spans: [.init(queries: 0..<800, keys: 0..<1000), .init(queries: 800..<1000, keys: 800..<1000)])
  private static let inputs = Array(repeating: TensorType([1000, 1536], .f16), count: 3)
  private static let key = "Attention f16, 12 x 128, bias none, keys<=1024, rows<=1024"

  /// Kernel, queries, keys and invocations of the tile that the op gets.
  private static func chosen(_ device: DeviceProfile) throws -> Set<String> {
    let types = LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs))
    let dispatches = try op.lower(types, device.tuned(for: op, types))
    return Set(
      dispatches.map { dispatch in
        let sizes = dispatch.specialization
        return dispatch.kernel.hasPrefix("Attention.matrix")
          ? "matrix \(sizes[0] / sizes[1] * sizes[2])x\(sizes[6])" : "tiles \(sizes[2])x\(sizes[3])/\(sizes[0])"
      })
  }

  @Test("A measured variant and tile replace those of the rules")
  func choice() throws {
    let types = LoweredTypes(inputs: Self.inputs, outputs: try Self.op.outputTypes(Self.inputs))
    #expect(Self.op.tuningKey(types) == Self.key)
    let choices = Self.op.choices(types, TuningTests.device)
    #expect(choices.filter { $0.variant == "matrix" }.count > 2 && choices.filter { $0.variant == "tiles" }.count > 4)
    #expect(Set(choices.map(\.description)).count == choices.count)
    #expect(try Self.chosen(TuningTests.device) == [choices[0].description])
    for choice in choices {
      var device = TuningTests.device
      device.tuning.set(choice, seconds: 1, for: Self.key)
      #expect(try Self.chosen(device) == [choice.description])
      device.tuning = TuningTable()
      device.tuning.set(choice, seconds: 1, for: "another key")
      #expect(try Self.chosen(device) == [choices[0].description])
    }
    var device = TuningTests.device
    device.tuning.set(.init(variant: "matrix", tile: "64x64/256"), seconds: 1, for: Self.key)
    #expect(try Self.chosen(device) == [choices[0].description])
  }

  @Test("Keys tell apart what is made differently: type, heads, bias, numbers of keys and queries")
  func keys() throws {
    func key(_ op: Attention, _ length: Int, _ dtype: DType, bias: TensorType? = nil) throws -> String? {
      let inputs = Array(repeating: TensorType([length, 64], dtype), count: 3) + (bias.map { [$0] } ?? [])
      return op.tuningKey(.init(inputs: inputs, outputs: try op.outputTypes(inputs)))
    }
    let span = Attention.Span(queries: 0..<70, keys: 0..<40)
    let plain = Attention(heads: 2, scale: 1, spans: [span])
    #expect(try key(plain, 70, .f32) == "Attention f32, 2 x 32, bias none, keys<=64, rows<=128")
    #expect(try key(plain, 70, .bf16) == "Attention bf16, 2 x 32, bias none, keys<=64, rows<=128")
    let cells = RelationCells(firstToken: 6, images: 1, height: 8, width: 8)
    let relation = Attention(heads: 2, scale: 1, spans: [span], bias: .relation(cells))
    #expect(
      try key(relation, 70, .f32, bias: TensorType([1, 2, 70], .f32))
        == "Attention f32, 2 x 32, bias relation, keys<=64, rows<=128")
    let positions = Attention(heads: 2, scale: 1, spans: [span], bias: .relativePosition(.init()))
    #expect(
      try key(positions, 70, .f32, bias: TensorType([32, 2], .bf16))
        == "Attention f32, 2 x 32, bias relativePosition, keys<=64, rows<=128")
  }

  @Test("What is measured in place of a long attention is short, valid and of the same kind", arguments: [300, 8192])
  func samples(rows: Int) throws {
    let cases = OpSuite.cases(of: "Attention") + OpSuite.cases(of: "Attention", purpose: .benchmark)
    for opCase in cases {
      let lowering = try #require(opCase.op as? any VulkanLowering)
      let inputs = opCase.inputs.map(\.type)
      let sample = lowering.sample(inputs, rows: rows)
      let op = try #require(sample.op as? Attention)
      let original = try #require(opCase.op as? Attention)
      let lengths = sample.inputs.prefix(3).map { $0.shape[0] }
      #expect(try op.outputTypes(sample.inputs)[0].shape == sample.inputs[0].shape, "\(opCase.title)")
      #expect(lengths.allSatisfy { $0 <= rows } && sample.inputs.map(\.dtype) == inputs.map(\.dtype))
      #expect(original.flops(inputs) == 0 || op.flops(sample.inputs) > 0, "\(opCase.title)")
      let kind = try #require(try sample.tuningKey()?.split(separator: ", keys").first)
      #expect(try #require(try Tuner.Evaluation(original, inputs).tuningKey()).hasPrefix(kind))
      if original.flops(inputs) > 0, inputs[0].shape[0] <= rows, inputs[1].shape[0] <= rows {
        let spans = original.spans.filter { $0.queryStart < $0.queryEnd && $0.keyStart < $0.keyEnd }
        #expect(op.spans == spans, "\(opCase.title)")
      }
    }
  }

  @Test("Row-wise ops are cut to their first rows, others are not")
  func rowWise() {
    let rows = [TensorType([1000, 8], .f32), TensorType([4, 8], .f32)]
    #expect(Linear().sample(rows, rows: 300).inputs == [TensorType([300, 8], .f32), rows[1]])
    #expect(Linear().sample(rows, rows: 2000).inputs == rows)
    let frames = [TensorType([1000, 8, 8, 4], .f32), TensorType([6, 1, 3, 3, 4], .f32), TensorType([6], .f32)]
    #expect(Conv3D(padding: .init(leading: 1, trailing: 1)).sample(frames, rows: 300).inputs == frames)
  }

  @Test("Every tile is measured on the device and kept under the key of the long one")
  func measuring() throws {
    let op = Attention(heads: 2, scale: 0.2, spans: [.init(queries: 0..<70, keys: 0..<90)])
    let inputs = OpCase("tuned", op, [.init([70, 64]), .init([90, 64]), .init([90, 64])]).makeInputs()
    let long = Attention(heads: 2, scale: 0.2, spans: [.init(queries: 0..<9000, keys: 0..<9000)])
    let device = try TestDevice.open()
    let result = try #require(
      try Tuner(device, runs: 1).measure(
        op, inputs, for: .init(long, Array(repeating: TensorType([9000, 64], .f32), count: 3))
      ) { a, b in zip(a, b).allSatisfy { Comparison(actual: $0, expected: $1).verdict(bound: 1e-10) == .pass } })
    #expect(result.key == "Attention f32, 2 x 32, bias none, keys>4096, rows>4096")
    let tiles = result.timings.count { $0.choice.variant == "tiles" }
    #expect(tiles == AttentionTile.all(headSize: 32, device.profile).count && tiles > 1)
    #expect(result.timings.contains { $0.choice == KernelChoice(variant: "subgroups") })
    #expect(result.timings.allSatisfy { ($0.seconds ?? 0) > 0 })
    #expect(device.validationMessages.isEmpty)
  }
}
