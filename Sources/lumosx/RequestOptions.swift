import ArgumentParser
import LumosModels
import LumosPipeline
import LumosVulkan

/// What `generate` makes and `plan` plans.
struct RequestOptions: ParsableArguments {
  @Option(help: "Height and width in pixels, as HxW; multiples of 16.")
  var size: PixelSize?

  @Option(help: "Number of frames, 1 + 4k.")
  var frames: Int?

  @Option(help: "Number of solver steps.")
  var steps: Int?

  @Option(help: "subject: all reference images of the scene; face: the faces alone.")
  var mode: SceneMode = .subject

  @Option(help: "Mechanisms to switch off, separated by commas: r2pe, csam, mcam.")
  var without: Mechanisms?

  @Option(help: "Shortcuts of the sampler, separated by commas, or none, standard or all. Default: standard.")
  var shortcuts: ShortcutList?

  @Option(
    help: ArgumentHelp(
      "Device memory that there is: 4GiB, 512MiB, 8GB or bytes.",
      discussion: """
        Default: what a Vulkan device has free, less a tenth; else no limit. Where a network does not fit, its weights \
        are streamed, then tokens run in smaller blocks; if that does not suffice, nothing is begun (exit code 75).
        """))
  var memory: ByteCount?

  /// `--size`.
  var pixels: (height: Int, width: Int)? { size.map { ($0.height, $0.width) } }

  /// `--shortcuts`.
  var sampling: Shortcuts { shortcuts?.shortcuts ?? .standard }

  /// `--without`.
  var ablation: Ablation { without?.ablation ?? [] }
}

/// How much of a device's memory a generation takes for itself.
enum MemoryBudget {
  /// What was free when the device was opened, less a tenth: drivers need some, and so do other programs.
  static func standard(of device: DeviceDescription) -> Int { device.availableBytes / 10 * 9 }
}

/// `HxW` on the command line.
struct PixelSize: ExpressibleByArgument {
  /// Rows.
  let height: Int
  /// Columns.
  let width: Int

  init?(argument: String) {
    let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let height = parts[0], let width = parts[1] else { return nil }
    self.height = height
    self.width = width
  }
}

/// `--seeds 1,2,3` on the command line.
struct Seeds: ExpressibleByArgument {
  /// In the order given.
  let values: [UInt64]

  init?(argument: String) {
    let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { UInt64($0) }
    values = numbers.compactMap { $0 }
    if values.count < numbers.count { return nil }
  }
}

/// Names of the sampler's shortcuts on the command line, separated by commas; `none`, `standard` and `all` for sets.
struct ShortcutList: ExpressibleByArgument {
  /// The shortcuts.
  let shortcuts: Shortcuts

  init?(argument: String) {
    switch argument.lowercased() {
    case "none": shortcuts = []
    case "standard": shortcuts = .standard
    case "all": shortcuts = .all
    default:
      var shortcuts: Shortcuts = []
      for name in argument.split(separator: ",", omittingEmptySubsequences: false) {
        guard let known = Shortcuts.named.first(where: { $0.name.lowercased() == name.lowercased() }) else {
          return nil
        }
        shortcuts.insert(known.shortcut)
      }
      self.shortcuts = shortcuts
    }
  }

  static var allValueStrings: [String] { Shortcuts.named.map(\.name) + ["none", "standard", "all"] }
}

/// `--mode` on the command line.
enum SceneMode: String, ExpressibleByArgument, CaseIterable {
  case subject, face

  /// The scene's mode.
  var value: Scene.Mode {
    switch self {
    case .subject: .subject
    case .face: .face
    }
  }
}

/// `--without r2pe,mcam` on the command line.
struct Mechanisms: ExpressibleByArgument {
  /// What is switched off.
  let ablation: Ablation

  init?(argument: String) {
    var ablation: Ablation = []
    for name in argument.lowercased().split(separator: ",") {
      guard let one = Ablation(name: String(name)) else { return nil }
      ablation.insert(one)
    }
    guard !ablation.isEmpty else { return nil }
    self.ablation = ablation
  }

  static var allValueStrings: [String] { ["r2pe", "csam", "mcam"] }
}

/// `4GiB`, `512MiB`, `8GB` or a number of bytes on the command line.
struct ByteCount: ExpressibleByArgument {
  /// Bytes.
  let bytes: Int

  init?(argument: String) {
    let units: [(String, Double)] = [
      ("gib", 0x1p30), ("mib", 0x1p20), ("kib", 0x1p10), ("gb", 1e9), ("mb", 1e6), ("kb", 1e3), ("b", 1), ("", 1),
    ]
    let text = argument.lowercased()
    guard let unit = units.first(where: { text.hasSuffix($0.0) }),
      let number = Double(text.dropLast(unit.0.count).filter { $0 != " " })
    else { return nil }
    let bytes = number * unit.1
    guard bytes >= 0, bytes < 0x1p62 else { return nil }
    self.bytes = Int(bytes)
  }
}
