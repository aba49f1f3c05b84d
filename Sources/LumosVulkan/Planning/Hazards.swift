/// Where a plan needs barriers.
///
/// A barrier orders everything before it against everything after it. Commands between two barriers may run at the same
/// time and in any order, so no two of them may touch the same bytes unless both only read them. Slices of one op
/// (`PlannedDispatch.continuesSlices`) declare the whole of its operands and touch different bytes of its results; what
/// they write to scratch memory none of them reads. Within a command its own reads and writes are its kernel's affair.
public enum Hazards {
  /// For each command whether a barrier must stand before it: exactly where it conflicts with one since the last
  /// barrier.
  ///
  /// Greedy, and with barriers of this kind optimal: a barrier as late as possible serves the most conflicts.
  /// Complexity: O(n·k) for k accesses between barriers, which is small in the chains that models are.
  public static func barriers(for commands: [PlannedDispatch]) -> [Bool] {
    var reads: [BufferID: [Range<Int>]] = [:]
    var writes: [BufferID: [Range<Int>]] = [:]
    // What the slices of the op at hand have touched: it concerns the ops behind it only.
    var slices: [PlannedDispatch] = []
    func meets(_ access: BufferRange, _ earlier: [BufferID: [Range<Int>]]) -> Bool {
      earlier[access.buffer]?.contains { $0.overlaps(access.bytes) } ?? false
    }
    return commands.map { command in
      if !command.continuesSlices {
        for slice in slices {
          for access in slice.reads { reads[access.buffer, default: []].append(access.bytes) }
          for access in slice.writes { writes[access.buffer, default: []].append(access.bytes) }
        }
        slices.removeAll(keepingCapacity: true)
      }
      let needsBarrier =
        command.reads.contains { meets($0, writes) }
        || command.writes.contains { meets($0, writes) || meets($0, reads) }
      if needsBarrier {
        reads.removeAll(keepingCapacity: true)
        writes.removeAll(keepingCapacity: true)
        slices.removeAll(keepingCapacity: true)
      }
      slices.append(command)
      return needsBarrier
    }
  }
}

/// Verifies barriers by the definition, pair by pair. It shares no code with `Hazards`, since it is there to find its
/// mistakes; the validation layers cannot, as they do not see accesses through device addresses.
public enum HazardChecker {
  /// Two commands that touch the same bytes without a barrier between them, or one that writes what it reads.
  public struct Violation: Sendable, Hashable, CustomStringConvertible {
    /// Names of the three conflicts, as architects call them, and of the one that a command has with itself.
    public enum Kind: String, Sendable { case readAfterWrite, writeAfterRead, writeAfterWrite, withinCommand }

    /// Kind of conflict.
    public let kind: Kind
    /// Index of the earlier command.
    public let first: Int
    /// Index of the later command; the same one for a conflict of a command with itself.
    public let second: Int
    /// Bytes of the later command that conflict.
    public let range: BufferRange

    public var description: String { "\(kind.rawValue) of commands \(first) and \(second) at \(range)" }
  }

  /// All unprotected conflicts of `commands` when a barrier stands before each whose flag is set.
  ///
  /// A command may write what it reads only where it says so, and only in exactly the same place. Nor may it write
  /// bytes twice.
  ///
  /// Complexity: quadratic in the commands between two barriers.
  public static func violations(_ commands: [PlannedDispatch], barriers: [Bool]) -> [Violation] {
    precondition(commands.count == barriers.count, "\(barriers.count) flags for \(commands.count) commands")
    // Commands of the same epoch have no barrier between them.
    var epoch = 0
    let epochs = barriers.map { hasBarrier in
      if hasBarrier { epoch += 1 }
      return epoch
    }
    // Number of the op of each command.
    var op = 0
    let ops = commands.map { command in
      if !command.continuesSlices { op += 1 }
      return op
    }
    var found: [Violation] = []
    for second in commands.indices {
      found += conflictsWithin(commands[second], at: second)
      for first in stride(from: second - 1, through: 0, by: -1) {
        if epochs[first] != epochs[second] { break }
        // Slices of one op touch different bytes, though they declare the same; but not where one reads what another has
        // left for it.
        let pairs: [(Violation.Kind, [BufferRange], [BufferRange])] =
          ops[first] == ops[second]
          ? [(.readAfterWrite, commands[first].writes, commands[second].scratchReads)]
          : [
            (.readAfterWrite, commands[first].writes, commands[second].reads),
            (.writeAfterRead, commands[first].reads, commands[second].writes),
            (.writeAfterWrite, commands[first].writes, commands[second].writes),
          ]
        for (kind, earlier, later) in pairs {
          for a in earlier {
            for b in later where a.buffer == b.buffer {
              let start = max(a.bytes.lowerBound, b.bytes.lowerBound)
              let end = min(a.bytes.upperBound, b.bytes.upperBound)
              if start < end {
                found.append(Violation(kind: kind, first: first, second: second, range: .init(b.buffer, start..<end)))
              }
            }
          }
        }
      }
    }
    return found
  }

  private static func conflictsWithin(_ command: PlannedDispatch, at index: Int) -> [Violation] {
    var found: [Violation] = []
    func note(_ a: BufferRange, _ b: BufferRange) {
      let both = a.bytes.clamped(to: b.bytes)
      if a.buffer == b.buffer && !both.isEmpty {
        found.append(Violation(kind: .withinCommand, first: index, second: index, range: .init(a.buffer, both)))
      }
    }
    for (position, write) in command.writes.enumerated() {
      for read in command.reads where read != write || !command.inPlaceReads.contains(read) { note(read, write) }
      for other in command.writes[(position + 1)...] { note(other, write) }
    }
    return found
  }
}
