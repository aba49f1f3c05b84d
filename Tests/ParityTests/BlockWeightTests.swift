import Glibc
import LumosFiles
import LumosGraph
import LumosModels
import LumosOpSuite
import LumosReference
import LumosTensor
import LumosVulkan
import Testing

/// Networks whose weights are in blocks, from a GGUF file to the latent.
@Suite(.serialized) struct BlockWeightTests {
  /// Weights of a GGUF file, widened to float32 before anything sees them.
  private struct Widened: WeightSource {
    let stored: CheckpointWeights

    func type(ofWeight name: String) -> TensorType? {
      stored.type(ofWeight: name).map { $0.dtype.block == nil ? $0 : TensorType($0.shape, .f32) }
    }
    func weight(_ name: String) throws -> Tensor {
      let tensor = try stored.weight(name)
      return tensor.dtype.block == nil ? tensor : tensor.converted(to: .f32)
    }
  }

  /// The golden transformer in a GGUF file of this type.
  private static func stored(_ dtype: DType) throws -> (weights: CheckpointWeights, records: [WeightQuantizer.Record]) {
    let golden = GoldenTests.fixtures + "/golden/transformer/weights.safetensors"
    let path = "/tmp/lumos-blocks-\(UInt64.random(in: .min ... .max)).gguf"
    var records: [WeightQuantizer.Record] = []
    try WeightQuantizer(to: dtype).write(CheckpointWeights(SafetensorsFile(golden)), to: path) { records.append($0) }
    // What is mapped stays.
    defer { unlink(path) }
    return (CheckpointWeights(try GGUFFile(path)), records)
  }

  private static func run(_ weights: any WeightSource, on backend: any Backend) throws -> SamplingCase.Result {
    let golden = try SamplingCase.golden()
    let one = SamplingCase(
      description: "blocks", configuration: golden.configuration, weights: weights, layout: golden.layout,
      guide: golden.guide, noises: golden.noises)
    return try one.run(.all, on: backend, steps: 2)
  }

  @Test("Weights in blocks give what their widened numbers give, on both backends", arguments: [DType.q8_0, .q4_K])
  func sampling(dtype: DType) throws {
    let (weights, records) = try Self.stored(dtype)
    #expect(weights.names.contains { weights.type(ofWeight: $0)?.dtype == dtype })
    #expect(records.filter { $0.dtype == dtype }.count == 2 * 10)
    #expect(records.allSatisfy { ($0.relativeError ?? 0) < (dtype == .q8_0 ? 0.01 : 0.1) })
    let expected = try Self.run(Widened(stored: weights), on: ReferenceBackend())
    let vulkan = VulkanBackend(device: try ParityDevice.shared.get())
    for backend: any Backend in [ReferenceBackend(), vulkan] {
      let result = try Self.run(weights, on: backend)
      for (one, other) in zip(result.latents + result.velocities, expected.latents + expected.velocities) {
        let comparison = Comparison(actual: one, expected: other)
        #expect(comparison.nmse < 1e-10, "\(backend.name): \(comparison.nmse)")
      }
    }
    // They are other weights than the golden ones, though near to them.
    let golden = try Self.run(SamplingCase.golden().weights, on: ReferenceBackend())
    let distance = Comparison(actual: expected.latents[0], expected: golden.latents[0]).nmse
    #expect(distance > 1e-8 && distance < 0.05, "\(distance)")
  }

  @Test("Streamed in slots they give the same")
  func streamed() throws {
    let (weights, _) = try Self.stored(.q8_0)
    let vulkan = VulkanBackend(device: try ParityDevice.shared.get())
    let golden = try SamplingCase.golden()
    func latent(_ options: SessionOptions) throws -> Tensor {
      let sampler = Sampler(
        TransformerGraph(golden.configuration, layout: golden.layout),
        session: vulkan.makeSession(weights: weights, options: options), weights: weights,
        height: golden.noises[0].shape[1], width: golden.noises[0].shape[2], shortcuts: .all)
      let one = SamplingCase(
        description: "blocks", configuration: golden.configuration, weights: weights, layout: golden.layout,
        guide: golden.guide, noises: golden.noises)
      return try one.run(sampler, steps: 1).latents[0]
    }
    let (resident, streamed) = (
      try latent(SessionOptions()), try latent(SessionOptions(residency: .streamed(slotBytes: 100_000)))
    )
    #expect(resident.floats() == streamed.floats())
  }
}
