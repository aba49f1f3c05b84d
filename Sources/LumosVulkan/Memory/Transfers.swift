import CVulkan
import Glibc
import LumosTensor
import Synchronization

/// Moves bytes between the host and device memory: directly where the host sees the memory, else through a staging
/// buffer and the queue. Every call returns when the bytes are where they belong.
final class Transfers: Sendable {
  /// Size of the staging buffer; longer transfers go in pieces.
  private static let stagingBytes = 32 << 20

  private let context: DeviceContext
  private let submissions: SubmissionQueue
  private let staging = Mutex<Staging?>(nil)

  private final class Staging: @unchecked Sendable {
    let block: MemoryBlock
    let commands: CommandList
    let bytes: UnsafeMutableRawPointer

    init(_ context: DeviceContext) throws {
      block = try MemoryBlock(
        context, context.stagingLedger, byteCount: Transfers.stagingBytes, purpose: .staging, name: "the staging buffer"
      )
      guard let mapped = block.mapped else {
        throw LumosError(.noDevice, "the device has no memory that the host can map", at: context.name)
      }
      bytes = mapped
      commands = try CommandList(context)
    }

    /// The first `byteCount` bytes of the buffer.
    func range(_ byteCount: Int) -> DeviceRange { DeviceRange(block: block, offset: 0, byteCount: byteCount) }
  }

  init(_ context: DeviceContext, _ submissions: SubmissionQueue) {
    self.context = context
    self.submissions = submissions
  }

  /// Writes `source` to the start of `target`, which must be long enough and not in use by the device.
  func upload(_ source: UnsafeRawBufferPointer, to target: DeviceRange) throws {
    precondition(source.count <= target.byteCount, "\(source.count) bytes into \(target.byteCount)")
    guard let from = source.baseAddress, source.count > 0 else { return }
    if let mapped = target.mapped {
      memcpy(mapped, from, source.count)
      return
    }
    try withStaging { staging in
      try Self.pieces(source.count) { start, count in
        memcpy(staging.bytes, from + start, count)
        try submit(staging) { context.copy($0, staging.range(count), target.slice(start, count)) }
      }
    }
  }

  /// Writes a tensor to the start of `target`.
  func upload(_ tensor: Tensor, to target: DeviceRange) throws {
    try tensor.withUnsafeBytes { try upload($0, to: target) }
  }

  /// Reads `source` into `target`, which must be long enough. The device must be done with writing it.
  func download(_ source: DeviceRange, into target: UnsafeMutableRawBufferPointer) throws {
    precondition(source.byteCount <= target.count, "\(source.byteCount) bytes into \(target.count)")
    guard let to = target.baseAddress, source.byteCount > 0 else { return }
    if let mapped = source.mapped, source.block.isHostCached {
      memcpy(to, mapped, source.byteCount)
      return
    }
    try withStaging { staging in
      try Self.pieces(source.byteCount) { start, count in
        try submit(staging) { context.copy($0, source.slice(start, count), staging.range(count)) }
        memcpy(to + start, staging.bytes, count)
      }
    }
  }

  /// The contents of `source` as a tensor.
  func download(_ source: DeviceRange, as type: TensorType) throws -> Tensor {
    try Tensor(type.shape, type.dtype) { try download(source, into: $0) }
  }

  /// Fills `target` with a word, repeated from its first byte (also where its length is no multiple of 4).
  func fill(_ target: DeviceRange, with word: UInt32) throws {
    if let mapped = target.mapped {
      if word == (word & 0xff) &* 0x0101_0101 {
        memset(mapped, Int32(word & 0xff), target.byteCount)
        return
      }
      let words = target.byteCount / 4
      for index in 0..<words { mapped.storeBytes(of: word, toByteOffset: index * 4, as: UInt32.self) }
      withUnsafeBytes(of: word) { bytes in
        for index in words * 4..<target.byteCount {
          mapped.storeBytes(of: bytes[index & 3], toByteOffset: index, as: UInt8.self)
        }
      }
      return
    }
    let aligned = target.offset & 3 == 0 ? target.byteCount / 4 * 4 : 0
    if aligned > 0 {
      try withStaging { staging in
        try submit(staging) {
          context.vk.cmdFillBuffer($0, target.block.buffer, UInt64(target.offset), UInt64(aligned), word)
        }
      }
    }
    // vkCmdFillBuffer wants whole aligned words; what it cannot fill is uploaded.
    let rest = target.byteCount - aligned
    guard rest > 0 else { return }
    let bytes = withUnsafeBytes(of: word) { pattern in (0..<rest).map { pattern[$0 & 3] } }
    try bytes.withUnsafeBytes { try upload($0, to: target.slice(aligned, rest)) }
  }

  private static func pieces(_ byteCount: Int, _ body: (_ start: Int, _ count: Int) throws -> Void) rethrows {
    var start = 0
    while start < byteCount {
      let count = min(stagingBytes, byteCount - start)
      try body(start, count)
      start += count
    }
  }

  private func withStaging(_ body: (Staging) throws -> Void) throws {
    try staging.withLock { slot in
      let staging = try slot ?? Staging(context)
      slot = staging
      try body(staging)
    }
  }

  /// The one place where staged bytes are moved: records `body` between barriers, submits it and waits.
  private func submit(_ staging: Staging, _ body: (VkCommandBuffer) -> Void) throws {
    try context.check(
      context.fault(.stagingCopy, VK_ERROR_OUT_OF_HOST_MEMORY) ?? VK_SUCCESS, "a copy through the staging buffer")
    try staging.commands.record(0) { commands in
      context.barrier(commands)
      body(commands)
      context.barrier(commands, toHost: true)
    }
    try submissions.run(staging.commands.buffers)
  }
}
