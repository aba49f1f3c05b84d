/// Verifies the order of loads and readers of streamed weights by the definition, reader by reader. It shares no code with
/// `WeightSegments`, since it is there to find its mistakes.
public enum LoadChecker {
  /// A way in which a slot is misused.
  public struct Violation: Sendable, Hashable, CustomStringConvertible {
    /// What goes wrong.
    public enum Kind: String, Sendable {
      /// A command reads weights that have not been loaded for certain.
      case readBeforeLoad
      /// A load may replace weights before, or while, a command reads them.
      case loadBeforeLastRead
      /// Two loads may write the same bytes at the same time.
      case loadsOverlap
      /// A load waits for a submission that waits for the load.
      case standstill
      /// A command writes into a slot.
      case written
    }

    /// What goes wrong.
    public let kind: Kind
    /// Index of the load that does damage; nil where one is missing.
    public let load: Int?
    /// Index of the command, or nil where only loads are concerned.
    public let command: Int?

    public var description: String {
      kind.rawValue + (load.map { " of load \($0)" } ?? "") + (command.map { " at command \($0)" } ?? "")
    }
  }

  /// All misuses of slots when each load begins once the submissions before `after` are over, and is over before the
  /// submission `before` begins. Nothing else orders loads and commands, nor loads among each other.
  ///
  /// Complexity: the number of reads of slots times the number of loads.
  public static func violations(
    _ commands: [PlannedDispatch], submissions: [Range<Int>], loads: [WeightLoad]
  ) -> [Violation] {
    // In terms of commands: those below `begins` are over when a load begins; those from `ends` on find it done.
    let spans = loads.map { load -> (begins: Int, ends: Int) in
      let begins = load.after > 0 && load.after <= submissions.count ? submissions[load.after - 1].upperBound : 0
      return (begins, load.before < submissions.count ? submissions[load.before].lowerBound : Int.max)
    }
    var found: [Violation] = []
    for (index, load) in loads.enumerated() where load.after > load.before {
      found.append(Violation(kind: .standstill, load: index, command: nil))
    }
    // Whether everything of the first load is done before the second begins: a command that has waited for it is over.
    func isOrdered(_ first: Int, _ second: Int) -> Bool { spans[second].begins > spans[first].ends }
    for second in loads.indices {
      for first in 0..<second where loads[first].slot == loads[second].slot {
        let overlap = loads[second].pieces.contains { piece in
          loads[first].pieces.contains { $0.target.overlaps(piece.target) }
        }
        if overlap && !isOrdered(first, second) {
          found.append(Violation(kind: .loadsOverlap, load: second, command: nil))
        }
      }
    }
    for (index, command) in commands.enumerated() {
      for case .segment in command.writes.map(\.buffer) {
        found.append(Violation(kind: .written, load: nil, command: index))
      }
      for read in command.reads {
        guard case .segment(let segment) = read.buffer, !read.bytes.isEmpty else { continue }
        guard let own = loads.firstIndex(where: { $0.segment == segment }), spans[own].ends <= index,
          covers(loads[own].pieces.map(\.target), read.bytes)
        else {
          found.append(Violation(kind: .readBeforeLoad, load: nil, command: index))
          continue
        }
        for other in loads.indices where other != own && loads[other].slot == loads[own].slot {
          let isApart = !loads[other].pieces.contains { $0.target.overlaps(read.bytes) }
          if isApart || isOrdered(other, own) || spans[other].begins > index { continue }
          found.append(Violation(kind: .loadBeforeLastRead, load: other, command: index))
        }
      }
    }
    return found
  }

  private static func covers(_ parts: [Range<Int>], _ bytes: Range<Int>) -> Bool {
    var end = bytes.lowerBound
    for part in parts.sorted(by: { $0.lowerBound < $1.lowerBound }) where part.lowerBound <= end {
      end = max(end, part.upperBound)
    }
    return end >= bytes.upperBound
  }
}
