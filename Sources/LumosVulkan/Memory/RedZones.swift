import Glibc
import LumosTensor

/// Guards around allocations in the checked mode: bytes of a known pattern that no kernel may write.
///
/// All patterns are NaN as f32, as f16 and as bf16, so that a kernel that *reads* where it must not shows too. A kernel
/// that reads past one tensor and writes past another could restore the very pattern; therefore neighbours have
/// different ones (against copies), and as f32 they are signalling NaN, which no arithmetic returns unchanged.
enum RedZones {
  /// Fills memory that nobody has written yet.
  static let poisonPattern: UInt32 = 0xffff_ffff

  /// Byte `index` of guard number `seed`: halves from `0x7f81` to `0x7fbf`. The pattern repeats every two bytes, so
  /// that a guard may begin after an odd number of 16-bit elements.
  static func guardByte(_ index: Int, seed: Int) -> UInt8 { index & 1 == 0 ? UInt8(0x81 + seed % 63) : 0x7f }

  /// Writes the zones of a new allocation.
  static func mark(_ allocation: Allocation, _ transfers: Transfers) throws {
    let bytes = (0..<allocation.redZoneBytes).map { guardByte($0, seed: allocation.seed) }
    try bytes.withUnsafeBytes { pattern in
      for zone in allocation.redZones { try transfers.upload(pattern, to: zone) }
    }
  }

  /// Reads all zones back.
  /// - Throws: `LumosError(.internalDefect)` that names the first allocation beside which something was written.
  static func verify(_ allocations: [Allocation], _ transfers: Transfers) throws {
    for allocation in allocations {
      for (isAfter, zone) in zip([false, true], allocation.redZones) {
        var bytes = [UInt8](repeating: 0, count: zone.byteCount)
        try bytes.withUnsafeMutableBytes { try transfers.download(zone, into: $0) }
        guard let index = firstChange(bytes, seed: allocation.seed, fromEnd: !isAfter) else { continue }
        // The distance is counted from the allocation, whichever side was hit.
        let distance = isAfter ? index : zone.byteCount - 1 - index
        throw LumosError(
          .internalDefect,
          "a kernel wrote \(distance + 1) bytes \(isAfter ? "past the end" : "before the start") of \(allocation.name) "
            + "(\(allocation.byteCount) bytes)",
          at: allocation.block.context.name)
      }
    }
  }

  /// Index of the changed byte nearest to the allocation, or nil if guard number `seed` is whole.
  static func firstChange(_ bytes: [UInt8], seed: Int, fromEnd: Bool = false) -> Int? {
    func isChanged(_ index: Int) -> Bool { bytes[index] != guardByte(index, seed: seed) }
    return fromEnd ? bytes.indices.last(where: isChanged) : bytes.indices.first(where: isChanged)
  }
}
