import LumosFiles
import LumosGraph
import LumosModels
import LumosOps
import LumosTensor

extension GoldenSuite {
  /// A sampling loop, or a table of schedules.
  func runSampler(
    _ entry: GoldenManifest.Entry, on backend: any Backend, bound: Double, into recorder: inout GoldenRecorder
  ) throws {
    let file = try manifest.open(entry)
    let fields = GoldenFields(entry.fields, place: "manifest.json, \(entry.path)")
    guard file.type(of: "z0") != nil else {
      return try runSchedules(entry, file, shift: fields.number("shift", standard: 8), into: &recorder)
    }
    let (weights, sizes) = try manifest.weights(of: "transformer")
    let configuration = try transformerConfiguration(sizes)
    let noise = try file.requireTensor("z0").withoutBatch("\(entry.path), z0").channelsLast()
    let scene = try scene(entry, file, latent: noise, configuration)
    let schedule = try Schedule(
      steps: try fields.count("steps"), shift: try fields.number("shift", standard: 8))
    try compare(schedule, sigmas: "sigmas", timesteps: "timesteps", entry, file, into: &recorder)

    let guide = Sampler.Guide(
      conditions: scene.layout.conditions > 0 ? try file.requireTensor("conds").channelsLast() : nil,
      masks: scene.masks, prompt: try file.requireTensor("context"),
      negativePrompt: try file.requireTensor("context_null"),
      guidance: Float(try fields.number("cfg", standard: 6)))
    let sampler = Sampler(
      TransformerGraph(configuration, layout: scene.layout, attentionSpans: scene.defectiveSpans),
      session: try backend.makeSession(weights: weights), weights: weights, height: noise.shape[1],
      width: noise.shape[2])
    let latents = file.tensor("latents")
    let velocities = file.tensor("guided_velocity")
    var steps: [(name: String, found: Tensor, golden: Tensor)] = []
    let branches = velocities == nil ? [] : ["velocity.prompt", "velocity.negative"]
    let final = try sampler.sample(noise: noise, guide: guide, schedule: schedule, fetch: branches) { step, fetched in
      if let velocities, let c = fetched["velocity.prompt"], let u = fetched["velocity.negative"] {
        let guided = zip(c.floats(), u.floats()).map { $1 + guide.guidance * ($0 - $1) }
        let golden = try self.step(step.index, of: velocities, "guided_velocity", entry)
        steps.append(("guided_velocity[\(step.index)]", Tensor(guided, c.shape), golden))
      }
      if let latents {
        steps.append(
          ("latents[\(step.index)]", try step.latent(), try self.step(step.index, of: latents, "latents", entry)))
      }
    }
    for step in steps { try recorder.compare("\(entry.name)/\(step.name)", step.found, step.golden, bound: bound) }
    let golden = try file.requireTensor("z_final").withoutBatch("\(entry.path), z_final").channelsLast()
    try recorder.compare(entry.name + "/z_final", final, golden, bound: bound)
  }

  /// Step `index` of a tensor `[steps, channels, T, h, w]`.
  private func step(
    _ index: Int, of tensor: Tensor, _ name: String, _ entry: GoldenManifest.Entry
  ) throws -> Tensor {
    guard tensor.shape.rank == 5, index < tensor.shape[0] else {
      throw LumosError(.badInput, "\(name) has shape \(tensor.shape) and no step \(index)", at: entry.path)
    }
    return try tensor.rows(index..<index + 1).withoutBatch(entry.path).channelsLast()
  }

  /// All `sigmas_N` and `timesteps_N` of a file.
  private func runSchedules(
    _ entry: GoldenManifest.Entry, _ file: SafetensorsFile, shift: Double, into recorder: inout GoldenRecorder
  ) throws {
    let counts = file.names.compactMap { $0.hasPrefix("sigmas_") ? Int($0.dropFirst(7)) : nil }.sorted()
    if counts.isEmpty { throw LumosError(.badInput, "holds neither a sampling run nor schedules", at: entry.path) }
    for steps in counts {
      let schedule = try Schedule(steps: steps, shift: shift)
      try compare(
        schedule, sigmas: "sigmas_\(steps)", timesteps: "timesteps_\(steps)", entry, file, into: &recorder)
    }
  }

  private func compare(
    _ schedule: Schedule, sigmas: String, timesteps: String, _ entry: GoldenManifest.Entry, _ file: SafetensorsFile,
    into recorder: inout GoldenRecorder
  ) throws {
    let levels = Tensor(schedule.sigmas, [schedule.steps + 1])
    try recorder.compare("\(entry.name)/\(sigmas)", levels, file.requireTensor(sigmas), bound: 0)
    let expected = try file.requireTensor(timesteps).integers()
    try recorder.exact("\(entry.name)/\(timesteps)", schedule.timesteps, expected)
  }
}
