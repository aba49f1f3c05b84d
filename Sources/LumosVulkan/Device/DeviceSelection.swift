import LumosTensor

/// Which device to run on, as a user says it.
public enum DeviceSelection: Sendable, Hashable {
  /// The best GPU: discrete before integrated before virtual. Software Vulkan is never chosen this way.
  case auto
  /// The device at this place of `lumosx devices`.
  case index(Int)
  /// The device whose name contains this text, in whatever case; software Vulkan too.
  case named(String)

  /// From the command line: `auto`, a number, or part of a name.
  public init(_ text: String) {
    if text.lowercased() == "auto" {
      self = .auto
    } else if let index = Int(text) {
      self = .index(index)
    } else {
      self = .named(text)
    }
  }

  /// The chosen one of `devices`; nil if `auto` finds no GPU, which means the CPU backend.
  /// - Throws: `LumosError(.noDevice)`, listing what exists, if what is named does not exist or cannot be used.
  public func choose(from devices: [DeviceDescription]) throws -> DeviceDescription? {
    switch self {
    case .auto:
      return Self.best(devices.filter { $0.isUsable && Self.rank($0.kind) < Self.rank(.cpu) })
    case .index(let index):
      guard let device = devices.first(where: { $0.index == index }) else {
        throw Self.unknown("there is no device \(index)", devices)
      }
      return try Self.usable(device)
    case .named(let name):
      let wanted = name.lowercased()
      let matching = devices.filter { $0.name.lowercased().contains(wanted) }
      if let device = Self.best(matching.filter(\.isUsable)) { return device }
      if let device = matching.first { return try Self.usable(device) }
      throw Self.unknown("there is no device named \(name)", devices)
    }
  }

  private static func usable(_ device: DeviceDescription) throws -> DeviceDescription {
    guard let reason = device.unusableReason else { return device }
    throw LumosError(
      .noDevice, "the device cannot be used: \(reason)", at: device.name,
      advice: "update its driver, choose another device, or run with --device cpu")
  }

  /// The first of the best kind.
  private static func best(_ devices: [DeviceDescription]) -> DeviceDescription? {
    devices.min { (rank($0.kind), $0.index) < (rank($1.kind), $1.index) }
  }

  private static func rank(_ kind: DeviceDescription.Kind) -> Int {
    switch kind {
    case .discrete: 0
    case .integrated: 1
    case .virtual: 2
    case .cpu: 3
    case .other: 4
    }
  }

  private static func unknown(_ what: String, _ devices: [DeviceDescription]) -> LumosError {
    let list = devices.map { "\($0.index): \($0.name)" }.joined(separator: ", ")
    return LumosError(
      .noDevice, what,
      advice: devices.isEmpty
        ? "no Vulkan device was found; install a driver (Debian and Ubuntu: apt install mesa-vulkan-drivers)"
        : "choose one of \(list)")
  }
}
