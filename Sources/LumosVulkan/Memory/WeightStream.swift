import CVulkan
import LumosGraph
import LumosTensor

/// The two buffers between checkpoint and device through which a session's streamed weights come.
final class WeightStaging {
  /// Enough to keep a bus busy; larger ones would only take more memory.
  static let mostBytes = 32 << 20

  /// Bytes of each.
  let byteCount: Int
  private let blocks: [MemoryBlock]

  /// - Throws: `LumosError(.tryAgain)` if the memory cannot be had.
  init(_ context: DeviceContext, byteCount: Int) throws {
    self.byteCount = byteCount
    blocks = try (0..<2).map { index in
      try MemoryBlock(
        context, context.stagingLedger, byteCount: byteCount, purpose: .staging, isShared: true,
        name: "staging buffer \(index) of streamed weights")
    }
  }

  /// Bytes from `offset` on of one of the two.
  func range(_ index: Int, _ offset: Int, _ byteCount: Int) -> DeviceRange {
    DeviceRange(block: blocks[index], offset: offset, byteCount: byteCount)
  }
}

/// Brings the weights of a plan to the device while it runs: fills a staging buffer from the checkpoint and has it copied
/// into a slot, by a queue of its own where the device has one.
///
/// Copies are recorded once. Three orders are kept by timeline semaphores: a copy waits for the submissions that read
/// what it replaces, a submission waits for the copies of what it reads, and the host waits for a copy before it fills
/// its staging buffer anew. Every wait is for something that has been submitted before, so nothing waits for ever, also
/// where one queue does all of it or a run ends early.
final class WeightStream {
  /// What one command buffer copies: part of a load that fits a staging buffer.
  private struct Chunk {
    struct Part {
      let weight: String
      let source: Range<Int>
      /// Where it lies in the staging buffer.
      let offset: Int
      /// Where it goes in the slot.
      let target: Range<Int>
    }

    let load: Int
    var parts: [Part] = []
    var byteCount = 0
  }

  private let device: VulkanDevice
  private let queue: SubmissionQueue
  private let source: any WeightSource
  private let staging: WeightStaging
  private let loads: [WeightLoad]
  private let chunks: [Chunk]
  private let commands: CommandList
  private let timestamps: Timestamps?
  /// Sets the timestamps back, on the queue that computes: one that only copies cannot.
  private let reset: CommandList?

  // State of a run.
  private var nextChunk = 0
  /// What each load's last copy signals.
  private var done: [UInt64] = []
  private var stagingInUse: [UInt64?] = [nil, nil]
  private var lastSubmitted: UInt64?
  private var resetDone: SubmissionQueue.Point?

  /// Records the copies of `loads`.
  /// - Parameter slots: the two slots (one if there is a single load), large enough for them.
  init(
    _ device: VulkanDevice, _ loads: [WeightLoad], from source: any WeightSource, through staging: WeightStaging,
    into slots: [Allocation], isTimed: Bool
  ) throws {
    let context = device.context
    self.device = device
    self.source = source
    self.staging = staging
    self.loads = loads
    queue = device.transferSubmissions
    chunks = Self.chunks(loads, most: staging.byteCount)
    commands = try CommandList(context, family: context.transferFamily)
    let bits = context.transferTimestampBits
    timestamps = isTimed && bits > 0 ? try Timestamps(context, count: 2 * chunks.count, bits: bits) : nil
    reset = try timestamps.map { timestamps in
      let list = try CommandList(context)
      try list.record(0) { timestamps.reset($0) }
      return list
    }
    for (index, chunk) in chunks.enumerated() {
      let slot = slots[loads[chunk.load].slot]
      let copies = chunk.parts.map { part in
        (staging.range(index % 2, part.offset, part.source.count), slot.range(part.target))
      }
      try commands.record(index) { buffer in
        timestamps?.begin(buffer, 2 * index)
        for (from, to) in copies { context.copy(buffer, from, to) }
        timestamps?.end(buffer, 2 * index + 1)
      }
    }
  }

  private static func chunks(_ loads: [WeightLoad], most: Int) -> [Chunk] {
    var chunks: [Chunk] = []
    for (index, load) in loads.enumerated() {
      var chunk = Chunk(load: index)
      for piece in load.pieces {
        var start = 0
        while start < piece.source.count {
          if chunk.byteCount == most {
            chunks.append(chunk)
            chunk = Chunk(load: index)
          }
          let count = min(piece.source.count - start, most - chunk.byteCount)
          let (from, to) = (piece.source.lowerBound + start, piece.target.lowerBound + start)
          chunk.parts.append(
            Chunk.Part(
              weight: piece.weight, source: from..<from + count, offset: chunk.byteCount,
              target: to..<to + count))
          chunk.byteCount += count
          start += count
        }
      }
      chunks.append(chunk)
    }
    return chunks
  }

  /// Begins a run. No earlier one may be under way.
  func begin() throws {
    nextChunk = 0
    done = []
    stagingInUse = [nil, nil]
    lastSubmitted = nil
    resetDone = try reset.map {
      SubmissionQueue.Point(queue: device.submissions, value: try device.submissions.submit($0.buffers[0]))
    }
  }

  /// Fetches what the next submission reads, if that has not been done.
  /// - Parameter submitted: timeline values of the submissions before it.
  /// - Returns: what it must wait for.
  func prepare(_ submitted: [UInt64]) throws -> [SubmissionQueue.Point] {
    try fetch(submitted) { $0.before <= submitted.count }
    // Waiting for a load once is enough, but does no harm: later submissions of a segment follow in order.
    guard let load = loads.lastIndex(where: { $0.before == submitted.count }) else { return [] }
    return [SubmissionQueue.Point(queue: queue, value: done[load])]
  }

  /// Fetches what can be fetched while the device is at the submission that was just submitted.
  func prefetch(_ submitted: [UInt64]) throws {
    // A load that waits for that very submission would keep the host from submitting the next.
    try fetch(submitted) { $0.after < submitted.count }
  }

  private func fetch(_ submitted: [UInt64], while mayBegin: (WeightLoad) -> Bool) throws {
    while nextChunk < chunks.count, mayBegin(loads[chunks[nextChunk].load]) {
      let load = chunks[nextChunk].load
      let after = loads[load].after
      var waits = resetDone.map { [$0] } ?? []
      resetDone = nil
      if after > 0 { waits.append(SubmissionQueue.Point(queue: device.submissions, value: submitted[after - 1])) }
      let value = try copy(nextChunk, after: waits)
      nextChunk += 1
      if load == done.count { done.append(value) } else { done[load] = value }
    }
  }

  /// Fills the staging buffer whose turn it is, and submits its copy.
  private func copy(_ index: Int, after waits: [SubmissionQueue.Point]) throws -> UInt64 {
    let context = device.context
    let buffer = index % 2
    if let value = stagingInUse[buffer] { try queue.wait(for: value) }
    for part in chunks[index].parts {
      guard let mapped = staging.range(buffer, part.offset, part.source.count).mapped else {
        throw LumosError(.noDevice, "the device has no memory that the host can map", at: context.name)
      }
      try source.read(
        part.weight, bytes: part.source, into: UnsafeMutableRawBufferPointer(start: mapped, count: part.source.count))
    }
    try context.check(
      context.fault(.stagingCopy, VK_ERROR_OUT_OF_HOST_MEMORY) ?? VK_SUCCESS, "a copy of streamed weights")
    let value = try queue.submit(commands.buffers[index], after: waits)
    stagingInUse[buffer] = value
    lastSubmitted = value
    return value
  }

  /// Ends a run, also one that failed: no copy is under way any more when this returns.
  func finish() {
    guard let lastSubmitted, !device.context.isAbandoned else { return }
    // What else is there to do about a failure? It is that of the device, which the run has met as well.
    try? queue.wait(for: lastSubmitted)
  }

  /// What was copied in the last run, which must be over; empty if it was not timed.
  /// - Parameter zero: a timestamp of the queue that computes.
  func executions(since zero: UInt64) throws -> [RunTiming.Transfer] {
    guard let ticks = try timestamps?.ticks() else { return [] }
    let context = device.context
    let bits = min(context.timestampBits, context.transferTimestampBits)
    var last = -Double.infinity
    return chunks.enumerated().map { index, chunk in
      // A queue may look at a command while the one before is still at work.
      let start = max(context.signedSeconds(from: zero, to: ticks[2 * index], bits: bits), last)
      last = max(context.signedSeconds(from: zero, to: ticks[2 * index + 1], bits: bits), start)
      let names = chunk.parts.map(\.weight)
      let label = names.count > 1 ? "\(names[0]) … \(names[names.count - 1])" : names.first ?? ""
      return RunTiming.Transfer(label: label, byteCount: chunk.byteCount, start: start, seconds: last - start)
    }
  }
}
