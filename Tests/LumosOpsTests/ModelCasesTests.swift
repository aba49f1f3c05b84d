import LumosKernels
import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan
import Testing

/// Benchmark cases that are made for a size.
struct ModelCasesTests {
  @Test("Sizes have the published model's tokens and spans")
  func sizes() throws {
    let first = try #require(ModelSize.all.first)
    #expect(first.name == "480x832x81, 7 conditions" && first.tokens == 43680 && first.videoTokens == 32760)
    #expect(first.spans.map { $0.queryEnd - $0.queryStart } == [32760, 1560, 4680, 4680])
    #expect(first.spans.map { $0.keyEnd - $0.keyStart } == [43680, 1560, 4680, 4680])
    #expect(ModelSize.all.map(\.conditions) == [7, 0, 3, 10, 7, 0, 3, 10])
    #expect(ModelSize.all.map(\.tokens).max() == 111_600)
    #expect(first.scaled(by: 1) == first)
    #expect(first.scaled(by: 1e-9).area == 1)
  }

  @Test("Every case fits its op and lowers to kernels of the pack", arguments: [1, 1.0 / 64, 1e-6])
  func cases(scale: Double) throws {
    let cases = ModelCases.all(scale: scale)
    #expect(Set(cases.map(\.title)).count == cases.count)
    for opCase in cases {
      let inputs = opCase.inputs.map(\.type)
      let types = LoweredTypes(inputs: inputs, outputs: try opCase.op.outputTypes(inputs))
      let lowering = try #require(opCase.op as? any VulkanLowering)
      let dispatches = try lowering.lower(types, .minimum)
      #expect(!dispatches.isEmpty && dispatches.allSatisfy { KernelPack.names.contains($0.kernel) }, "\(opCase.title)")
      #expect(opCase.op.flops(inputs) > 0 && opCase.op.bytesMoved(inputs) > 0)
    }
  }

  @Test("Rows of a row-wise case scale, others do not")
  func scaling() throws {
    let rows = OpCase("rows", GatedAdd(gateRow: 0), [.init([640, 3]), .init([640, 3]), .init([6, 3])])
    let scaled = try #require(rows.scaled(by: 1.0 / 64))
    #expect(scaled.inputs.map(\.type.shape) == [[10, 3], [10, 3], [6, 3]])
    #expect(scaled.name == "rows at scale 1/64")
    let whole = OpCase(
      "whole", Attention(heads: 1, scale: 1, spans: []), Array(repeating: OpCase.Input([4, 4]), count: 3))
    #expect(whole.scaled(by: 0.5) == nil)
  }
}
