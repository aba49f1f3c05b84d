import ArgumentParser

/// The command line: `lumosx generate | plan | devices | inspect | models | parity | bench`.
@main
struct Lumosx: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lumosx",
    abstract: "Personalised video generation (LumosX) on Vulkan devices and on the CPU.",
    discussion: """
      Exit codes: 0 success, 1 a parity case failed, 64 usage, 65 bad input or model file, 69 no usable device, \
      70 internal defect, 73 cannot create the output, 74 read or write error, 75 try again, 130/143 interrupted.
      """,
    version: "0.1.0",
    subcommands: [
      GenerateCommand.self, PlanCommand.self, DevicesCommand.self, InspectCommand.self, ModelsCommand.self,
      ParityCommand.self, BenchCommand.self,
    ])
}
