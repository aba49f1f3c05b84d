import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// Attention on matrix units: every tile, rescaling, and broken kernels. `OpParityTests` runs it on the suite's cases.
@Suite(.serialized, .enabled(if: ParityDevice.multipliesMatrices)) struct AttentionMatrixTests {
  static let variant = [Attention.name: "matrix"]

  /// Software drivers take long to compile large heads: of those the best tile alone.
  @Test("Every tile agrees with the reference", arguments: [(32, 7), (64, 2), (96, 1), (128, 1)])
  func allTiles(size: Int, most: Int) throws {
    let device = try ParityDevice.shared.get()
    let spans: [Attention.Span] = [
      .init(queries: 0..<150, keys: 0..<203), .init(queries: 150..<171, keys: 5..<70),
      .init(queries: 175..<190, keys: 9..<9),
    ]
    let op = Attention(heads: 2, scale: 1 / Float(size).squareRoot(), spans: spans, lastKeyCount: 40, dtype: .f16)
    let opCase = OpCase(
      "all tiles of \(size)", op,
      [
        .init([193, 2 * size], .f16), .init([203, 2 * size], .f16), .init([203, 2 * size], .f16),
      ])
    let inputs = opCase.inputs.map(\.type)
    let types = LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs))
    let tiles = AttentionMatrixTile.all(headSize: size, dtype: .f16, device.profile).prefix(most)
    #expect(tiles.count == most)
    for tile in tiles {
      // A device that can do no more than this tile.
      var profile = device.profile
      profile.forcedVariants = Self.variant
      profile.maxWorkgroupInvocations = tile.invocations
      profile.sharedMemoryBytes = tile.sharedBytes
      let dispatches = try op.lower(types, profile)
      #expect(dispatches.allSatisfy { $0.specialization == tile.specialization(result: .f16, table: .f32) })
      for misaligned in [false, true] {
        let result = parity(opCase, on: device, misaligned: misaligned) { $0.editing = { _ in dispatches } }
        #expect(result.pass && result.variant.contains("matrix"), "\(tile): \(result)")
      }
    }
  }

  @Test("Maxima that grow from step to step, by little and by much", arguments: [Float(0.03), 0.3, 3])
  func growth(slope: Float) throws {
    // Keys grow with their position, so that nearly every step has a new maximum; queries are positive.
    let (queries, keys, size) = (40, 500, 32)
    var random = SplitMix64(seed: 3)
    let q = (0..<queries * size).map { _ in 0.5 + random.unit() }
    let k = (0..<keys * size).map { slope * Float($0 / size) / Float(size) + 0.1 * random.normal() }
    let opCase = OpCase(
      "growing by \(slope)", Attention(heads: 1, scale: 1, spans: [.init(queries: 0..<queries, keys: 0..<keys)]),
      [
        .init([queries, size], .f16, .values(q)), .init([keys, size], .f16, .values(k)), .init([keys, size], .f16),
      ])
    let result = parity(opCase, on: try ParityDevice.shared.get()) { $0.forcedVariants = Self.variant }
    #expect(result.pass && result.variant.contains("matrix"), "\(result)")
  }

  @Test("A broken kernel fails the check that the right one passes", arguments: attentionMatrixMutants)
  func caught(mutant: Mutant) throws {
    let device = try ParityDevice.forMutants.get()
    let control = parity(mutant.opCase, on: device) { $0.forcedVariants = Self.variant }
    #expect(control.pass && control.variant.contains(".matrix."), "the right kernel fails: \(control)")
    var broken = OpRunner(device)
    broken.forcedVariants = Self.variant
    try mutant.apply(to: &broken)
    let result = parity(mutant.opCase, on: device) { $0 = broken }
    #expect(mutant.symptom.shows(in: result), "\(result)")
  }
}

private let spans = Attention(
  heads: 1, scale: 0.25, spans: [.init(queries: 0..<5, keys: 0..<149), .init(queries: 5..<19, keys: 3..<150)])
private let inputs: [OpCase.Input] = [.init([19, 32], .f16), .init([150, 32], .f16), .init([150, 32], .f16)]

private let attentionMatrixMutants: [Mutant] = [
  Mutant(
    "Attention.matrix: a span ends one key early", spans, inputs,
    .dispatches { $0.changingLast { $0.constants[3] -= 1 } }),
  Mutant(
    "Attention.matrix: a span ends one key late", spans, inputs,
    .dispatches { $0.changingLast { $0.constants[3] += 1 } }),
  Mutant(
    "Attention.matrix: a tile starts one query late", spans, inputs, symptom: .notANumber,
    .dispatches { $0.changingLast { $0.constants[0] += 1 } }),
  Mutant(
    "Attention.matrix: the last tile is not computed", spans, inputs, symptom: .notANumber,
    .dispatches { $0.changingLast { $0.grid.x -= 1 } }),
  Mutant(
    "Attention.matrix: there are no barriers", spans, inputs, symptom: .wrongNumbers,
    withoutBarriers("Attention.matrix.none.f16")),
  Mutant(
    "Attention.matrix: results are not rescaled", spans,
    [.init([19, 32], .f16, .normal(deviation: 20)), .init([150, 32], .f16), .init([150, 32], .f16)],
    .kernel("Attention.matrix.none.f16") { words in withoutFragmentProducts(words) }),
  Mutant(
    "Attention.matrix: no maximum is ever taken", spans, inputs, symptom: .notANumber,
    .kernel("Attention.matrix.none.f16") { words in
      // The slack of e⁸ becomes larger than any score.
      words.map { $0 == Float(8).bitPattern ? Float(4e30).bitPattern : $0 }
    }),
  Mutant(
    "Attention.matrix: the relation's images begin a token late",
    Attention(
      heads: 2, scale: 0.25, spans: [.init(queries: 0..<131, keys: 0..<23)],
      bias: .relation(RelationCells(firstToken: 11, images: 2, height: 6, width: 10))),
    [.init([131, 64], .f16), .init([23, 64], .f16), .init([23, 64], .f16), .init([4, 2, 23])],
    .dispatches { $0.changingLast { $0.exchange(.count(11), .count(12)) } }),
  Mutant(
    "Attention.matrix: the last key's count is given to the key before",
    Attention(heads: 1, scale: 0.25, spans: [.init(queries: 0..<19, keys: 0..<66)], lastKeyCount: 100),
    [.init([19, 32], .f16), .init([66, 32], .f16), .init([66, 32], .f16)],
    .dispatches { $0.changingLast { $0.exchange(.uint(65), .uint(64)) } }),
  Mutant(
    "Attention.matrix: keys and values are exchanged", spans, inputs,
    .dispatches { $0.changingLast { $0.exchange(.input(1), .input(2)) } }),
]

/// Makes products of whole fragments, which only rescaling has, copies of their first factor.
private func withoutFragmentProducts(_ module: [UInt32]) -> [UInt32] {
  var (words, at) = (module, 5)
  var fragments = Set<UInt32>()
  while at < words.count {
    let (opcode, length) = (words[at] & 0xffff, max(Int(words[at] >> 16), 1))
    // OpTypeCooperativeMatrixKHR; then OpFMul becomes OpCopyObject and OpNop.
    if opcode == 4456 { fragments.insert(words[at + 1]) }
    if opcode == 133 && fragments.contains(words[at + 1]) {
      words[at] = 4 << 16 | 83
      words[at + 4] = 1 << 16
    }
    at += length
  }
  return words
}
