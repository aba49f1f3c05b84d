import CVulkan
import LumosTensor

/// Part of a memory block, with a name: a tensor, an arena, a table.
///
/// In the checked mode it lies between two red zones, which nobody may write.
final class Allocation: @unchecked Sendable {
  /// What it holds, for messages: `"weight blocks.0.ffn.0.weight"`.
  let name: String
  let block: MemoryBlock
  /// Bytes from the start of the block.
  let offset: Int
  let byteCount: Int
  /// Bytes of red zone on either side.
  let redZoneBytes: Int
  /// Number of the allocation in its pool, which picks the pattern of its red zones.
  let seed: Int

  fileprivate init(_ name: String, _ block: MemoryBlock, offset: Int, byteCount: Int, redZoneBytes: Int, seed: Int) {
    self.seed = seed
    self.name = name
    self.block = block
    self.offset = offset
    self.byteCount = byteCount
    self.redZoneBytes = redZoneBytes
  }

  /// Device address of the first byte.
  var address: UInt64 { block.address + UInt64(offset) }
  /// The whole allocation.
  var all: DeviceRange { DeviceRange(block: block, offset: offset, byteCount: byteCount) }

  /// Bytes `range` of it.
  func range(_ range: Range<Int>) -> DeviceRange {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "bytes \(range) of \(name) (\(byteCount))")
    return DeviceRange(block: block, offset: offset + range.lowerBound, byteCount: range.count)
  }

  /// The first `byteCount` bytes, with red zones of their own where the memory has any.
  func prefix(_ byteCount: Int) -> Allocation {
    precondition((1...self.byteCount).contains(byteCount), "the first \(byteCount) bytes of \(name)")
    return Allocation(
      name, block, offset: offset, byteCount: byteCount, redZoneBytes: redZoneBytes, seed: seed)
  }

  /// The red zones: before and after.
  var redZones: [DeviceRange] {
    guard redZoneBytes > 0 else { return [] }
    return [
      DeviceRange(block: block, offset: offset - redZoneBytes, byteCount: redZoneBytes),
      DeviceRange(block: block, offset: offset + byteCount, byteCount: redZoneBytes),
    ]
  }
}

/// Bytes of device memory.
struct DeviceRange {
  let block: MemoryBlock
  let offset: Int
  let byteCount: Int

  /// Device address of the first byte.
  var address: UInt64 { block.address + UInt64(offset) }
  /// Where the host sees the bytes, if it does.
  var mapped: UnsafeMutableRawPointer? { block.mapped.map { $0 + offset } }

  /// Bytes `start ..< start + count` of the range.
  func slice(_ start: Int, _ count: Int) -> DeviceRange {
    DeviceRange(block: block, offset: offset + start, byteCount: count)
  }
}

/// Hands out named allocations from blocks: large ones get a block each, small ones share.
///
/// Blocks are freed when their last allocation is, except the one that is being filled, which lives with the pool. Used
/// from one task at a time.
final class MemoryPool {
  /// Alignment of every allocation in bytes: more than any kernel's loads or any device's limits ask for.
  static let alignment = 256
  /// From this size on an allocation gets a block of its own.
  private static let largeBytes = 4 << 20
  private static let firstSharedBytes = 1 << 20
  private static let lastSharedBytes = 32 << 20
  /// Bytes of a red zone: a multiple of the alignment.
  static let redZoneBytes = 1024

  private let device: VulkanDevice
  private let ledger: MemoryLedger
  private let checked: Bool
  private var shared: MemoryBlock?
  private var sharedEnd = 0
  private var count = 0
  private var handedOut: [WeakAllocation] = []

  private struct WeakAllocation { weak var allocation: Allocation? }

  init(_ device: VulkanDevice, checked: Bool) {
    self.device = device
    self.checked = checked
    ledger = MemoryLedger(parent: device.context.ledger)
  }

  /// Memory that this pool has allocated.
  var use: MemoryUse { ledger.use }

  /// Living allocations (tracked in the checked mode only).
  var allocations: [Allocation] { handedOut.compactMap(\.allocation) }

  /// `byteCount` bytes (at least 1), aligned to `alignment`, with undefined contents.
  /// - Parameter isShared: whether the queue that copies uses it too; it then has a block of its own.
  /// - Throws: `LumosError(.tryAgain)` if the memory cannot be had.
  func allocate(_ byteCount: Int, _ name: String, isShared: Bool = false) throws -> Allocation {
    precondition(byteCount > 0, "an empty allocation for \(name)")
    let zone = checked ? Self.redZoneBytes : 0
    let total = (byteCount + 2 * zone + Self.alignment - 1) / Self.alignment * Self.alignment
    let block: MemoryBlock
    let start: Int
    if isShared || total >= Self.largeBytes {
      block = try makeBlock(total, name, isShared: isShared)
      start = 0
    } else {
      if shared == nil || sharedEnd + total > (shared?.byteCount ?? 0) {
        let next = min(max((shared?.byteCount ?? 0) * 2, Self.firstSharedBytes), Self.lastSharedBytes)
        shared = try makeBlock(max(next, total), name)
        sharedEnd = 0
      }
      guard let shared else { throw LumosError(.internalDefect, "no shared block", at: name) }
      block = shared
      start = sharedEnd
      sharedEnd += total
    }
    count += 1
    let allocation = Allocation(
      name, block, offset: start + zone, byteCount: byteCount, redZoneBytes: zone, seed: count)
    if checked {
      handedOut.removeAll { $0.allocation == nil }
      handedOut.append(WeakAllocation(allocation: allocation))
      try RedZones.mark(allocation, device.transfers)
    }
    return allocation
  }

  /// Verifies the red zones of all living allocations; see `RedZones.verify`.
  func verifyRedZones() throws { try RedZones.verify(allocations, device.transfers) }

  private func makeBlock(_ byteCount: Int, _ name: String, isShared: Bool = false) throws -> MemoryBlock {
    try MemoryBlock(
      device.context, ledger, byteCount: byteCount, purpose: .device, isShared: isShared, name: name)
  }
}
