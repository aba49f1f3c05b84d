import Foundation
import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

struct ComparisonTests {
  private func compare(_ actual: [Float], _ expected: [Float], _ shape: Shape) -> Comparison {
    Comparison(actual: Tensor(actual, shape), expected: Tensor(expected, shape))
  }

  @Test("NMSE is normalised by the expected numbers; the worst place is a multi-index")
  func numbers() {
    let comparison = compare([1, 2, 3, 4, 5, 9], [1, 2, 3, 4, 5, 6], [2, 3])
    #expect(comparison.nmse == 9.0 / 91.0)
    #expect(comparison.maxAbs == 3)
    #expect(comparison.worstIndex == [1, 2])
    #expect(comparison.verdict(bound: 0.1) == .pass)
    #expect(comparison.verdict(bound: 0.09) == .exceeds(nmse: 9.0 / 91.0, bound: 0.09))
  }

  @Test("Expected zeros leave the actual numbers' own square sum")
  func zeros() {
    #expect(compare([3, 4], [0, 0], [2]).nmse == 25)
    #expect(compare([0, 0], [0, 0], [2]).verdict(bound: 0) == .pass)
  }

  @Test("Errors far below float32's smallest square are still seen")
  func tiny() {
    let comparison = compare([2e-30], [1e-30], [1])
    #expect(abs(comparison.nmse - 1) < 1e-6)
  }

  @Test("NaN before infinity before guards before error")
  func order() {
    let both = compare([.infinity, 0, .nan, 0], [9, 9, 9, 9], [2, 2])
    #expect(both.verdict(bound: 1, guardViolations: ["g"]) == .notANumber([1, 0]))
    let infinite = compare([0, .infinity], [9, 9], [2])
    #expect(infinite.verdict(bound: 1, guardViolations: ["g"]) == .infinite([1]))
    let wrong = compare([0, 0], [9, 9], [2])
    #expect(wrong.verdict(bound: 1e-3, guardViolations: ["g"]) == .guardViolation("g"))
    #expect(compare([9], [9], [1]).verdict(bound: 1, guardViolations: ["g"]) == .guardViolation("g"))
    #expect(wrong.verdict(bound: 1e-3) == .exceeds(nmse: 1, bound: 1e-3))
  }

  @Test("Numbers that are not finite fail even where both sides have them")
  func notFiniteOnBothSides() {
    #expect(compare([.nan], [.nan], [1]).verdict(bound: .infinity) == .notANumber([0]))
    #expect(compare([.infinity], [.infinity], [1]).verdict(bound: .infinity) == .infinite([0]))
  }

  @Test("Scalars and empty tensors have an empty index")
  func degenerate() {
    #expect(compare([1], [2], []).worstIndex == [])
    let empty = compare([], [], [0, 3])
    #expect(empty.worstIndex == [] && empty.nmse == 0 && empty.maxAbs == 0)
  }

  /// A case with two outputs' worth of judging is built from a copy op; only its title and bound matter.
  private let opCase = OpCase("judged", Elementwise(.add), [.init([2]), .init([2])])

  @Test("A check reports thrown errors, wrong shapes, missing outputs and the gravest output")
  func check() {
    let good = Tensor([1, 2] as [Float], [2])
    let poor = Tensor([1, 3] as [Float], [2])
    let broken = Tensor([.nan, 2] as [Float], [2])
    func run(_ outputs: [Tensor], _ expected: [Tensor]) -> ParityResult {
      ParityCheck.run(opCase, device: "d") { _ in
        .init(outputs: outputs, kernels: ["A", "B"])
      } reference: { _ in
        expected
      }
    }
    let passed = run([good], [good])
    #expect(passed.pass && passed.failure == nil && passed.nmse == 0 && passed.variant == "A+B")
    #expect(passed.name == "Elementwise: judged" && passed.device == "d" && passed.dtype == "f32")
    #expect(run([good, poor], [good, good]).failure?.contains("NMSE 0.2 ") == true)
    #expect(run([poor, broken], [good, good]).failure == "NaN at [0]")
    #expect(run([broken, poor], [good, good]).failure == "NaN at [0]")
    #expect(!run([good], [good.reshaped([1, 2])]).pass)
    #expect(!run([], [good]).pass)
    #expect(!run([], []).pass)
    let thrown = ParityCheck.run(opCase, device: "d") { _ in
      throw OpError("Elementwise", "lost")
    } reference: { _ in
      [good]
    }
    #expect(!thrown.pass && thrown.failure == "Elementwise: lost" && thrown.nmse.isNaN)
  }

  @Test("Machine output has the documented keys, and null where a number is not finite")
  func machineOutput() throws {
    func encode(_ actual: [Float]) throws -> String {
      let result = ParityCheck.run(opCase, device: "d") { _ in
        .init(outputs: [Tensor(actual, [2])], kernels: ["Elementwise.add.f32"])
      } reference: { _ in
        [Tensor([1, 2] as [Float], [2])]
      }
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      return String(decoding: try encoder.encode(result), as: UTF8.self)
    }
    let start = #"{"bound":1e-13,"device":"d","dtype":"f32","#
    let end = #""variant":"Elementwise.add.f32","worstIndex":[0]}"#
    #expect(
      try encode([1, 2]) == start + #""maxAbs":0,"name":"Elementwise: judged","nmse":0,"pass":true,"# + end)
    #expect(
      try encode([.nan, 2]) == start
        + #""failure":"NaN at [0]","maxAbs":null,"name":"Elementwise: judged","nmse":null,"pass":false,"# + end)
  }
}
