import LumosOps
import LumosTensor

extension VulkanLowering {
  /// `"standard"` alone.
  public static var variantNames: [String] { ["standard"] }

  /// All of `variantNames`.
  public func variants(_ types: LoweredTypes, _ device: DeviceProfile) -> [String] { Self.variantNames }

  /// The variant to take: the one that somebody wants if it can run, else the first.
  func variant(_ types: LoweredTypes, _ device: DeviceProfile) -> String {
    let variants = variants(types, device)
    if let forced = device.forcedVariants[name], variants.contains(forced) { return forced }
    guard let first = variants.first else { preconditionFailure("\(name) has no variant for \(types)") }
    return first
  }
}

extension DeviceProfile {
  /// The choices of `LUMOSX_VARIANT`; none where it is not set. Errors as for `variantChoices`.
  public static func variantsOfEnvironment() throws -> [String: String] {
    try environment("LUMOSX_VARIANT").map(variantChoices) ?? [:]
  }

  /// Variants by op, from text such as `Linear=matrix,Conv3D=tiles`. Where a variant cannot run, the rules choose.
  /// - Throws: `LumosError(.usage)`, with what there is, for text of another form, an op that does not exist, or a
  ///   variant that it does not have.
  public static func variantChoices(_ text: String) throws -> [String: String] {
    let place = "LUMOSX_VARIANT"
    let lowerings = OpCatalog.all.compactMap { $0 as? any VulkanLowering.Type }.filter { $0.variantNames.count > 1 }
    var choices: [String: String] = [:]
    for entry in text.split(separator: ",") {
      let parts = entry.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else {
        throw LumosError(.usage, "\"\(entry)\" is not of the form op=variant", at: place)
      }
      guard let lowering = lowerings.first(where: { $0.name == parts[0] }) else {
        let known = lowerings.map { $0.name }.joined(separator: ", ")
        throw LumosError(
          .usage, "no op with variants is named \"\(parts[0])\"", at: place, advice: "there are \(known)")
      }
      guard lowering.variantNames.contains(parts[1]) else {
        throw LumosError(
          .usage, "\(parts[0]) has no variant \"\(parts[1])\"", at: place,
          advice: "it has \(lowering.variantNames.joined(separator: ", "))")
      }
      choices[parts[0]] = parts[1]
    }
    return choices
  }
}
