import LumosGraph
import LumosModels
import LumosOpSuite
import LumosPipeline
import LumosReference
import LumosTensor
import LumosVulkan
import Testing

/// The networks in half precision: device against a reference that rounds alike, and both against the published code's
/// tensors.
@Suite struct HalfPrecisionTests {
  static let types: [DType] = [.f16, .bf16]

  static func vulkan(_ precision: Precision) throws -> VulkanBackend {
    var backend = VulkanBackend(device: try PassParityTests.device.get())
    backend.precision = precision
    return backend
  }

  @Test("Goldens hold within twice the published mixed precision's distance", arguments: ["vae/cases"])
  func goldens(name: String) throws {
    let backends: [any Backend] = [ReferenceBackend(precision: .half(.f16)), try Self.vulkan(.half(.f16))]
    for backend in backends {
      let results = try GoldenTests.suite().run(on: backend, precision: .mixed, matching: { $0 == name })
      #expect(results.count == GoldenTests.comparisons[name])
      GoldenTests.expectPass(results)
      // It does round: in single precision these errors are below 1e-12.
      #expect(results.allSatisfy { $0.nmse > 1e-11 }, "\(results.map(\.nmse))")
    }
  }

  @Test(
    "The transformer and its blocks in either type hold within the same distance", arguments: types,
    ["transformer/full_2h_obj_bg", "transformer/nocond_wan", "block/humans2_obj_bg"])
  func transformer(dtype: DType, name: String) throws {
    for backend: any Backend in [ReferenceBackend(precision: .half(dtype)), try Self.vulkan(.half(dtype))] {
      let results = try GoldenTests.suite().run(on: backend, precision: .mixed, matching: { $0 == name })
      #expect(results.count == GoldenTests.comparisons[name])
      GoldenTests.expectPass(results)
      let largest = results.filter { $0.nmse.isFinite }.map(\.nmse).max() ?? 0
      #expect(largest > (dtype == .f16 ? 1e-8 : 1e-7), "\(results.map(\.nmse))")
    }
  }

  @Test("Ten steps in half precision end within the distance of the published mixed precision")
  func sampler() throws {
    for backend: any Backend in [ReferenceBackend(precision: .half(.f16)), try Self.vulkan(.half(.f16))] {
      let results = try GoldenTests.suite().run(on: backend, precision: .mixed, matching: { $0 == "sampler/steps10" })
      #expect(results.count == GoldenTests.comparisons["sampler/steps10"])
      GoldenTests.expectPass(results)
    }
  }

  @Test("The text encoder rounds to bf16, which has its range, and computes in float32 where the half type is f16")
  func textEncoder() throws {
    func results(_ dtype: DType, _ precision: GoldenPrecision) throws -> [GoldenResult] {
      try GoldenTests.suite().run(
        on: ReferenceBackend(precision: .half(dtype)), precision: precision, matching: { $0 == "umt5/cases" })
    }
    let (wide, single) = (try results(.bf16, .mixed), try results(.f16, .float32))
    #expect(wide.count == GoldenTests.comparisons["umt5/cases"] && single.count == wide.count)
    GoldenTests.expectPass(single)
    #expect(wide.contains { $0.nmse > 1e-7 } && wide.allSatisfy { !($0.nmse > 1e-3) }, "\(wide.map(\.nmse))")
  }

  @Test("Decoding on the device agrees with a reference that rounds alike", arguments: types)
  func decoding(dtype: DType) throws {
    let configuration = DecoderPartsTests.configurations[0]
    let latent = DecoderPartsTests.latent(3, configuration)
    let weights = DecoderPartsTests.Weights(configuration)
    func frames(_ backend: any Backend) throws -> [Tensor] {
      try DecoderPartsTests.decoded(latent, configuration, backend.makeSession(weights: weights))
    }
    let single = try frames(ReferenceBackend())
    let reference = try frames(ReferenceBackend(precision: .half(dtype)))
    let device = try frames(Self.vulkan(.half(dtype)))
    #expect(single.count == 9 && reference.count == 9 && device.count == 9)
    for (index, frame) in single.enumerated() {
      let alike = Comparison(actual: device[index], expected: reference[index])
      #expect(alike.verdict(bound: 1e-5) == .pass, "frame \(index): \(alike)")
      // f16 has 11 significant bits, bf16 8.
      let rounding = Comparison(actual: reference[index], expected: frame)
      #expect(rounding.verdict(bound: dtype == .f16 ? 1e-5 : 1e-3) == .pass, "frame \(index): \(rounding)")
      #expect(rounding.nmse > 1e-9, "frame \(index): \(rounding)")
    }
  }

  @Test("Videos and pictures are encoded alike too", arguments: types)
  func encoding(dtype: DType) throws {
    let configuration = DecoderPartsTests.configurations[0]
    let weights = DecoderPartsTests.Weights(configuration)
    var random = SplitMix64(seed: 11)
    let shape: Shape = [9, 16, 24, 3]
    let video = Tensor((0..<shape.count).map { _ in random.unit() * 2 - 1 }, shape)
    func latent(_ backend: any Backend, frames: Int) throws -> Tensor {
      try VAEEncoder(
        configuration, session: backend.makeSession(weights: weights), weights: weights, height: 16, width: 24
      ).encode(video.rows(0..<frames))
    }
    for frames in [1, 9] {
      let reference = try latent(ReferenceBackend(precision: .half(dtype)), frames: frames)
      let alike = Comparison(actual: try latent(Self.vulkan(.half(dtype)), frames: frames), expected: reference)
      #expect(alike.verdict(bound: 1e-5) == .pass, "\(frames) frames: \(alike)")
      let rounding = Comparison(actual: reference, expected: try latent(ReferenceBackend(), frames: frames))
      #expect(rounding.verdict(bound: dtype == .f16 ? 1e-5 : 1e-3) == .pass && rounding.nmse > 1e-9, "\(rounding)")
    }
  }

  @Test("Graphs of a session agree on the types of their states, and half of the caches' bytes remain")
  func states() throws {
    let configuration = VAEConfiguration()
    let weights = DecoderPartsTests.Weights(configuration)
    let session = try PlanningBackend().makeSession(weights: weights)
    let encoder = VAEEncoder(configuration, session: session, weights: weights, height: 480, width: 832)
    let decoder = VAEDecoder(configuration, session: session, weights: weights, latentHeight: 60, latentWidth: 104)
    let graphs = [
      try [encoder.graph(.first), encoder.graph(.later)],
      try [decoder.graph(.lower(.first)), decoder.graph(.lower(.later)), decoder.graph(.upper(.later))],
    ]
    for graphs in graphs {
      var types: [String: TensorType] = [:]
      for graph in graphs.map({ Precision.half(.f16).apply(to: $0) }) {
        for (name, type) in graph.states
          + graph.stateUpdates.filter({ !$0.appends }).map({ ($0.state, graph[$0.value].type) })
        {
          #expect(types[name] ?? type == type, "\(name)")
          types[name] = type
        }
        for update in graph.stateUpdates { #expect(graph[update.value].type.dtype == types[update.state]?.dtype) }
        // Only what no norm has made is converted by itself.
        let conversions = Passes.all.apply(to: graph).nodes.filter { $0.op.name == "Convert" }
        #expect(conversions.count <= 3, "\(conversions.map(\.label))")
      }
      #expect(types.filter { $0.value.dtype == .f32 }.keys.allSatisfy { $0 == "decoder.queue" })
    }
  }
}
