import ArgumentParser
import LumosCommand
import LumosFiles
import LumosGraph
import LumosModels
import LumosTensor
import LumosVulkan

/// `lumosx-bench step`: whole stages of a generation.
struct StepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Time a denoising evaluation and a video's decoding at full size, with random weights.",
    discussion: """
      A step has two evaluations of the transformer, with the prompt and without; times are of one. What the first \
      runs do once, compiling kernels and learning the device's speed, does not count. Where a stage is predicted to \
      take absurdly long it is skipped and says so: choose a smaller --size, fewer --frames or fewer --layers.
      """)

  /// Stages to time.
  enum Stage: String, ExpressibleByArgument, CaseIterable { case transformer, vaeDecode }

  @OptionGroup var options: BenchOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "Reference images: b1 a background, o2 two objects, h3,3 two persons with three images each, or none.")
  var layout = "b1h3,3"

  @Option(help: "Size of the video in pixels, HxW.")
  var size = "480x832"

  @Option(help: "Frames of the video.")
  var frames = 81

  @Option(help: "Blocks of the transformer; the published model has 30.")
  var layers = 30

  @Option(help: "Tokens of the prompt and of the negative prompt.")
  var textTokens = 100

  @Option(help: "single or half. Default: half on a GPU.")
  var precision: PrecisionName?

  @Option(help: "Steps that count.")
  var runs = 3

  @Option(help: "Seconds after which a stage ends with fewer runs.")
  var seconds = 120.0

  @Option(help: "Only this stage: transformer or vaeDecode.")
  var stage: Stage?

  func validate() throws {
    guard (1...100).contains(runs) else { throw ValidationError("--runs is from 1 to 100") }
    guard (1...30).contains(layers) else { throw ValidationError("--layers is from 1 to 30") }
    guard (1...512).contains(textTokens) else { throw ValidationError("--text-tokens is from 1 to 512") }
    guard frames >= 1 && frames % 4 == 1 && frames <= 1001 else {
      throw ValidationError("--frames is 1 more than a multiple of 4, at most 1001")
    }
    guard seconds > 0 else { throw ValidationError("seconds are positive") }
  }

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      if options.list { return Stage.allCases.forEach { Reporting.line($0.rawValue) } }
      let work = try StageWork(self)
      let results = try Results(output, json: options.json)
      let device = try options.openDevice()
      var backend = VulkanBackend(device: device)
      backend.precision = precision?.value ?? DeviceClass.of(device.description).precision
      let peaks = try DevicePeaks(OpTimer(device)) { try Interruption.check() }
      results.add(peaks.json(device: device.title))
      if !options.json { Reporting.line(device.title) }
      try results.finishing {
        for chosen in Stage.allCases where stage ?? chosen == chosen {
          try Interruption.check()
          Reporting.note("lumosx-bench: \(chosen.rawValue), \(work.sizeText)")
          let record = try work.measure(chosen, on: backend, peaks)
          results.add(record.json)
          if !options.json { Reporting.line(record.line) }
        }
      }
    }
  }
}

/// The name of a precision on the command line.
enum PrecisionName: String, ExpressibleByArgument, CaseIterable {
  case single, half

  /// The precision.
  var value: Precision {
    switch self {
    case .single: .single
    case .half: .half(.f16)
    }
  }
}
