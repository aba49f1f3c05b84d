import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan
import Testing

/// What the ops accept, and that they refuse everything else by throwing: shapes come from model files.
struct ShapeRuleTests {
  /// A refused combination of operands.
  struct Refusal: Sendable, CustomTestStringConvertible {
    let why: String
    let op: any OpDescriptor
    let inputs: [TensorType]

    init(_ why: String, _ op: any OpDescriptor, _ shapes: Shape...) {
      self.why = why
      self.op = op
      inputs = shapes.map { TensorType($0, .f32) }
    }

    var testDescription: String { "\(op.name): \(why)" }
  }

  private static let noPadding = Conv3D.Padding(leading: 0, trailing: 0)
  private static let gated = Linear(epilogue: .gatedAdd(gateRow: 5))
  private static let cells = RelationCells(firstToken: 2, images: 1, height: 3, width: 3)

  static let refusals: [Refusal] = [
    Refusal("bias of another width", LayerNorm(epsilon: 1e-6), [2, 4], [4], [5]),
    Refusal("weight without bias", LayerNorm(epsilon: 1e-6), [2, 4], [4]),
    Refusal("scalar", LayerNorm(epsilon: 1e-6), []),
    Refusal(
      "modulation without a table", LayerNorm(epsilon: 1e-6, modulation: .init(shiftRow: 0, scaleRow: 1)), [2, 4]),
    Refusal(
      "modulation row outside the table", LayerNorm(epsilon: 1e-6, modulation: .init(shiftRow: 0, scaleRow: 2)),
      [2, 4],
      [2, 4]),
    Refusal(
      "modulation table of another width", LayerNorm(epsilon: 1e-6, modulation: .init(shiftRow: 0, scaleRow: 1)),
      [2, 4], [4], [4], [2, 5]),
    Refusal("rotary without tables", RMSNorm(epsilon: 1e-6, rotary: Rotary(heads: 2)), [3, 8], [8]),
    Refusal(
      "rotary of heads of odd size", RMSNorm(epsilon: 1e-6, rotary: Rotary(heads: 2)), [3, 6], [6], [3, 1], [3, 1]),
    Refusal(
      "rotary of three axes", RMSNorm(epsilon: 1e-6, rotary: Rotary(heads: 2)), [1, 3, 8], [8], [3, 2], [3, 2]),
    Refusal(
      "a last key that counts zero times", Attention(heads: 1, scale: 1, spans: [], lastKeyCount: 0), [3, 8], [4, 8],
      [4, 8]),
    Refusal("weight of another width", RMSNorm(epsilon: 1e-6), [2, 4], [2]),
    Refusal("weight with an axis too many", RMSNorm(epsilon: 1e-6), [2, 4], [1, 4]),
    Refusal("gamma of another width", ChannelNorm(), [1, 2, 2, 4], [3]),
    Refusal("scale of another width", ChannelAffine(), [2, 4], [3], [4]),
    Refusal("shift of another width", ChannelAffine(), [2, 4], [4], [3]),
    Refusal("shift row outside the table", Modulate(shiftRow: 6, scaleRow: 0), [2, 4], [6, 4]),
    Refusal("negative scale row", Modulate(shiftRow: 0, scaleRow: -1), [2, 4], [6, 4]),
    Refusal("table of another width", Modulate(shiftRow: 0, scaleRow: 1), [2, 4], [6, 5]),
    Refusal("table of one axis", Modulate(shiftRow: 0, scaleRow: 0), [2, 4], [4]),
    Refusal("gate row outside the table", GatedAdd(gateRow: 6), [2, 4], [2, 4], [6, 4]),
    Refusal("y of another shape", GatedAdd(gateRow: 0), [2, 4], [4, 2], [6, 4]),
    Refusal("three axes", Patchify(patch: 2), [4, 4, 3]),
    Refusal("patch of no size", Patchify(patch: 0), [1, 4, 4, 3]),
    Refusal("too few tokens", Unpatchify(frames: 2, height: 3, width: 4, patch: 2), [7, 4]),
    Refusal("numbers that are no whole patch", Unpatchify(frames: 1, height: 2, width: 2, patch: 2), [1, 6]),
    Refusal("negative height", Unpatchify(frames: 1, height: -2, width: 2, patch: 2), [1, 4]),
    Refusal("three axes", UpsampleNearest(), [4, 4, 3]),
    Refusal("odd number of channels", FrameInterleave(), [1, 4, 4, 3]),
    Refusal("rows of different shapes", Concatenate(), [1, 4], [1, 5]),
    Refusal("ranks that differ", Concatenate(), [4], [4, 1]),
    Refusal("scalars", Concatenate(), [], []),
    Refusal("past the end", Slice(start: 2, count: 3), [4, 2]),
    Refusal("negative start", Slice(start: -1, count: 2), [4, 2]),
    Refusal("negative count", Slice(start: 1, count: -1), [4, 2]),
    Refusal("scalar", Slice(start: 0, count: 0), []),
    Refusal("b that does not repeat into a", Elementwise(.add), [2, 4], [3]),
    Refusal("empty b", Elementwise(.add), [2, 4], [0]),
    Refusal("inner widths that differ", Linear(), [2, 4], [3, 5]),
    Refusal("bias of another width", Linear(), [2, 4], [3, 4], [4]),
    Refusal("weight of one axis", Linear(), [2, 4], [4]),
    Refusal("residual without an epilogue that adds it", Linear(), [2, 4], [3, 4], [3], [2, 3]),
    Refusal("operand of no use", Linear(epilogue: .activation(.silu)), [2, 4], [3, 4], [3], [2, 3]),
    Refusal("residual that is missing", Linear(epilogue: .add), [2, 4], [3, 4]),
    Refusal("residual of the input's shape", Linear(epilogue: .add), [2, 4], [3, 4], [3], [2, 4]),
    Refusal("residual with other leading axes", Linear(epilogue: .add), [2, 3, 4], [5, 4], [6, 5]),
    Refusal("table that is missing", gated, [2, 4], [3, 4], [2, 3]),
    Refusal("residual of another shape", gated, [2, 4], [3, 4], [3], [1, 3], [6, 3]),
    Refusal("gate row outside the table", gated, [2, 4], [3, 4], [3], [2, 3], [5, 3]),
    Refusal("negative gate row", Linear(epilogue: .gatedAdd(gateRow: -1)), [2, 4], [3, 4], [3], [2, 3], [6, 3]),
    Refusal("table of another width", gated, [2, 4], [3, 4], [3], [2, 3], [6, 4]),
    Refusal("table of one axis", gated, [2, 4], [3, 4], [3], [2, 3], [3]),
    Refusal("no layers", MultiLinear(count: 0), [2, 4]),
    Refusal("layers fewer than said", MultiLinear(count: 3), [2, 4], [3, 4], [3, 4]),
    Refusal("layers of different widths", MultiLinear(count: 2), [2, 4], [3, 4], [5, 4]),
    Refusal("layers of another depth", MultiLinear(count: 2), [2, 4], [3, 5], [3, 5]),
    Refusal("biases of some layers only", MultiLinear(count: 2), [2, 4], [3, 4], [3, 4], [3]),
    Refusal("bias of another width", MultiLinear(count: 2), [2, 4], [3, 4], [3, 4], [4], [4]),
    Refusal("channels that differ", Conv3D(padding: noPadding), [1, 4, 4, 3], [8, 1, 3, 3, 4], [8]),
    Refusal("a type that is not half", Convert(to: .i32), [4]),
    Refusal("a type that is no conversion", Convert(to: .f32), [4]),
    Refusal("a type without fractions", ChannelNorm(dtype: .i32), [2, 4], [4]),
    Refusal("frames too few", Conv3D(padding: noPadding), [2, 4, 4, 3], [8, 3, 3, 3, 3], [8]),
    Refusal(
      "history of another frame size", Conv3D(padding: noPadding), [1, 4, 4, 3], [8, 3, 1, 1, 3], [8], [2, 4, 5, 3]),
    Refusal(
      "history of the doubled frame size", Conv3D(padding: noPadding, upsamples: true), [1, 4, 4, 3], [8, 3, 1, 1, 3],
      [8], [2, 8, 8, 3]),
    Refusal(
      "kernel larger than the doubled frame", Conv3D(padding: noPadding, upsamples: true), [1, 1, 1, 3],
      [8, 1, 3, 3, 3], [8]),
    Refusal(
      "residual that is missing", Conv3D(padding: noPadding, addsResidual: true), [1, 4, 4, 3], [8, 1, 3, 3, 3], [8]),
    Refusal(
      "residual of the input's shape", Conv3D(padding: noPadding, addsResidual: true), [1, 4, 4, 3], [3, 1, 3, 3, 3],
      [3], [1, 4, 4, 3]),
    Refusal(
      "residual that is not doubled", Conv3D(padding: noPadding, upsamples: true, addsResidual: true), [1, 4, 4, 3],
      [3, 1, 1, 1, 3], [3], [1, 4, 4, 3]),
    Refusal(
      "keys and values that differ", Attention(heads: 2, scale: 1, spans: []), [3, 8], [4, 8], [5, 8]),
    Refusal(
      "width that is no whole number of heads", Attention(heads: 3, scale: 1, spans: []), [3, 8], [4, 8], [4, 8]),
    Refusal(
      "span past the keys", Attention(heads: 2, scale: 1, spans: [.init(queries: 0..<3, keys: 0..<5)]), [3, 8], [4, 8],
      [4, 8]),
    Refusal(
      "spans that overlap",
      Attention(heads: 2, scale: 1, spans: [.init(queries: 0..<2, keys: 0..<4), .init(queries: 1..<3, keys: 0..<4)]),
      [3, 8], [4, 8], [4, 8]),
    Refusal(
      "bias that is missing", Attention(heads: 1, scale: 1, spans: [], bias: .relation(cells)), [11, 8], [4, 8],
      [4, 8]),
    Refusal("cells that do not fit", PooledQueries(cells), [12, 8]),
    Refusal("template weights of other keys", RelationBias(heads: 2, scale: 1, ratio: 0.5), [4, 8], [5, 8], [1, 4]),
    Refusal("no images", RelationBias(heads: 2, scale: 1, ratio: 0.5), [4, 8], [5, 8], [0, 5]),
    Refusal("heads of odd size", Rotary(heads: 2), [3, 6], [3, 1], [3, 1]),
    Refusal("tables of another length", Rotary(heads: 2), [3, 8], [2, 2], [2, 2]),
    Refusal("coefficients too few", SolverStep(), [4], [4], [4], [4], [4]),
    Refusal("velocity of another shape", SolverStep(), [4], [4], [5], [4], [5]),
    Refusal("nothing", Activation(.silu)),
  ]

  @Test("Operands that do not fit are refused", arguments: refusals)
  func refuses(refusal: Refusal) {
    #expect(throws: OpError.self) { try refusal.op.outputTypes(refusal.inputs) }
  }

  @Test("Every op refuses other numbers of operands and bytes for numbers", arguments: CompletenessTests.names)
  func refusesGenerally(name: String) throws {
    #expect(Self.refusals.contains { $0.op.name == name }, "\(name) has no refusals in the table")
    let opCase = try #require(OpSuite.cases(of: name).first)
    let types = opCase.inputs.map(\.type)
    #expect(throws: OpError.self) { try opCase.op.outputTypes([]) }
    #expect(throws: OpError.self) { try opCase.op.outputTypes(Array(repeating: types[0], count: 9)) }
    for index in types.indices {
      var wrong = types
      wrong[index].dtype = .u8
      #expect(throws: OpError.self, "input \(index) as bytes") { try opCase.op.outputTypes(wrong) }
    }
  }

  @Test("Weights of two types, and tensors beyond 32-bit indices, are refused by the lowering with advice")
  func loweringRefusals() {
    func refusal(_ op: some VulkanLowering, _ inputs: [TensorType]) -> LumosError? {
      do {
        let types = LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs))
        _ = try op.lower(types, .minimum)
        return nil
      } catch { return error as? LumosError }
    }
    let x = TensorType([2, 4], .f32)
    let (half, brain) = (TensorType([4], .f16), TensorType([4], .bf16))
    #expect(refusal(LayerNorm(epsilon: 1e-6), [x, half, brain])?.advice != nil)
    #expect(refusal(ChannelAffine(), [x, half, brain])?.advice != nil)
    #expect(refusal(ChannelAffine(), [x, half, half]) == nil)
    let large = TensorType([1 << 21, 1 << 10], .f32)
    #expect(refusal(LayerNorm(epsilon: 1e-6), [large])?.kind == .badInput)
    #expect(refusal(UpsampleNearest(), [TensorType([4, 1 << 14, 1 << 14, 1], .f32)])?.kind == .badInput)
    #expect(refusal(Slice(start: 1 << 20, count: 1 << 20), [large]) == nil)
  }

  @Test("Blocks are weights of products, in whole blocks, and nothing else", arguments: DType.blocks)
  func blocks(dtype: DType) throws {
    let depth = 2 * (dtype.block?.elements ?? 1)
    let (x, weight) = (TensorType([5, depth], .f16), TensorType([3, depth], dtype))
    #expect(try Linear().outputTypes([x, weight]) == [TensorType([5, 3], .f32)])
    #expect(try MultiLinear(count: 2).outputTypes([x, weight, weight]).count == 2)
    let uneven = TensorType([5, depth + 16], .f32)
    let refused: [(any OpDescriptor, [TensorType])] = [
      (Linear(), [uneven, TensorType([3, depth + 16], dtype)]), (Linear(), [weight, weight]),
      (Linear(), [x, weight, TensorType([3], dtype)]), (Linear(), [x, TensorType([3, depth / 2], dtype)]),
      (MultiLinear(count: 2), [x, weight, TensorType([3, depth], .f16)]),
      (RMSNorm(epsilon: 1e-6), [TensorType([5, depth], .f32), TensorType([depth], dtype)]),
      (
        Conv3D(padding: .init(leading: 0, trailing: 0)),
        [TensorType([1, 4, 4, depth], .f32), TensorType([3, 1, 1, 1, depth], dtype), TensorType([3], .f32)]
      ),
    ]
    for (op, inputs) in refused { #expect(throws: OpError.self) { try op.outputTypes(inputs) } }
  }
}
