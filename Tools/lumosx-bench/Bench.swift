import ArgumentParser

/// The command line: `lumosx-bench device | peaks | ops | parity | tune | step | weights | report`.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lumosx-bench",
    abstract: "Measure and check the kernels of LumosX on a Vulkan device.",
    discussion: """
      Exit codes: 0 success, 1 a parity case failed or a kernel became slower, 64 usage, 65 bad input, 69 no usable \
      device, 70 internal defect, 73 cannot create the output, 74 read or write error, 75 try again, 130/143 \
      interrupted.
      """,
    version: "0.1.0",
    subcommands: [
      DeviceCommand.self, PeaksCommand.self, OpsCommand.self, ParityCommand.self, TuneCommand.self, StepCommand.self,
      WeightsCommand.self, ReportCommand.self,
    ])
}
