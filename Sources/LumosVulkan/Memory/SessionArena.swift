import LumosTensor

/// Memory that all graphs of a session use in turns: the arena of intermediate values, or the slots of streamed weights.
///
/// Graphs of a session run one after the other and leave nothing here that a later run reads, so all of them
/// work in one arena, as large as the largest needs. It is made at the first run: what has been compiled by then has told what
/// it needs. A graph that is compiled later may make it grow, which moves it; recordings hold addresses and are made
/// anew when `generation` has changed.
final class SessionArena {
  private let pool: MemoryPool
  private let name: String
  private let isShared: Bool
  private var segments: [Allocation] = []
  private var needed: [Int] = []
  /// Changes whenever memory moves.
  private(set) var generation = 0

  /// Nothing yet, in `pool`.
  /// - Parameters:
  ///   - name: of its segments, in messages.
  ///   - isShared: whether the queue that copies writes them.
  init(_ pool: MemoryPool, _ name: String, isShared: Bool = false) {
    self.pool = pool
    self.name = name
    self.isShared = isShared
  }

  /// Asks for segments of at least these numbers of bytes from the next `make` on.
  func reserve(_ segments: [Int]) {
    for (index, byteCount) in segments.enumerated() {
      if index < needed.count {
        needed[index] = max(needed[index], byteCount)
      } else {
        needed.append(byteCount)
      }
    }
  }

  /// Makes the memory that has been asked for and is not there yet. Contents of segments that grow are lost.
  /// - Throws: `LumosError(.tryAgain)` if it cannot be had; what was asked for stays so.
  func make() throws {
    guard segments.map(\.byteCount) != needed else { return }
    generation += 1
    // A segment that grows goes before its successor comes: both might not fit.
    let kept = zip(segments, needed).prefix { $0.byteCount == $1 }.count
    segments.removeSubrange(kept...)
    for index in kept..<needed.count {
      segments.append(try pool.allocate(needed[index], "\(name) \(index)", isShared: isShared))
    }
  }

  /// A segment, or nil if it has not been made.
  func segment(_ index: Int) -> Allocation? { segments.indices.contains(index) ? segments[index] : nil }

  /// The beginnings of the segments that a plan with segments of these sizes uses.
  /// - Throws: `LumosError(.internalDefect)` if they have not been made.
  func views(_ sizes: [Int]) throws -> [Allocation] {
    try sizes.enumerated().map { index, byteCount in
      guard let segment = segment(index), byteCount <= segment.byteCount else {
        throw LumosError(.internalDefect, "\(name) \(index) was not made")
      }
      return segment.prefix(byteCount)
    }
  }
}
