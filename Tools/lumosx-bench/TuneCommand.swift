import ArgumentParser
import LumosCommand
import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan

/// `lumosx-bench tune`: measures which variant and tile make each op fastest at model shapes, and remembers it.
struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Measure which variant and tile make each op fastest, and remember it for this device and driver.",
    discussion: """
      The choices go into the cache folder ($XDG_CACHE_HOME/lumosx); this program and lumosx take them from then on. \
      Deleting the file tuning-* there undoes it.
      """)

  @OptionGroup var options: BenchOptions

  @Option(help: "Number of pixels relative to the model's, as 1/256.")
  var scale: Scale = Scale(value: 1)

  @Option(help: "How often each choice is timed.")
  var runs = 5

  func validate() throws {
    guard (1...1000).contains(runs) else { throw ValidationError("--runs is from 1 to 1000") }
  }

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      let cases = try options.select(ModelCases.all(scale: scale.value))
      if options.list { return cases.forEach { Reporting.line($0.title) } }
      let device = try options.openDevice()
      let work = try TuningWork.all(cases.map { ($0.op, $0.inputs.map(\.type)) }, profile: device.profile)
      try TuningRun(device, runs: runs, json: options.json).measure(work)
    }
  }
}
