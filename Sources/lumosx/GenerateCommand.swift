import ArgumentParser
import LumosCommand
import LumosFiles
import LumosGraph
import LumosMedia
import LumosModels
import LumosPipeline
import LumosTensor
import LumosVulkan

/// `lumosx generate`: a scene folder becomes a video.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Generate a video from a scene folder.",
    discussion: "A scene without reference images is plain text-to-video.")

  @Argument(help: "The scene folder: caption.txt, background/, objects/, subjects/.", completion: .directory)
  var scene: String

  @Option(help: "The bundle of weights. Default: $LUMOSX_WEIGHTS, else the bundle that travels with the program.")
  var weights: String?

  @Option(name: [.customShort("o"), .long], help: "The video (MP4), or a picture (PNG) for one frame.")
  var output: String?

  @OptionGroup var deviceOptions: DeviceOptions

  @OptionGroup var precision: PrecisionOptions

  @OptionGroup var what: RequestOptions

  @Option(help: "An adapter of the transformer (LoRA), as FILE or FILE:STRENGTH; may stand several times.")
  var lora: [AdapterFile] = []

  @Option(parsing: .unconditional, help: "Shift of the noise schedule.")
  var shift: Double?

  @Option(parsing: .unconditional, help: "Strength of guidance.")
  var guidance: Float?

  @Option(help: "Seed of the initial noise.")
  var seed: UInt64?

  @Option(help: "Seeds of several videos, separated by commas; `-seedN` is added to the outputs' names.")
  var seeds: Seeds?

  @Option(parsing: .unconditional, help: "Text that guidance leads away from.")
  var negative: String?

  @Option(help: "Initial noise [16, T, h, w] as safetensors: the tensor \"noise\", or the only one.")
  var noise: String?

  @Option(help: "Write the final latent [16, T, h, w] as safetensors.")
  var saveLatents: String?

  @Option(help: "Write the frames side by side as a PNG.")
  var contactSheet: String?

  @Option(
    parsing: .unconditional,
    help: "Write a preview after every so many steps: a filmstrip, as PNG with -preview in its name beside the output.")
  var previewEvery: Int?

  @Option(help: "Write a trace of where the time goes (JSON for ui.perfetto.dev), and print a table of it.")
  var profile: String?

  @Flag(
    name: .customLong("context-cache"), inversion: .prefixedNo,
    help: "Keep encoded texts under the cache folder, so that a repeated prompt need not be encoded again.")
  var keepsContexts = true

  @Flag(help: "Events as lines of JSON on standard output, the last one a result envelope.")
  var json = false

  func run() throws {
    Interruption.listen()
    var printer = EventPrinter(json: json)
    try Reporting.run(onFailure: { printer.failed($0) }) { try generate(&printer) }
  }

  private func generate(_ printer: inout EventPrinter) throws {
    let bundle = try ModelBundle(BundleSearch().path(explicit: weights))
    var request = Request(
      scenePath: scene, mode: what.mode.value, size: what.pixels, frames: what.frames, steps: what.steps,
      shift: shift, guidance: guidance, seed: seed, seeds: seeds?.values, negativePrompt: negative,
      ablation: what.ablation, shortcuts: what.sampling)
    request.noise = try noise.map(Self.readNoise)
    let settings = try Settings(request, defaults: bundle.configuration)
    let adapters = try lora.map { try $0.open(for: bundle.configuration.transformer) }
    let path =
      try output
      ?? Scene(scene, mode: what.mode.value).outputName(
        height: settings.height, width: settings.width, frames: settings.frames)
    let latentPaths = saveLatents.map { path in
      settings.seeds.map { OutputPath.path(path, seed: seeds == nil ? nil : $0) }
    }
    for path in latentPaths ?? [] { try OutputPath.check(path) }
    if let previewEvery, previewEvery < 1 {
      throw LumosError(
        .usage, "\(previewEvery) is not a number of steps", at: "--preview-every", advice: "name 1 or more")
    }
    let previewPaths = settings.seeds.map {
      OutputPath.preview(of: OutputPath.path(path, seed: seeds == nil ? nil : $0))
    }
    if previewEvery != nil { for path in previewPaths { try OutputPath.check(path) } }
    let profiler = try profile.map { try ProfileOutput(path: $0) }

    let device = precision.applied(to: try deviceOptions.makeBackend { printer.warning($0) })
    let backend = profiler?.attach(to: device) ?? device
    printer.begin(device: backend.name, precision: PrecisionOptions.precision(of: device), settings)
    // A driver that resets the device costs a step, not the generation.
    let rebuild = (backend as? VulkanBackend).map { lost in
      { @Sendable () throws -> any Backend in try lost.reopened() }
    }
    let available = (device as? VulkanBackend).map { MemoryBudget.standard(of: $0.device.description) }
    var pipeline = try Pipeline(
      bundle: bundle, backend: backend, memoryBudget: what.memory?.bytes ?? available, rebuild: rebuild)
    pipeline.previewEvery = previewEvery
    pipeline.adapters = adapters
    if keepsContexts, let folder = CacheFolder.standard {
      let precision = PrecisionOptions.precision(of: device)
      pipeline.contexts = ContextCache(
        folder: folder + "/contexts", computedBy: "\(Lumosx.configuration.version), \(backend.name), \(precision)")
    }
    let result = try profiler.around {
      try pipeline.generate(request, to: path, contactSheet: contactSheet) { event in
        profiler?.event(event)
        try Interruption.check()
        if case .preview(let preview) = event {
          try PNGWriter.write(preview.filmstrip, previewPaths[preview.video])
          printer.preview(preview, previewPaths[preview.video])
        } else {
          printer.event(event)
        }
      }
    }
    for (path, output) in zip(latentPaths ?? [], result.outputs) {
      try SafetensorsWriter.write(
        [("latents", output.latents)], metadata: ["sha256": output.latentsSha256], to: path)
    }
    printer.finished(result)
  }

  private static func readNoise(_ path: String) throws -> Tensor {
    let file = try SafetensorsFile(path)
    if let tensor = file.tensor("noise") { return tensor }
    guard file.names.count == 1, let tensor = file.tensor(file.names[0]) else {
      throw LumosError(
        .badInput, "holds no tensor named noise among \(file.names.count)", at: path,
        advice: "store the noise under that name, or alone")
    }
    return tensor
  }
}
