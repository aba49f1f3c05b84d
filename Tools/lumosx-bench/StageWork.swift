import LumosCommand
import LumosFiles
import LumosGraph
import LumosModels
import LumosTensor
import LumosVulkan

/// The stages of a generation of one size, to be timed on a device.
struct StageWork {
  private let outline: SceneOutline
  private let (height, width): (Int, Int)
  private let command: StepCommand
  private let transformer: TransformerConfiguration
  private let vae = VAEConfiguration()
  private let layout: Layout

  /// - Throws: `LumosError(.usage)` for a size or a layout that is malformed.
  init(_ command: StepCommand) throws {
    let parts = command.size.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let height = parts[0], let width = parts[1],
      (16...4096).contains(height) && (16...4096).contains(width) && height % 16 == 0 && width % 16 == 0
    else {
      throw LumosError(
        .usage, "\"\(command.size)\" is not a size", at: "--size", advice: "write 480x832, multiples of 16")
    }
    outline = try SceneOutline(command.layout)
    (self.height, self.width) = (height, width)
    self.command = command
    transformer = TransformerConfiguration(layers: command.layers)
    layout = Layout(
      latentFrames: vae.latentFrames(frames: command.frames), rows: height / 16, columns: width / 16,
      plainConditions: outline.plainConditions, humanGroups: outline.humanGroups)
  }

  /// `"480x832x81, 7 conditions, 30 layers"`.
  var sizeText: String {
    "\(height)x\(width)x\(command.frames), \(outline.conditions) conditions, \(command.layers) layers"
  }

  /// Times a stage; one that is predicted to take absurdly long is skipped.
  func measure(_ stage: StepCommand.Stage, on backend: VulkanBackend, _ peaks: DevicePeaks) throws -> StageRecord {
    switch stage {
    case .transformer: try evaluation(backend, peaks)
    case .vaeDecode: try decoding(backend, peaks)
    }
  }

  private func record(
    _ stage: StepCommand.Stage, _ backend: VulkanBackend, _ peaks: DevicePeaks, flops: Double, seconds: [Double],
    peakBytes: Int, skipped: String? = nil
  ) -> StageRecord {
    let type: DType = backend.precision == .single ? .f32 : .f16
    let roof = flops / max(peaks.flopsPerSecond(type), 1)
    let size = stage == .transformer ? sizeText : "\(height)x\(width)x\(command.frames)"
    return StageRecord(
      stage: stage.rawValue, size: size, tokens: layout.tokens, device: backend.device.title,
      precision: backend.precision.name, flops: flops, roofSeconds: roof, seconds: seconds, peakBytes: peakBytes,
      skipped: skipped)
  }

  /// Why a stage of so many operations is not to be tried, or nil.
  private func refusal(_ flops: Double, _ backend: VulkanBackend) -> String? {
    let predicted = flops / DeviceClass.of(backend.device.description).rates.flopsPerSecond
    guard predicted > 4 * command.seconds else { return nil }
    return "predicted to take \(Text.seconds(predicted)) on this device: choose a smaller --size, fewer --frames or "
      + "fewer --layers"
  }

  private func random(_ shape: Shape) -> Tensor {
    let block = Patterns.normal(.f32, 1).floats()
    return Tensor((0..<shape.count).map { block[$0 % block.count] }, shape)
  }

  // MARK: - Transformer

  private func evaluation(_ backend: VulkanBackend, _ peaks: DevicePeaks) throws -> StageRecord {
    let weights = RandomWeights(
      shapes: ExpectedTensors.transformer(transformer), dtype: backend.precision == .single ? .f32 : .f16)
    let session = TimedSession(backend.makeSession(weights: weights))
    let sampler = Sampler(
      TransformerGraph(transformer, layout: layout), session: session, weights: weights, height: height / 8,
      width: width / 8)
    let latent: Shape = [layout.latentFrames, height / 8, width / 8, vae.latentChannels]
    let text = random([command.textTokens, transformer.textWidth])
    let conditions = layout.conditions
    let masks = (0..<conditions).map { image in (0..<transformer.textLength).map { $0 / 2 == image } }
    let guide = Sampler.Guide(
      conditions: conditions > 0 ? random(Shape([conditions] + latent.dimensions.dropFirst())) : nil, masks: masks,
      prompt: text, negativePrompt: text)
    // Planning needs no memory and tells what a step costs.
    let flops = Double(try sampler.graphs(guide).halves(weights).step.flops) / 2
    if let reason = refusal(2 * flops, backend) {
      return record(.transformer, backend, peaks, flops: flops, seconds: [], peakBytes: 0, skipped: reason)
    }
    // Two steps in which kernels are compiled and the work is cut anew, as long as there is time.
    let start = ContinuousClock.now
    session.onProgress = { _, _ in try Interruption.check() }
    do {
      _ = try sampler.sample(
        noise: random(latent), guide: guide, schedule: Schedule(steps: command.runs + 2)
      ) { step, _ in
        try Interruption.check()
        if start.duration(to: .now) / .seconds(1) > command.seconds { throw TimeIsUp() }
      }
    } catch is TimeIsUp {}
    let most = session.runs.map(\.flops).max() ?? 0
    let steps = session.runs.filter { $0.flops == most }.map { $0.seconds / 2 }
    let counted = steps.count > 2 ? Array(steps.dropFirst(2)) : Array(steps.suffix(1))
    return record(
      .transformer, backend, peaks, flops: flops, seconds: counted, peakBytes: session.peakDeviceBytes)
  }

  /// A stage has had its time; what was measured counts.
  private struct TimeIsUp: Error {}

  // MARK: - Decoder

  private func decoding(_ backend: VulkanBackend, _ peaks: DevicePeaks) throws -> StageRecord {
    let weights = RandomWeights(
      shapes: ExpectedTensors.vae(vae), dtype: backend.precision == .single ? .f32 : .f16)
    let flops = Double(try decoderFlops(weights))
    if let reason = refusal(flops, backend) {
      return record(.vaeDecode, backend, peaks, flops: flops, seconds: [], peakBytes: 0, skipped: reason)
    }
    let session = TimedSession(backend.makeSession(weights: weights))
    let decoder = VAEDecoder(
      vae, session: session, weights: weights, latentHeight: height / 8, latentWidth: width / 8)
    session.onProgress = { _, _ in try Interruption.check() }
    // The first video compiles and learns; a second one counts, if there is time for it.
    var times: [Double] = []
    let start = ContinuousClock.now
    for _ in 0..<2 {
      let before = session.runs.count
      try decoder.decode(random([layout.latentFrames, height / 8, width / 8, vae.latentChannels])) { _ in
        try Interruption.check()
      }
      times = [session.runs[before...].reduce(0) { $0 + $1.seconds }]
      if start.duration(to: .now) / .seconds(1) > command.seconds / 2 { break }
    }
    return record(
      .vaeDecode, backend, peaks, flops: flops, seconds: times, peakBytes: session.peakDeviceBytes)
  }

  /// Operations of a whole video: of all runs that a decoder makes of a backend that computes nothing.
  private func decoderFlops(_ weights: RandomWeights) throws -> Int {
    let session = TimedSession(PlanningSession())
    let decoder = VAEDecoder(
      vae, session: session, weights: weights, latentHeight: height / 8, latentWidth: width / 8)
    try decoder.decode(Tensor([layout.latentFrames, height / 8, width / 8, vae.latentChannels], .f32) { _ in }) { _ in }
    return session.runs.reduce(0) { $0 + $1.flops }
  }
}

/// One stage on one device: a line of `step --json`.
struct StageRecord {
  let stage: String
  let size: String
  let tokens: Int
  let device: String
  let precision: String
  /// Of an evaluation or a video.
  let flops: Double
  /// The least time that they can take.
  let roofSeconds: Double
  /// Of every run that counts.
  let seconds: [Double]
  let peakBytes: Int
  let skipped: String?

  private var median: Double {
    let sorted = seconds.sorted()
    return sorted.isEmpty ? .nan : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("stage", .string(stage)), .init("size", .string(size)), .init("tokens", .integer(tokens)),
      .init("device", .string(device)), .init("precision", .string(precision)), .init("flops", .number(flops)),
    ]
    if let skipped {
      members.append(.init("skipped", .string(skipped)))
    } else {
      members += [
        .init("medianSeconds", .number(median)), .init("minSeconds", .number(seconds.min() ?? .nan)),
        .init("maxSeconds", .number(seconds.max() ?? .nan)), .init("runs", .integer(seconds.count)),
        .init("tflops", .number(flops / median / 1e12)), .init("shareOfPeak", .number(roofSeconds / median)),
        .init("peakDeviceBytes", .integer(peakBytes)),
      ]
    }
    return .object(members)
  }

  /// For people.
  var line: String {
    if let skipped { return "\(stage), \(size): skipped: \(skipped)" }
    let share = Text.fixed(100 * roofSeconds / median, 1)
    return "\(stage), \(size), \(precision): \(Text.seconds(median)), \(Text.short(flops / median / 1e12)) TFLOP/s, "
      + "\(share) % of the peak, \(Text.fixed(Double(peakBytes) / 0x1p30, 2)) GiB"
  }
}
