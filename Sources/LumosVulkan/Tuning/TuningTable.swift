import LumosOps
import LumosTensor

/// How an op is made where it can be made in several ways: a variant, and a tile where the variant has several.
public struct KernelChoice: Sendable, Hashable, CustomStringConvertible {
  /// One of `VulkanLowering.variants`.
  public let variant: String
  /// One of `VulkanLowering.tiles`, or nil where the variant has one alone.
  public let tile: String?

  public init(variant: String, tile: String? = nil) {
    self.variant = variant
    self.tile = tile
  }

  /// `"matrix 128x96"`.
  public var description: String { tile.map { "\(variant) \($0)" } ?? variant }
}

/// What measurements on a device have shown to be fastest, by op and size (`Tuner`).
///
/// Sizes that only differ in their number of rows share an entry if the numbers have the same power of two above them, or
/// are very many.
/// Where there is no entry, or one that the device cannot make (any longer), the rules of the lowerings choose.
public struct TuningTable: Sendable, Hashable {
  /// The choices by `VulkanLowering.tuningKey`, with the seconds that were measured.
  public private(set) var entries: [String: Entry] = [:]

  /// One measurement.
  public struct Entry: Sendable, Hashable {
    /// The fastest.
    public let choice: KernelChoice
    /// Seconds that it took.
    public let seconds: Double

    public init(choice: KernelChoice, seconds: Double) {
      self.choice = choice
      self.seconds = seconds
    }
  }

  /// An empty table.
  public init() {}

  /// Enters a choice in place of an older one.
  public mutating func set(_ choice: KernelChoice, seconds: Double, for key: String) {
    entries[key] = Entry(choice: choice, seconds: seconds)
  }

  // MARK: - As text

  private static let header = "LumosX tuning 1"

  /// One line for each entry, in the order of the keys: key, variant, tile (or -) and seconds, separated by tabs.
  public var text: String {
    let lines = entries.sorted { $0.key < $1.key }.map { key, entry in
      [key, entry.choice.variant, entry.choice.tile ?? "-", "\(entry.seconds)"].joined(separator: "\t")
    }
    return ([Self.header] + lines).joined(separator: "\n") + "\n"
  }

  /// A table from its text; nil for text of another kind or version. Lines that make no sense are left out.
  public init?(text: String) {
    let lines = text.split(separator: "\n")
    guard lines.first.map(String.init) == Self.header else { return nil }
    for line in lines.dropFirst() {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 4, let seconds = Double(fields[3]), seconds.isFinite, seconds >= 0 else { continue }
      set(KernelChoice(variant: fields[1], tile: fields[2] == "-" ? nil : fields[2]), seconds: seconds, for: fields[0])
    }
  }

  /// The table of a device and driver version; empty if there is none or it is damaged.
  init(_ file: DeviceCacheFile) {
    let text = file.read().map { String(decoding: $0, as: UTF8.self) }
    self = text.flatMap(TuningTable.init(text:)) ?? TuningTable()
  }
}

extension VulkanLowering {
  /// One way only.
  public func tiles(_ variant: String, _ types: LoweredTypes, _ device: DeviceProfile) -> [String] { [] }

  /// The row-wise inputs cut short.
  public func sample(_ inputs: [TensorType], rows: Int) -> Tuner.Evaluation {
    guard let rowInputs = rowInputs(inputs) else { return Tuner.Evaluation(self, inputs) }
    let shortened = inputs.enumerated().map { index, type in
      guard rowInputs.contains(index), type.shape[0] > rows else { return type }
      return TensorType(Shape([rows] + type.shape.dimensions.dropFirst()), type.dtype)
    }
    return Tuner.Evaluation(self, shortened)
  }

  /// Not to be tuned.
  public func tuningKey(_ types: LoweredTypes) -> String? { nil }

  /// All ways in which the op can be made of operands of these types, those first that the rules prefer.
  public func choices(_ types: LoweredTypes, _ device: DeviceProfile) -> [KernelChoice] {
    variants(types, device).flatMap { variant -> [KernelChoice] in
      let tiles = tiles(variant, types, device)
      return tiles.isEmpty
        ? [KernelChoice(variant: variant)] : tiles.map { KernelChoice(variant: variant, tile: $0) }
    }
  }
}

extension DeviceProfile {
  /// The profile for the lowering of `op`: with the choice of the tuning table, where it has one that can be made and
  /// nobody has forced another variant.
  func tuned(for op: any VulkanLowering, _ types: LoweredTypes) -> DeviceProfile {
    guard !tuning.entries.isEmpty, let key = op.tuningKey(types), let choice = tuning.entries[key]?.choice,
      op.choices(types, self).contains(choice), (forcedVariants[op.name] ?? choice.variant) == choice.variant
    else { return self }
    var profile = self
    profile.forcedVariants[op.name] = choice.variant
    profile.forcedTile = choice.tile
    return profile
  }
}

/// Words of tuning keys.
enum TuningKey {
  /// The least power of two that is not below a number of rows.
  static func bound(_ count: Int) -> Int {
    var bound = 1
    while bound < count { bound *= 2 }
    return bound
  }

  /// A number of rows, as the power of two that it does not exceed: `"rows<=512"`. Of very many the number does not
  /// matter any more: `"rows>4096"`.
  static func rows(_ count: Int) -> String { bound("rows", count) }

  /// The same for a number of something else.
  static func bound(_ things: String, _ count: Int) -> String {
    let most = Tuner.mostRows / 2
    return count > most ? "\(things)>\(most)" : "\(things)<=\(bound(count))"
  }
}
