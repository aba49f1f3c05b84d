import Glibc
import Logging
import LumosFiles
import LumosGraph
import LumosMedia
import LumosModels
import LumosTensor
import LumosText

/// Turns a scene folder into a video on one backend.
///
/// ```swift
/// let bundle = try ModelBundle("weights")
/// let pipeline = try Pipeline(bundle: bundle, backend: ReferenceBackend())
/// let result = try pipeline.generate(Request(scenePath: "scene"), to: "out.mp4") { print($0) }
/// ```
///
/// The stages run one after the other, each with a session of its own, so that the device holds the weights of one
/// network at a time.
public struct Pipeline: Sendable {
  /// Weights and configuration.
  public let bundle: ModelBundle
  /// Where the networks run.
  public let backend: any Backend
  /// Steps of the solver after which latents are kept on the host, for a device that may be lost. Nil: 1 where a
  /// latent is small (under 16 MiB), else 5. Nothing is kept without `rebuild`.
  public var checkpointEvery: Int?
  /// Steps of the solver after which a preview of each video is shown (`GenerationEvent.preview`); nil for none. The
  /// videos do not depend on it.
  public var previewEvery: Int?
  /// Bytes of device memory that there are; nil for no limit. Backends that do not count theirs have none.
  public var memoryBudget: Int?
  /// What may be done about memory.
  public var ladder = MemoryLadder()
  /// Changes to the transformer's weights, all of which apply.
  public var adapters: [Adapter] = []
  /// Where encoded texts are kept from one generation to the next; nil for nowhere.
  public var contexts: ContextCache?
  private let rebuild: (@Sendable () throws -> any Backend)?
  private let tokenizer: Tokenizer
  private let logger: Logger

  /// Checks every tensor's name and shape, and loads the tokenizer.
  /// - Parameters:
  ///   - memoryBudget: bytes of device memory that there are; nil for no limit.
  ///   - rebuild: makes a new backend if the device of the first is lost in the middle of a generation, which then goes
  ///     on from the last step that was kept. Once per generation.
  /// - Throws: `LumosError(.badInput)` if the bundle is incomplete or inconsistent.
  public init(
    bundle: ModelBundle, backend: any Backend, memoryBudget: Int? = nil,
    rebuild: (@Sendable () throws -> any Backend)? = nil,
    logger: Logger = Logger(label: "lumosx")
  ) throws {
    try bundle.verify()
    self.bundle = bundle
    self.backend = backend
    self.memoryBudget = memoryBudget
    self.rebuild = rebuild
    self.logger = logger
    tokenizer = try Tokenizer(modelPath: bundle.tokenizerPath, tokenizerJSONPath: bundle.tokenizerJSONPath)
  }

  /// Generates the video of `request` and writes it to `path`: MP4, or PNG for a single frame. Nothing appears there
  /// before the video is complete.
  ///
  /// With several seeds the videos are sampled together and then decoded one after the other; `-seedN` stands in their
  /// names before the ending.
  ///
  /// - Parameters:
  ///   - contactSheet: also write the frames side by side, PNG.
  ///   - onEvent: hears of stages, steps and warnings; what it throws ends the work, between two submissions.
  /// - Throws: `LumosError`, `.tryAgain` if the memory does not suffice (before anything has been done) or the device is
  ///   lost (again, where it can be rebuilt); `CancellationError` if
  ///   the surrounding task is cancelled.
  public func generate(
    _ request: Request, to path: String, contactSheet: String? = nil,
    onEvent: (GenerationEvent) throws -> Void = { _ in }
  ) throws -> GenerationResult {
    let settings = try Settings(request, defaults: bundle.configuration)
    // Everything that can be refused is refused before hours of work: the scene, its images, the output.
    let scene = try Scene(request.scenePath, mode: request.mode)
    for warning in scene.warnings { try onEvent(.warning(warning)) }
    let images = try scene.entities.map { try ImageReader.read($0.path) }
    let noises = try initialNoises(request, settings)
    let targets = settings.seeds.map { seed in
      let part = request.seeds == nil ? nil : seed
      return (path: OutputPath.path(path, seed: part), sheet: contactSheet.map { OutputPath.path($0, seed: part) })
    }
    for target in targets { for path in [target.path, target.sheet].compactMap({ $0 }) { try OutputPath.check(path) } }
    let layout = Self.layout(of: scene, noises[0], bundle.configuration.transformer, request.ablation)
    let options = try memoryPlan(scene, settings, request.ablation, onEvent)
    var output = try FrameOutput(targets[0].path, contactSheet: targets[0].sheet, settings: settings)

    var clock = StageClock()
    var recovery = Recovery(backend, rebuild)
    try clock.enter(.textEncoder, onEvent)
    let text = try encodeText(scene, settings, options, &recovery, &clock, onEvent)
    try clock.enter(.vaeEncode, onEvent)
    let (conditions, colours) = try encodeImages(images, settings, &recovery, &clock, onEvent)
    try clock.enter(.transformer, onEvent)
    let guide = Sampler.Guide(
      conditions: conditions, masks: text.masks, prompt: text.prompt, negativePrompt: text.negative,
      guidance: settings.guidance)
    let latents = try sample(noises, guide, layout, colours, settings, options, &recovery, &clock, onEvent)
    try clock.enter(.vaeDecode, onEvent)
    var outputs: [GenerationResult.Output] = []
    for (index, (latent, target)) in zip(latents, targets).enumerated() {
      if index > 0 { output = try FrameOutput(target.path, contactSheet: target.sheet, settings: settings) }
      try decode(latent, video: index, settings, output, &recovery, &clock, onEvent)
      try output.finish()
      let latent = latent.channelsFirst()
      outputs.append(
        .init(
          path: target.path, seed: request.noise == nil ? settings.seeds[index] : nil, latents: latent,
          latentsSha256: latent.withUnsafeBytes { Sha256.hex($0) }))
      try onEvent(.output(outputs[index]))
    }
    clock.leave()

    return GenerationResult(
      outputs: outputs, seconds: clock.seconds, secondsToFirstDispatch: clock.secondsToFirstDispatch,
      peakDeviceBytes: clock.peakDeviceBytes, settings: settings)
  }

  /// Who is in the sequence: the scene's images in canonical order behind the video.
  static func layout(
    of scene: Scene, _ noise: Tensor, _ configuration: TransformerConfiguration, _ ablation: Ablation
  ) -> Layout {
    let patch = configuration.patch
    return Layout(
      latentFrames: noise.shape[0], rows: (noise.shape[1] + patch - 1) / patch,
      columns: (noise.shape[2] + patch - 1) / patch, plainConditions: scene.plainCount,
      humanGroups: scene.humanGroups, ablation: ablation)
  }

  /// What is done about the device's memory in each stage; the defaults where the backend does not count it.
  /// - Throws: `LumosError(.tryAgain)` if nothing helps.
  private func memoryPlan(
    _ scene: Scene, _ settings: Settings, _ ablation: Ablation, _ onEvent: (GenerationEvent) throws -> Void
  ) throws -> [Stage: SessionOptions] {
    guard try backend.summary(of: GraphBuilder(weights: bundle.umt5).graph, options: SessionOptions()) != nil else {
      return [:]
    }
    let plan = try GenerationPlan(
      bundle.configuration, weights: GenerationPlan.Weights(bundle, transformer: transformerWeights),
      outline: SceneOutline(scene), settings: settings,
      ablation: ablation,
      texts: GenerationPlan.Texts(
        scene, negativePrompt: settings.negativePrompt, tokenizer, length: bundle.configuration.transformer.textLength),
      ladder: ladder, budget: memoryBudget
    ) { try backend.summary(of: $0, options: $1) ?? PlanSummary() }
    if let shortage = plan.shortage(budget: memoryBudget) { throw shortage }
    let rungs = plan.stages.map { ($0.stage, $0.rung) }
    try onEvent(.memory(rungs: Dictionary(uniqueKeysWithValues: rungs), peakBytes: plan.peakBytes))
    return Dictionary(uniqueKeysWithValues: rungs.map { ($0, ladder.options($1)) })
  }

  /// The transformer's weights with the adapters applied.
  private var transformerWeights: any WeightSource {
    adapters.isEmpty ? bundle.transformer : AdaptedWeights(bundle.transformer, adapters)
  }

  // MARK: - Stages

  /// The first latent of every video.
  private func initialNoises(_ request: Request, _ settings: Settings) throws -> [Tensor] {
    let vae = bundle.configuration.vae
    let frames = vae.latentFrames(frames: settings.frames)
    let (height, width) = (settings.height / vae.spatialFactor, settings.width / vae.spatialFactor)
    guard let given = request.noise else {
      return settings.seeds.map {
        Noise(seed: $0).latent(frames: frames, height: height, width: width, channels: vae.latentChannels)
      }
    }
    let shape: Shape = [vae.latentChannels, frames, height, width]
    guard given.shape == shape, given.dtype.isFloat else {
      throw LumosError(
        .badInput, "noise is \(given.type), the video needs \(TensorType(shape, .f32))", at: "--noise",
        advice: "make noise of that shape, or change --size and --frames")
    }
    let noise = given.converted(to: .f32).channelsLast()
    guard noise.floats().allSatisfy(\.isFinite) else {
      throw LumosError(.badInput, "noise holds NaN or infinity", at: "--noise")
    }
    return [noise]
  }

  /// The encoded prompts, and for every reference image the prompt positions of its word.
  private func encodeText(
    _ scene: Scene, _ settings: Settings, _ options: [Stage: SessionOptions], _ recovery: inout Recovery,
    _ clock: inout StageClock, _ onEvent: (GenerationEvent) throws -> Void
  ) throws -> (prompt: Tensor, negative: Tensor?, masks: [[Bool]]) {
    let length = bundle.configuration.transformer.textLength
    let ids = try tokenizer.encode(scene.prompt, length: length)
    let hasNegative = SamplerGraph.Branch.needed(guidance: settings.guidance).contains(.negative)
    let negativeIDs = hasNegative ? try tokenizer.encode(settings.negativePrompt, length: length) : nil
    let masks = try scene.textMasks(tokenizer, length: length)
    for warning in try scene.textWarnings(tokenizer, length: length) { try onEvent(.warning(warning)) }
    // One after the other: what a text becomes does not depend, to the bit, on what was encoded beside it.
    let texts = [ids] + (negativeIDs.map { [$0] } ?? [])
    let fingerprint = contexts == nil ? "" : try bundle.umt5.fingerprint()
    var encoded = texts.map {
      contexts?.context($0, encoder: fingerprint, width: bundle.configuration.umt5.width)
    }
    let missing = encoded.indices.filter { encoded[$0] == nil }
    logger.debug(
      "texts",
      metadata: ["tokens": "\(texts.map(\.count))", "encodedBefore": "\(texts.count - missing.count)"])
    if !missing.isEmpty {
      let new = try recovery.run(onEvent) { backend in
        let session = try backend.makeSession(weights: bundle.umt5, options: options[.textEncoder] ?? SessionOptions())
        let encoder = UMT5Encoder(bundle.configuration.umt5, session: session, weights: bundle.umt5)
        let new = try StageProgress(stage: .textEncoder, units: missing.count).follow(session, onEvent) { textDone in
          try missing.map { index in
            let context = try encoder.encode(texts[index])
            textDone()
            return context
          }
        }
        clock.note(session)
        return new
      }
      for (index, context) in zip(missing, new) {
        encoded[index] = context
        contexts?.keep(context, of: texts[index], encoder: fingerprint)
      }
    }
    let found = encoded.compactMap { $0 }
    return (found[0], hasNegative ? found[1] : nil, masks)
  }

  /// Latents of the reference images, `[conditions, h, w, channels]`, nil if there are none; and how latents look, where
  /// previews are wanted.
  private func encodeImages(
    _ images: [Image], _ settings: Settings, _ recovery: inout Recovery, _ clock: inout StageClock,
    _ onEvent: (GenerationEvent) throws -> Void
  ) throws -> (latents: Tensor?, colours: LatentColours?) {
    if images.isEmpty && previewEvery == nil { return (nil, nil) }
    return try recovery.run(onEvent) { backend in
      let session = try backend.makeSession(weights: bundle.vae)
      let encoder = VAEEncoder(
        bundle.configuration.vae, session: session, weights: bundle.vae, height: settings.height,
        width: settings.width)
      var pictures = images.map { ConditionImage.pixels($0, height: settings.height, width: settings.width) }
      if previewEvery != nil { pictures.append(LatentColours.chart(height: settings.height, width: settings.width)) }
      var samples: [LatentColours.Sample] = []
      try StageProgress(stage: .vaeEncode, units: pictures.count).follow(session, onEvent) { pictureDone in
        for pixels in pictures {
          samples.append(.init(pixels: pixels, latent: try encoder.encode(pixels)))
          pictureDone()
        }
      }
      clock.note(session)
      let latents = samples.prefix(images.count).map(\.latent)
      let conditions = latents.first.map { first in
        Tensor(latents.flatMap { $0.floats() }, Shape([latents.count] + first.shape.dimensions[1...]))
      }
      return (conditions, previewEvery.map { _ in LatentColours(samples) })
    }
  }

  /// The final latents, in the order of `noises`.
  private func sample(
    _ noises: [Tensor], _ guide: Sampler.Guide, _ layout: Layout, _ colours: LatentColours?, _ settings: Settings,
    _ options: [Stage: SessionOptions], _ recovery: inout Recovery, _ clock: inout StageClock,
    _ onEvent: (GenerationEvent) throws -> Void
  ) throws -> [Tensor] {
    let every =
      rebuild == nil ? nil : max(1, checkpointEvery ?? (noises[0].byteCount * noises.count < 16 << 20 ? 1 : 5))
    var kept: SamplerState?
    let latents = try recovery.run(onEvent) { backend in
      let weights = transformerWeights
      let session = try backend.makeSession(weights: weights, options: options[.transformer] ?? SessionOptions())
      let sampler = Sampler(
        TransformerGraph(bundle.configuration.transformer, layout: layout), session: session,
        weights: weights, height: noises[0].shape[1], width: noises[0].shape[2],
        shortcuts: settings.shortcuts)
      let start = StageClock.now()
      let first = kept?.nextStep ?? 0
      let progress = StageProgress(stage: .transformer, units: settings.steps, done: first)
      let latents = try progress.follow(session, onEvent) { stepDone in
        try sampler.sample(
          noises: noises, guide: guide, schedule: Schedule(steps: settings.steps, shift: settings.shift), resuming: kept
        ) { step, _ in
          let done = step.index + 1
          stepDone()
          if let every, done % every == 0 { kept = try step.state() }
          let left = (StageClock.now() - start) / Double(done - first) * Double(step.count - done)
          try onEvent(.step(index: done, count: step.count, secondsLeft: left))
          guard let colours, let previewEvery, done % previewEvery == 0, done < step.count else { return }
          for video in noises.indices {
            let filmstrip = colours.filmstrip(try step.prediction(video))
            try onEvent(.preview(.init(step: done, count: step.count, video: video, filmstrip: filmstrip)))
          }
        }
      }
      clock.note(session)
      return latents
    }
    guard latents.allSatisfy({ $0.floats().allSatisfy(\.isFinite) }) else {
      throw LumosError(
        .badInput, "the latent became NaN or infinite", at: bundle.transformer.checkpoint.path,
        advice: "check the weights with `lumosx inspect` and the device with `lumosx parity`")
    }
    return latents
  }

  /// Decodes a latent; `video` others were decoded before.
  private func decode(
    _ latent: Tensor, video: Int, _ settings: Settings, _ output: FrameOutput, _ recovery: inout Recovery,
    _ clock: inout StageClock, _ onEvent: (GenerationEvent) throws -> Void
  ) throws {
    let before = video * settings.frames
    try recovery.run(onEvent) { backend in
      let session = try backend.makeSession(weights: bundle.vae)
      let decoder = VAEDecoder(
        bundle.configuration.vae, session: session, weights: bundle.vae, latentHeight: latent.shape[1],
        latentWidth: latent.shape[2])
      // The decoder's states cannot be kept cheaply: on another device it starts over, behind what has been encoded.
      var known = output.count
      try decoder.decode(latent) { frames in
        let images = try DisplayFrames.images(frames)
        let new = images.dropFirst(known)
        known -= images.count - new.count
        guard !new.isEmpty else { return }
        for image in new { try output.append(image) }
        try onEvent(.frames(count: before + output.count, total: settings.seeds.count * settings.frames))
      }
      clock.note(session)
    }
  }
}

/// Wall-clock time per stage and the peak of device memory over them.
private struct StageClock {
  var seconds: [Stage: Double] = [:]
  var secondsToFirstDispatch: [Stage: Double] = [:]
  var peakDeviceBytes = 0

  private var running: (stage: Stage, since: Double)?

  /// Ends the running stage and begins `stage`.
  mutating func enter(_ stage: Stage, _ onEvent: (GenerationEvent) throws -> Void) rethrows {
    leave()
    running = (stage, Self.now())
    try onEvent(.stage(stage))
  }

  /// Ends the running stage.
  mutating func leave() {
    if let running { seconds[running.stage, default: 0] += Self.now() - running.since }
    running = nil
  }

  mutating func note(_ session: any Session) {
    peakDeviceBytes = max(peakDeviceBytes, session.peakDeviceBytes)
    guard let running, secondsToFirstDispatch[running.stage] == nil else { return }
    secondsToFirstDispatch[running.stage] = session.secondsToFirstDispatch
  }

  /// Seconds since some fixed moment.
  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
