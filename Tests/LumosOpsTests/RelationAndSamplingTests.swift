import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosReference

/// References of the small ops around attention and sampling, against their definitions written out.
@Suite struct RelationAndSamplingTests {
  private func evaluate(_ op: some ReferenceKernel, _ inputs: [Tensor]) throws -> [[Double]] {
    op.evaluate(inputs.map { ReferenceArray<Double>($0) }, outputs: try op.outputTypes(inputs.map(\.type)))
  }

  private func random(_ shape: Shape, seed: UInt64) -> Tensor {
    var generator = SplitMix64(seed: seed)
    return Tensor((0..<shape.count).map { _ in generator.normal() }, shape)
  }

  @Test(arguments: [(6, 10), (9, 13), (8, 8), (1, 1)])
  func pooledQueriesAverageWithZerosBeyondTheBorder(_ height: Int, _ width: Int) throws {
    let cells = RelationCells(firstToken: 5, images: 2, height: height, width: width)
    let q = random([5 + 2 * height * width, 3], seed: 1)
    let pooled = try evaluate(PooledQueries(cells), [q])[0]
    let values = q.doubles()
    for image in 0..<2 {
      for (row, column) in (0..<cells.rows).flatMap({ row in (0..<cells.columns).map { (row, $0) } }) {
        for channel in 0..<3 {
          var sum = 0.0
          for y in 8 * row..<8 * row + 8 {
            for x in 8 * column..<8 * column + 8 where y < height && x < width {
              sum += values[(5 + image * height * width + y * width + x) * 3 + channel]
            }
          }
          let cell = (image * cells.rows + row) * cells.columns + column
          #expect(abs(pooled[cell * 3 + channel] - sum / 64) < 1e-15)
        }
      }
    }
  }

  @Test func relationBiasIsTheWeightedMagnitude() throws {
    let (images, cells, keys, heads, size) = (2, 3, 5, 2, 4)
    let op = RelationBias(heads: heads, scale: 0.5, ratio: 0.25)
    let inputs = [
      random([images * cells, heads * size], seed: 2), random([keys, heads * size], seed: 3),
      random([images, keys], seed: 4),
    ]
    let bias = try evaluate(op, inputs)[0]
    let (q, k, w) = (inputs[0].doubles(), inputs[1].doubles(), inputs[2].doubles())
    for cell in 0..<images * cells {
      for head in 0..<heads {
        for key in 0..<keys {
          var score = 0.0
          for channel in head * size..<(head + 1) * size {
            score += q[cell * heads * size + channel] * k[key * heads * size + channel]
          }
          let expected = 0.25 * abs(0.5 * score) * w[cell / cells * keys + key]
          #expect(abs(bias[(cell * heads + head) * keys + key] - expected) < 1e-15)
        }
      }
    }
  }

  @Test func rotaryTurnsNeighbouringChannels() throws {
    // A quarter turn takes (a, b) to (-b, a); no turn leaves them.
    let x = Tensor([1, 2, 3, 4, 5, 6, 7, 8] as [Float], [1, 8])
    let (cosines, sines): ([Float], [Float]) = ([0, 1], [1, 0])
    let turned = try evaluate(Rotary(heads: 2), [x, Tensor(cosines, [1, 2]), Tensor(sines, [1, 2])])[0]
    #expect(turned == [-2, 1, 3, 4, -6, 5, 7, 8])
  }

  @Test func solverStepFollowsItsDefinition() throws {
    let step = SolverStep.Coefficients(guidance: 6, sigma: 0.5, latent: 0.75, prediction: 0.25, correction: 0.5)
    func one(_ value: Float) -> Tensor { Tensor([value], [1]) }
    let results = try evaluate(SolverStep(), [one(2), one(1), one(0.5), one(3), step.tensor])
    // v = 0.5 + 6 · 0.5 = 3.5; x0 = 2 - 1.75 = 0.25; D = 0.25 + 0.5 (0.25 - 3) = -1.125; x = 1.5 - 0.28125.
    #expect(results == [[1.21875], [0.25]])
  }

  @Test func firstOrderStepIgnoresThePreviousPrediction() throws {
    let step = SolverStep.Coefficients(guidance: 6, sigma: 0.5, latent: 0.75, prediction: 0.25, correction: 0)
    func one(_ value: Float) -> Tensor { Tensor([value], [1]) }
    let results = try evaluate(SolverStep(), [one(2), one(1), one(0.5), one(.nan), step.tensor])
    #expect(results == [[1.5625], [0.25]])
  }
}
