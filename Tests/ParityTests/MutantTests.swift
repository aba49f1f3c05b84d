import LumosGraph
import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan
import Testing

/// Who guards the guards: kernels broken in the ways that kernels break, each of which the parity check must report.
@Suite(.serialized) struct MutantTests {
  let device: VulkanDevice

  init() throws { device = try ParityDevice.forMutants.get() }

  @Test("A broken kernel fails the check that the right one passes", arguments: mutants)
  func caught(mutant: Mutant) throws {
    let control = parity(mutant.opCase, on: device, misaligned: mutant.misaligned)
    #expect(control.pass, "the right kernel fails: \(control)")
    var broken = OpRunner(device)
    try mutant.apply(to: &broken)
    let result = parity(mutant.opCase, on: device, misaligned: mutant.misaligned) { $0 = broken }
    #expect(mutant.symptom.shows(in: result), "\(result)")
    #expect(!result.variant.isEmpty, "nothing ran: \(result)")
  }

  @Test("A broken kernel of subgroups fails the check that the right one passes", arguments: subgroupMutants)
  func caughtInSubgroups(mutant: Mutant) throws {
    let variants = [mutant.opCase.op.name: "subgroups"]
    let control = parity(mutant.opCase, on: device) { $0.forcedVariants = variants }
    #expect(control.pass && control.variant.contains(".subgroups."), "the right kernel fails: \(control)")
    var broken = OpRunner(device)
    broken.forcedVariants = variants
    try mutant.apply(to: &broken)
    let result = parity(mutant.opCase, on: device) { $0 = broken }
    #expect(mutant.symptom.shows(in: result), "\(result)")
  }

  @Test("Every barrier of a plan is needed, and the checker misses it when it is gone")
  func missingBarriers() throws {
    let plan = try VulkanPlan(Self.graph(), .init(profile: device.profile))
    #expect(HazardChecker.violations(plan.commands, barriers: plan.barriers) == [])
    #expect(plan.barrierCount >= 3)
    for index in plan.barriers.indices where plan.barriers[index] {
      var barriers = plan.barriers
      barriers[index] = false
      #expect(!HazardChecker.violations(plan.commands, barriers: barriers).isEmpty, "without barrier \(index)")
    }
  }

  /// A chain with two readers of one value, long enough that memory is used again.
  private static func graph() throws -> Graph {
    struct NoWeights: WeightSource {
      func type(ofWeight name: String) -> TensorType? { nil }
      func weight(_ name: String) throws -> Tensor { throw LumosError(.internalDefect, "no weight \(name)") }
    }
    var builder = GraphBuilder(weights: NoWeights())
    let table = builder.input("table", TensorType([6, 64], .f32))
    var x = builder.input("x", TensorType([10, 64], .f32))
    for block in 0..<3 {
      let normed = try builder.apply(LayerNorm(epsilon: 1e-6), [x], "norm \(block)")
      let modulated = try builder.apply(Modulate(shiftRow: 0, scaleRow: 1), [normed, table], "modulate \(block)")
      x = try builder.apply(GatedAdd(gateRow: 2), [x, modulated, table], "gate \(block)")
    }
    builder.output("x", x)
    return builder.graph
  }
}

/// Small cases, each with tails in every direction that the mutant breaks.
private let mutants: [Mutant] =
  productMutants + blockMutants + attentionMutants + normMutants + elementMutants
  + wordMutants

/// Kernels that misread weights in blocks.
private let blockMutants: [Mutant] = [
  Mutant(
    "Linear: the neighbour block's scale", Linear(), [.init([9, 64]), .init([7, 64], .q8_0)],
    .source(
      "const float scale = block_half(weights, block);",
      by: "const float scale = block_half(weights, block == 0 ? 17 : block - 17);")),
  Mutant(
    "Linear: halves of a byte exchanged", Linear(), [.init([9, 256]), .init([7, 256], .q4_K)],
    .source("part / 2 * 16 + e % 32 / 2) >> (part % 2 * 4)", by: "part / 2 * 16 + e % 32 / 2) >> (4 - part % 2 * 4)")),
  Mutant(
    "Linear: minima dropped", Linear(), [.init([3, 256]), .init([7, 256], .q5_K)],
    .source("block_half(weights, block + 1) * float(least)", by: "0")),
  Mutant(
    "Linear: the fifth bit dropped", Linear(), [.init([9, 256]), .init([7, 256], .q5_K)],
    .source(">> part & 0x0101;", by: ">> part & 0;")),
  Mutant(
    "Linear: upper bits of scales dropped", Linear(), [.init([9, 256]), .init([7, 256], .q4_K)],
    .source("own = low & 15 | (own & 0xc0) >> 2;", by: "own = low & 15;")),
  Mutant(
    "Linear: scales without sign", Linear(), [.init([3, 256]), .init([7, 256], .q6_K)],
    .source(
      "bitfieldExtract(int(block_byte(weights, block, 192 + e / 16)), 0, 8)",
      by: "int(block_byte(weights, block, 192 + e / 16))")),
  Mutant(
    "Linear: blocks of another type", Linear(), [.init([9, 256]), .init([7, 256], .q4_0)], symptom: .wrongNumbers,
    .dispatches { $0.changingLast { $0.specialization[8] = 6 } }),
  Mutant(
    "Linear: weights in blocks are not rounded to x's type", Linear(), [.init([9, 64], .f16), .init([7, 64], .q8_0)],
    .source(
      "values[j] = rounded(factor, scale.x * float(q.x) - scale.y);", by: "values[j] = scale.x * float(q.x) - scale.y;")
  ),
]

private let productMutants: [Mutant] = [
  Mutant(
    "Linear: the last tile is not computed", Linear(), [.init([65, 67]), .init([257, 67])], symptom: .notANumber,
    .dispatches { $0.changingLast { $0.grid.x -= 1 } }),
  Mutant(
    "Linear: the tail of K is dropped", Linear(), [.init([65, 67]), .init([67, 67])],
    .source(
      "clear_sums();\n  for (uint first = begin; first < end;",
      by: "clear_sums();\n  for (uint first = begin; first + TILE_DEPTH <= end;")),
  Mutant(
    "Linear: the last part of the inner axis is not made", Linear(), [.init([9, 1031]), .init([7, 1031])],
    symptom: .notANumber, .dispatches { $0.changingFirst { $0.grid.z -= 1 } }),
  Mutant(
    "Linear: the last part of the inner axis is not added", Linear(), [.init([9, 1031]), .init([7, 1031])],
    .dispatches { $0.changingLast { $0.specialization[0] -= 1 } }),
  Mutant(
    "Linear: a part of the inner axis is added twice", Linear(), [.init([9, 1031]), .init([7, 1031])],
    .source("sum += p.parts.at[part * p.count + i]", by: "sum += p.parts.at[(part - 1) * p.count + i]")),
  Mutant(
    "Linear: every part begins a step early", Linear(), [.init([9, 1031]), .init([7, 1031])],
    .source(
      "begin = gl_WorkGroupID.z * p.part_depth;\n  linear_tile(\n      p.weight, p.bias, p.y, RESULT, p.residual, p.gate, gl_",
      by:
        "begin = max(gl_WorkGroupID.z * p.part_depth, 32) - 32;\n  linear_tile(\n      p.weight, p.bias, p.y, RESULT, p.residual, p.gate, gl_"
    )),
  Mutant(
    "Linear: parts of the inner axis lie over each other", Linear(), [.init([9, 1031]), .init([7, 1031])],
    symptom: .notANumber, .dispatches { $0.changingFirst { $0.push[$0.push.count - 1] = .count(0) } }),
  Mutant(
    "Linear: a sum of parts loses its bias", Linear(), [.init([9, 1031]), .init([7, 1031]), .init([7])],
    .dispatches { $0.changingLast { $0.specialization[1] = 0 } }),
  Mutant(
    "Linear: no barrier after the tiles are loaded", Linear(), [.init([65, 67]), .init([67, 67])],
    symptom: .wrongNumbers, .source("barrier();\n    accumulate();", by: "accumulate();")),
  Mutant(
    "Linear: bf16 weights are read as f16", Linear(), [.init([9, 33]), .init([7, 33], .bf16)],
    .dispatches { $0.changingLast { $0.kernel = $0.kernel.replacing("bf16", with: "f16") } }),
  Mutant(
    "Linear: x in f16 is read as bf16", Linear(), [.init([9, 33], .f16), .init([7, 33])],
    .dispatches { $0.changingLast { $0.specialization[6] = 3 } }),
  Mutant(
    "Linear: few rows in bf16 are read as f16", Linear(), [.init([3, 33], .bf16), .init([7, 33])],
    .dispatches { $0.changingLast { $0.specialization[2] = 2 } }),
  Mutant(
    "Linear: the result is not rounded as asked", Linear(dtype: .f16), [.init([9, 33]), .init([7, 33])],
    .dispatches { $0.changingLast { $0.specialization[7] = 3 } }),
  Mutant(
    "MultiLinear: layers exchange the types of their results", MultiLinear(dtypes: [.f16, .bf16]),
    [.init([9, 33]), .init([7, 33]), .init([7, 33])],
    .dispatches { $0.changingLast { $0.specialization[7] = 0x23 } }),
  Mutant(
    "Linear: weights are not rounded to x's type", Linear(), [.init([9, 33], .f16), .init([7, 33])],
    .source("return type == WEIGHT_TYPE ? value : rounded(type, value);", by: "return value;")),
  Mutant(
    "Linear: the gate is a row early", Linear(epilogue: .gatedAdd(gateRow: 1)),
    [.init([9, 33]), .init([7, 33]), .init([9, 7]), .init([6, 7])],
    .dispatches { $0.changingLast { $0.exchange(.input(3, offset: 28), .input(3, offset: 0)) } }),
  Mutant(
    "Linear: the nonlinearity comes before the bias", Linear(epilogue: .activation(.silu)),
    [.init([9, 33]), .init([7, 33]), .init([7])],
    .source(
      "finish(sums[i * COLUMNS + j] + offset, residual, factor, EPILOGUE, at)",
      by: "finish(sums[i * COLUMNS + j], residual, factor, EPILOGUE, at) + offset")),
  Mutant(
    "Linear: few rows lose their residual", Linear(epilogue: .add), [.init([3, 33]), .init([7, 33]), .init([3, 7])],
    .dispatches { $0.changingLast { $0.specialization[1] = 0 } }),
  Mutant(
    "MultiLinear: two layers exchange their weights", MultiLinear(count: 3),
    [.init([9, 33]), .init([7, 33]), .init([7, 33]), .init([7, 33])],
    .dispatches { $0.changingLast { $0.exchange(.input(2), .input(3)) } }),
  Mutant(
    "MultiLinear: the last layer is not computed", MultiLinear(count: 4),
    [.init([9, 33]), .init([7, 33]), .init([7, 33]), .init([7, 33]), .init([7, 33])], symptom: .notANumber,
    .dispatches { Array($0.dropLast()) }),
  Mutant(
    "MultiLinear: every layer takes the first one's bias", MultiLinear(count: 2),
    [.init([9, 33]), .init([7, 33]), .init([7, 33]), .init([7]), .init([7])],
    .source(
      "p.weight[layer], p.bias[layer], p.y[layer], type, p.x, p.x, gl",
      by: "p.weight[layer], p.bias[0], p.y[layer], type, p.x, p.x, gl")),
  Mutant(
    "Conv3D: doubled pixels are a column late", Conv3D(padding: .init(leading: 1, trailing: 1), upsamples: true),
    [.init([1, 5, 6, 4]), .init([8, 1, 3, 3, 4]), .init([8])],
    .source(
      "(corner & 0xffffu) + dx - p.padding) >> ZOOM", by: "(corner & 0xffffu) + dx + 1 - p.padding) >> ZOOM")),
  Mutant(
    "Conv3D: the residual is left out", Conv3D(padding: .init(leading: 0, trailing: 0), addsResidual: true),
    [.init([1, 5, 6, 4]), .init([8, 1, 1, 1, 4]), .init([8]), .init([1, 5, 6, 8])],
    .dispatches { $0.changingLast { $0.specialization[5] = 0 } }),
  Mutant(
    "Conv3D: the frame is padded on the wrong side", Conv3D(padding: .init(leading: 0, trailing: 1)),
    [.init([1, 6, 7, 5]), .init([8, 1, 2, 2, 5]), .init([8])],
    .source(
      "(corner & 0xffffu) + dx - p.padding", by: "(corner & 0xffffu) + dx - 1")),
  Mutant(
    "Conv3D: history is a frame late", Conv3D(padding: .init(leading: 1, trailing: 1)),
    [.init([3, 5, 6, 4]), .init([8, 3, 3, 3, 4]), .init([8]), .init([2, 5, 6, 4])],
    .source(
      "is_past ? frame :", by: "is_past ? max(frame, 1) - 1 :")),
  Mutant(
    "Conv3D: frames in f16 are read as bf16", Conv3D(padding: .init(leading: 1, trailing: 1)),
    [.init([1, 5, 6, 4], .f16), .init([8, 3, 3, 3, 4]), .init([8]), .init([2, 5, 6, 4], .f16)],
    .dispatches { $0.changingLast { $0.specialization[6] = 3 } }),
]

private let attentionMutants: [Mutant] = [
  Mutant(
    "Attention: a span ends one key early", spans, attentionInputs,
    .dispatches { $0.changingLast { $0.constants[3] -= 1 } }),
  Mutant(
    "Attention: a span ends one key late", spans, attentionInputs,
    .dispatches { $0.changingLast { $0.constants[3] += 1 } }),
  Mutant(
    "Attention: a tile starts one query late", spans, attentionInputs, symptom: .notANumber,
    .dispatches { $0.changingLast { $0.constants[0] += 1 } }),
  Mutant(
    "Attention: q, k and v in bf16 are read as f16", spans,
    [.init([19, 16], .bf16), .init([150, 16], .bf16), .init([150, 16], .bf16)],
    .dispatches { $0.changingLast { $0.specialization[8] = 2 } }),
  Mutant(
    "Attention: the relation bias is off by one cell",
    Attention(
      heads: 2, scale: 0.25, spans: [.init(queries: 0..<131, keys: 0..<23)],
      bias: .relation(RelationCells(firstToken: 11, images: 2, height: 6, width: 10))),
    [.init([131, 32]), .init([23, 32]), .init([23, 32]), .init([4, 2, 23])],
    .source(
      "(image * p.cells_per_image + cell)",
      by: "(image * p.cells_per_image + cell - min(cell, 1u))")),
  Mutant(
    "Attention: the maximum is not carried on", spans,
    [.init([19, 16], .f32, .normal(deviation: 20)), .init([150, 16]), .init([150, 16])],
    .source("maximum = top;\n    sum *= factor;", by: "maximum = top;")),
  Mutant(
    "Attention: the last key's count is given to the key before",
    Attention(
      heads: 1, scale: 0.25, spans: [.init(queries: 0..<19, keys: 0..<66)], lastKeyCount: 100),
    [.init([19, 16]), .init([66, 16]), .init([66, 16])],
    .dispatches { $0.changingLast { $0.exchange(.uint(65), .uint(64)) } }),
  Mutant(
    "RelationBias: the score keeps its sign", RelationBias(heads: 2, scale: 0.25, ratio: 0.5),
    [.init([6, 32]), .init([37, 32]), .init([3, 37])],
    .source("abs(p.scale * score[r][c])", by: "(p.scale * score[r][c])")),
]
/// The same for the kernel that exchanges numbers within subgroups.
private let subgroupMutants: [Mutant] = [
  Mutant(
    "Attention.subgroups: a span ends one key early", spans, attentionInputs,
    .dispatches { $0.changingLast { $0.constants[3] -= 1 } }),
  Mutant(
    "Attention.subgroups: a span ends one key late", spans, attentionInputs,
    .dispatches { $0.changingLast { $0.constants[3] += 1 } }),
  Mutant(
    "Attention.subgroups: a tile starts one query late", spans, attentionInputs, symptom: .notANumber,
    .dispatches { $0.changingLast { $0.constants[0] += 1 } }),
  Mutant(
    "Attention.subgroups: the last tile is not computed", spans, attentionInputs, symptom: .notANumber,
    .dispatches { $0.changingLast { $0.grid.x -= 1 } }),
  Mutant(
    "Attention.subgroups: q, k and v in bf16 are read as f16", spans,
    [.init([19, 16], .bf16), .init([150, 16], .bf16), .init([150, 16], .bf16)],
    .dispatches { $0.changingLast { $0.specialization[7] = 2 } }),
  Mutant(
    "Attention.subgroups: a shuffle is missing from the maximum", spans, sharpInputs, symptom: .wrongNumbers,
    .source("  value = max(value, subgroupShuffleXor(value, 2));\n", by: "")),
  Mutant(
    "Attention.subgroups: a shuffle is missing from the sum", spans, attentionInputs,
    .source("return value + subgroupShuffleXor(value, 4);", by: "return value;")),
  Mutant(
    "Attention.subgroups: results are not rescaled", spans, sharpInputs,
    .source("result[r * OUTPUTS + o] *= rescaling;", by: "result[r * OUTPUTS + o] *= 1;")),
  Mutant(
    "Attention.subgroups: there are no barriers", spans, attentionInputs, symptom: .wrongNumbers,
    withoutBarriers("Attention.subgroups.none")),
  Mutant(
    "Attention.subgroups: the last key's count is given to the key before",
    Attention(
      heads: 1, scale: 0.25, spans: [.init(queries: 0..<19, keys: 0..<66)], lastKeyCount: 100),
    [.init([19, 16]), .init([66, 16]), .init([66, 16])],
    .dispatches { $0.changingLast { $0.exchange(.uint(65), .uint(64)) } }),
  Mutant(
    "Attention.subgroups: the relation's images begin a token late",
    Attention(
      heads: 2, scale: 0.25, spans: [.init(queries: 0..<131, keys: 0..<23)],
      bias: .relation(RelationCells(firstToken: 11, images: 2, height: 6, width: 10))),
    [.init([131, 32]), .init([23, 32]), .init([23, 32]), .init([4, 2, 23])],
    .dispatches { $0.changingLast { $0.exchange(.count(11), .count(12)) } }),
  Mutant(
    "Attention.subgroups: keys and values are exchanged", spans, attentionInputs,
    .dispatches { $0.changingLast { $0.exchange(.input(1), .input(2)) } }),
]
private let sharpInputs: [OpCase.Input] = [
  .init([19, 16], .f32, .normal(deviation: 20)), .init([150, 16]), .init([150, 16]),
]
private let spans = Attention(
  heads: 1, scale: 0.25, spans: [.init(queries: 0..<5, keys: 0..<149), .init(queries: 5..<19, keys: 3..<150)])
private let attentionInputs: [OpCase.Input] = [.init([19, 16]), .init([150, 16]), .init([150, 16])]

private let normMutants: [Mutant] = [
  Mutant(
    "RMSNorm: ε is missing", RMSNorm(epsilon: 1e-6), [.init([3, 257], .f32, .normal(deviation: 1e-3)), .init([257])],
    .source("mean_square + p.epsilon", by: "mean_square")),
  Mutant(
    "RMSNorm: a barrier is missing in the row's sum", RMSNorm(epsilon: 1e-6), [.init([3, 1536]), .init([1536])],
    symptom: .wrongNumbers,
    .source(
      "lane_sums[me] += lane_sums[me + distance];\n    barrier();",
      by: "lane_sums[me] += lane_sums[me + distance];")),
  Mutant(
    "RMSNorm: the result is bf16 in place of f16", RMSNorm(epsilon: 1e-6, dtype: .f16),
    [.init([3, 257]), .init([257])],
    .dispatches { $0.changingLast { $0.specialization[2] = 3 } }),
  Mutant(
    "RMSNorm: every head has its own angles", RMSNorm(epsilon: 1e-6, rotary: Rotary(heads: 3)),
    [.init([5, 30]), .init([30]), .init([5, 5]), .init([5, 5])],
    .source("angle + modulo(pair, p.pairs)", by: "min(angle + pair, 24)")),
  Mutant(
    "LayerNorm: shift and scale are exchanged",
    LayerNorm(epsilon: 1e-6, modulation: Modulate(shiftRow: 0, scaleRow: 1)), [.init([7, 13]), .init([6, 13])],
    .dispatches { $0.changingLast { $0.exchange(.input(1, offset: 0), .input(1, offset: 52)) } }),
  Mutant(
    "ChannelNorm: the nonlinearity comes before γ", ChannelNorm(activation: .silu), [.init([5, 97]), .init([97])],
    .source(
      "* load_row_weights(p.gamma, row, k);\n  [[unroll]] for (uint i = 0; i < 4; i++) values[i] = activate(ACTIVATION, values[i]);",
      by:
        ";\n  for (uint i = 0; i < 4; i++) values[i] = activate(ACTIVATION, values[i]);\n  values *= load_row_weights(p.gamma, row, k);"
    )),
  Mutant(
    "ChannelNorm: the last channel is left out of the sum", ChannelNorm(), [.init([5, 97]), .init([97])],
    .source("centre, lessThan(columns, uvec4(row.width))", by: "centre, lessThan(columns + 1, uvec4(row.width))")),
  Mutant(
    "LayerNorm: the mean's rounding is not corrected", LayerNorm(epsilon: 1e-6),
    [.init([9, 1536], .f32, .uniform(lower: 999, upper: 1001))],
    .source("deviation - left;", by: "deviation;")),
]

private let elementMutants: [Mutant] = [
  Mutant(
    "Modulate: shift and scale are exchanged", Modulate(shiftRow: 0, scaleRow: 1), [.init([7, 13]), .init([6, 13])],
    .dispatches { $0.changingLast { $0.exchange(.input(1, offset: 0), .input(1, offset: 52)) } }),
  Mutant(
    "GatedAdd: the grid is one workgroup short", GatedAdd(gateRow: 5),
    [.init([5, 513]), .init([5, 513]), .init([6, 513])],
    symptom: .notANumber, .dispatches { $0.changingLast { $0.grid.x -= 1 } }),
  Mutant(
    "Slice: elements past the end are written", Slice(start: 0, count: 501), [.init([501])], symptom: .guardViolation,
    .source("if (at + k < end) store_element", by: "store_element")),
  Mutant(
    "Convert: ties round up", Convert(to: .f16), [.init([2], .f32, .values([1 + 0x1p-11, 1]))],
    .source("(rebiased >> 13 & 1)", by: "1")),
  Mutant(
    "Convert: large numbers become infinite", Convert(to: .f16), [.init([2], .f32, .values([65520, 1]))],
    symptom: .infinite, .source("if (magnitude >= 0x477ff000u) return sign | 0x7bffu;", by: "")),
  Mutant(
    "Convert: small numbers are flushed to zero", Convert(to: .f16), [.init([2], .f32, .values([0x1p-20, 0x1p-21]))],
    .source("if (shift > 24) return sign;", by: "return sign;")),
  Mutant(
    "Slice: one element late", Slice(start: 3, count: 4), [.init([7, 1])], symptom: .notANumber,
    .dispatches { $0.changingLast { $0.exchange(.input(0, offset: 12), .input(0, offset: 16)) } }),
  Mutant(
    "SolverStep: the prompts are exchanged", SolverStep(),
    [.init([33]), .init([33]), .init([33]), .init([33]), .init([5], .f32, .values([6, 0.5, 0.9, 0.1, 0.25]))],
    .dispatches { $0.changingLast { $0.exchange(.input(1), .input(2)) } }),
]

/// Kernels that take words of 16 bytes where there are none, or no more than words.
private let wordMutants: [Mutant] = [
  Mutant(
    "Elementwise: the tail behind the last word is dropped", Elementwise(.add), [.init([2054]), .init([2054])],
    symptom: .notANumber, misaligned: false,
    .source("if (i < p.count) store_word", by: "if (i + 4 <= p.count) store_word")),
  Mutant(
    "GatedAdd: the alignment of what is read is ignored", GatedAdd(gateRow: 5),
    [.init([5, 128]), .init([5, 128]), .init([6, 128])], symptom: .wrongNumbers,
    .source("reads && p.count - i >= 4", by: "p.count - i >= 4")),
  Mutant(
    "Convert: the alignment of the result is ignored", Convert(to: .f16), [.init([5, 128])], symptom: .notANumber,
    .source("const bool writes = is_aligned(uvec2(p.result));", by: "const bool writes = true;")),
  Mutant(
    "GatedAdd: rows that are no whole words are read so", GatedAdd(gateRow: 4),
    [.init([5, 130]), .init([5, 130]), .init([6, 130])], symptom: .wrongNumbers, misaligned: false,
    .source("p.width.value % 4 == 0 && is_aligned(uvec2(p.x) | uvec2(p.y) | uvec2(p.gate))", by: "true")),
  Mutant(
    "RMSNorm: the alignment of x is ignored", RMSNorm(epsilon: 1e-6), [.init([5, 128]), .init([128])],
    symptom: .wrongNumbers,
    .source("row.whole = width % 4 == 0 && is_aligned(uvec2(x));", by: "row.whole = width % 4 == 0;")),
  Mutant(
    "RMSNorm: the alignment of the weight is ignored", RMSNorm(epsilon: 1e-6, dtype: .f16),
    [.init([5, 128]), .init([128], .bf16)], symptom: .wrongNumbers,
    .source("is_aligned(uvec2(weights)) && row.width", by: "row.width")),
  Mutant(
    "LayerNorm: the last word of a lane is left out", LayerNorm(epsilon: 1e-6), [.init([5, 1536])],
    symptom: .notANumber, misaligned: false, .dispatches { $0.changingLast { $0.specialization[3] -= 1 } }),
  Mutant(
    "UpsampleNearest: vectors reach over pixels", UpsampleNearest(), [.init([1, 3, 5, 6])],
    symptom: .wrongNumbers, misaligned: false,
    .source("return p.channels.value % 4 == 0;", by: "return true;")),
  Mutant(
    "PooledQueries: the second half of a word is not written",
    PooledQueries(RelationCells(firstToken: 3, images: 2, height: 9, width: 13)), [.init([237, 48], .f16)],
    symptom: .notANumber, misaligned: false, .source("if (per_word == 8 && channel + 4 < p.width)", by: "if (false)")),
]
