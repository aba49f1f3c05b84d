import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

extension ParityDevice {
  /// Whether the device multiplies f16 matrices (lavapipe from Mesa 26 on; see `Tools/lavapipe`). The tests of this file
  /// have nothing to run elsewhere.
  static let multipliesMatrices =
    (try? shared.get().profile.matrixShapes.contains { $0.input == .f16 }) ?? false
}

/// Products in tiles of all sizes on matrix units, which the rules would choose on other devices or for larger shapes.
@Suite(.serialized, .enabled(if: ParityDevice.multipliesMatrices)) struct MatrixTileTests {
  let device: VulkanDevice

  init() throws { device = try ParityDevice.shared.get() }

  /// More than one tile of any size in both directions; tails in all three, or rows of whole words of 16 bytes.
  static let linear = [(77, 141), (96, 160)].map { depth, width in
    OpCase(
      "270 x \(depth) x \(width), gate 1, all tiles", Linear(epilogue: .gatedAdd(gateRow: 1)),
      [
        .init([270, depth], .f16), .init([width, depth], .f16, .normal(deviation: 0.1)), .init([width], .bf16),
        .init([270, width]), .init([2, width]),
      ])
  }
  /// Frames of 15 x 17 pixels with history.
  static let convolution = OpCase(
    "2 frames of 15 x 17 x 24 to 104, all tiles", Conv3D(padding: .init(leading: 1, trailing: 1), addsResidual: true),
    [
      .init([2, 15, 17, 24], .f16), .init([104, 3, 3, 3, 24], .f16, .normal(deviation: 0.05)), .init([104], .f16),
      .init([1, 15, 17, 24], .f16), .init([1, 15, 17, 104]),
    ])

  @Test("Every tile agrees with the reference, with one pair of tiles in shared memory and with two")
  func allTiles() throws {
    for opCase in Self.linear + [Self.convolution] {
      var sizes = Set<[Int]>()
      let (rows, columns) = opCase.op is Conv3D ? (15 * 17, 104) : (270, opCase.inputs[1].type.shape[0])
      // The choice of buffers does not depend on the op; kernels take seconds to compile.
      for kibibytes in opCase.op is Conv3D ? [64] : [64, 20] {
        var profile = device.profile
        profile.sharedMemoryBytes = min(kibibytes << 10, profile.sharedMemoryBytes)
        for tile in MatrixTile.all(dtype: .f16, profile) {
          let sides = [tile.rows, tile.columns, tile.shareRows, tile.shareColumns, tile.buffers]
          guard sizes.insert(sides).inserted else { continue }
          for misaligned in [false, true] {
            let result = parity(opCase, on: device, misaligned: misaligned) {
              $0.forcedVariants = [opCase.op.name: "matrix"]
              $0.editing = { $0.map { $0.taking(tile, rows: rows, columns: columns) } }
            }
            #expect(result.pass && result.variant.contains(".matrix."), "\(tile): \(result)")
          }
        }
      }
      #expect(sizes.count >= 7 && Set(sizes.map { $0[4] }) == [1, 2], "\(sizes)")
    }
  }

  @Test("Long sums of small results are made in parts", arguments: [2, 4, 8])
  func parts(count: Int) throws {
    for depth in [4096, 4199] {
      let opCase = OpCase(
        "70 x \(depth) x 45 in \(count)", Linear(epilogue: .gatedAdd(gateRow: 1)),
        [
          .init([70, depth], .f16), .init([45, depth], .f16, .normal(deviation: 0.02)), .init([45], .bf16),
          .init([70, 45]), .init([2, 45]),
        ])
      for misaligned in [false, true] {
        let result = try partsParity(opCase, "matrix", "64x64/32x32", parts: count, on: device, misaligned: misaligned)
        #expect(result.pass && result.variant.contains(".matrix."), "\(result)")
      }
    }
  }

  @Test("Tiles are taken in strips: a result that is wider than one is complete, its last strip narrower")
  func strips() {
    let wide = OpCase("150 x 9 x 2180", Linear(), [.init([150, 9], .f16), .init([2180, 9], .f16)])
    let result = parity(wide, on: device) {
      $0.forcedVariants = ["Linear": "matrix"]
      $0.editing = { dispatches in
        #expect(dispatches.count == 1 && dispatches[0].grid.x > 16 && dispatches[0].grid.x % 16 != 0)
        return dispatches
      }
    }
    #expect(result.pass && result.variant.contains(".matrix."), "\(result)")
  }
}

extension Dispatch {
  /// The dispatch of a whole product with another tile.
  fileprivate func taking(_ tile: MatrixTile, rows: Int, columns: Int) -> Dispatch {
    var dispatch = self
    dispatch.specialization.replaceSubrange(
      0..<9, with: tile.specialization(.init(left: .f16, weight: .f16, bias: nil)).prefix(9))
    dispatch.grid = Grid(ceilingDivide(columns, tile.columns), ceilingDivide(rows, tile.rows))
    return dispatch
  }
}

/// Broken kernels on matrix units: what `MutantTests` is for the others.
@Suite(.serialized, .enabled(if: ParityDevice.multipliesMatrices)) struct MatrixMutantTests {
  let device: VulkanDevice

  init() throws { device = try ParityDevice.forMutants.get() }

  @Test("A broken kernel fails the check that the right one passes", arguments: matrixMutants)
  func caught(mutant: Mutant) throws {
    let variants = [mutant.opCase.op.name: "matrix"]
    let control = parity(mutant.opCase, on: device) { $0.forcedVariants = variants }
    #expect(control.pass && control.variant.contains(".matrix."), "the right kernel fails: \(control)")
    var broken = OpRunner(device)
    broken.forcedVariants = variants
    try mutant.apply(to: &broken)
    let result = parity(mutant.opCase, on: device) { $0 = broken }
    #expect(mutant.symptom.shows(in: result), "\(result)")
  }
}

/// Changes a specialisation constant of the last dispatch.
private func constant(_ index: Int, _ value: UInt32) -> Mutant.Change {
  .dispatches { $0.changingLast { $0.specialization[index] = value } }
}

/// Replaces every barrier of a kernel by nothing.
func withoutBarriers(_ kernel: String) -> Mutant.Change {
  .kernel(kernel) { words in
    var (words, at) = (words, 5)
    while at < words.count {
      let length = max(Int(words[at] >> 16), 1)
      if words[at] & 0xffff == 224 {
        words.replaceSubrange(at..<at + length, with: Array(repeating: 1 << 16, count: length))
      }
      at += length
    }
    return words
  }
}

private let same = Conv3D(padding: .init(leading: 1, trailing: 1))
private let frames = OpCase.Input([3, 5, 6, 8], .f16)
private let kernel3 = OpCase.Input([17, 3, 3, 3, 8], .f16)

private let matrixMutants: [Mutant] = [
  Mutant(
    "Linear.matrix: the last tile is not computed", Linear(), [.init([65, 67], .f16), .init([257, 67], .f16)],
    symptom: .notANumber, .dispatches { $0.changingLast { $0.grid.x -= 1 } }),
  Mutant(
    "Linear.matrix: the tail of K is dropped", Linear(), [.init([1, 33], .f16), .init([1, 33], .f16)],
    .dispatches { $0.changingLast { $0.exchange(.count(33), .count(32)) } }),
  Mutant(
    "Linear.matrix: the last part of the inner axis is not made", Linear(),
    [.init([9, 2083], .f16), .init([7, 2083], .f16)], symptom: .notANumber,
    .dispatches { $0.changingFirst { $0.grid.z -= 1 } }),
  Mutant(
    "Linear.matrix: the last inner indices belong to no part", Linear(),
    [.init([9, 2083], .f16), .init([7, 2083], .f16)],
    .dispatches { $0.changingFirst { $0.push[$0.push.count - 2] = .count(512) } }),
  Mutant(
    "Linear.matrix: there are no barriers", Linear(), [.init([65, 67], .f16), .init([67, 67], .f16)],
    symptom: .wrongNumbers, withoutBarriers("Linear.matrix.f16")),
  Mutant(
    "Linear.matrix: a share of every tile is not computed", Linear(), [.init([65, 67], .f16), .init([67, 67], .f16)],
    symptom: .notANumber, .dispatches { $0.changingLast { $0.specialization[7] /= 2 } }),
  Mutant(
    "Linear.matrix: bf16 weights are read as f16", Linear(), [.init([9, 33], .f16), .init([7, 33], .bf16)],
    constant(11, 2)),
  Mutant(
    // Behind its end it reads a guard.
    "Linear.matrix: the bias is a column early", Linear(), [.init([9, 33], .f16), .init([7, 33], .f16), .init([7])],
    symptom: .notANumber, .dispatches { $0.changingLast { $0.exchange(.input(2), .input(2, offset: 4)) } }),
  Mutant(
    "Linear.matrix: the gate is a row early", Linear(epilogue: .gatedAdd(gateRow: 1)),
    [.init([9, 33], .f16), .init([7, 33], .f16), .init([9, 7]), .init([6, 7])],
    .dispatches { $0.changingLast { $0.exchange(.input(3, offset: 28), .input(3, offset: 0)) } }),
  Mutant(
    "MultiLinear.matrix: two layers exchange their weights", MultiLinear(count: 2),
    [.init([9, 33], .f16), .init([7, 33], .f16), .init([7, 33], .f16)],
    .dispatches { $0.changingLast { $0.exchange(.input(1), .input(2)) } }),
  Mutant(
    "Linear.matrix: an f16 result is rounded to bf16", Linear(dtype: .f16),
    [.init([9, 33], .f16), .init([8, 33], .f16)],
    constant(12, 3)),
  Mutant(
    "MultiLinear.matrix: layers exchange the types of their results", MultiLinear(dtypes: [.f16, .bf16]),
    [.init([9, 33], .f16), .init([8, 33], .f16), .init([8, 33], .f16)], constant(12, 0x23)),
  Mutant(
    "Conv3D.matrix: the last positions are not computed", same, [frames, kernel3, .init([17])], symptom: .notANumber,
    .dispatches { $0.changingLast { $0.exchange(.count(30), .count(29)) } }),
  Mutant(
    "Conv3D.matrix: there are no barriers", same, [frames, kernel3, .init([17])], symptom: .wrongNumbers,
    withoutBarriers("Conv3D.matrix.f16")),
  Mutant(
    "Conv3D.matrix: pixels are not doubled", Conv3D(padding: .init(leading: 1, trailing: 1), upsamples: true),
    [.init([1, 5, 6, 8], .f16), .init([17, 1, 3, 3, 8], .f16), .init([17])], constant(13, 0)),
  Mutant(
    "Conv3D.matrix: the kernel is a column narrower", same, [frames, kernel3, .init([17])], constant(16, 2)),
  Mutant(
    "Conv3D.matrix: history is the first frame of x", same, [frames, kernel3, .init([17]), .init([1, 5, 6, 8], .f16)],
    .dispatches { $0.changingLast { $0.push[1] = .input(0) } }),
  Mutant(
    "Conv3D.matrix: the residual is left out", Conv3D(padding: .init(leading: 0, trailing: 0), addsResidual: true),
    [.init([1, 5, 6, 8], .f16), .init([17, 1, 1, 1, 8], .f16), .init([17]), .init([1, 5, 6, 17])], constant(10, 0)),
  Mutant(
    "Conv3D.matrix: the frame is padded on the wrong side", Conv3D(padding: .init(leading: 0, trailing: 1)),
    [.init([1, 6, 7, 8], .f16), .init([17, 1, 2, 2, 8], .f16), .init([17])],
    .dispatches { $0.changingLast { $0.push[20] = .count(1) } }),
]
