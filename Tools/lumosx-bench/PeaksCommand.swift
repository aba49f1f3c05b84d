import ArgumentParser
import LumosCommand
import LumosVulkan

/// `lumosx-bench peaks`: the device's own limits.
struct PeaksCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peaks",
    abstract: "Measure what the device reaches at best: copies, multiply-adds in registers, matrix units.",
    discussion: "The roofs that `ops` and `step` hold kernels against. Takes some seconds.")

  @OptionGroup var options: BenchOptions

  func run() throws {
    Interruption.listen()
    try Reporting.run {
      let device = try options.openDevice()
      let peaks = try DevicePeaks(OpTimer(device)) { try Interruption.check() }
      if options.json { return Reporting.line("\(peaks.json(device: device.title))") }
      Reporting.line(device.title)
      for line in peaks.lines { Reporting.line(line) }
    }
  }
}
