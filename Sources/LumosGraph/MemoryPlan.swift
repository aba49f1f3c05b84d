import LumosOps
import LumosTensor

/// Where the values that a graph makes lie in one arena.
///
/// Every node-made value lives from the first node that writes it to its last reader; fetchable outputs live to the end
/// of the run, new contents of a state until they go there (`Graph.updatePoints`). Two values share bytes only when
/// their lives do not overlap, with one exception: a value may lie exactly where an operand of its nodes lay, where op
/// and graph allow it (`InPlace`). Such values form one place, which lives as long as all of them together. Places are
/// put largest first at the lowest offset that is free over their whole life, which stays within a few per cent of the
/// largest sum of live bytes (`liveBytesMax`) on this engine's graphs. Scratch memory that nodes ask for lives for the node
/// alone, and counts among the live bytes.
///
/// Complexity: O(n²) in the number of places that overlap in time, which is small: residual streams are long-lived but
/// few.
public struct MemoryPlan: Sendable {
  /// When a value exists: from the node that makes it to the last node that reads it, both included.
  public struct Life: Sendable, Hashable {
    /// The value.
    public let value: Graph.ValueID
    /// Index of the node that makes it, or the first of those that fill it.
    public let first: Int
    /// Index of the last node that reads it; `nodes.count` if it must survive the run.
    public let last: Int
    /// Bytes, rounded up to the alignment.
    public let byteCount: Int
  }

  /// Size of the arena.
  public let byteCount: Int
  /// Largest sum of live bytes over the run, those of a place once: no arena with these places can be smaller.
  public let liveBytesMax: Int
  /// Live bytes while each node runs, those of a place once.
  public let liveBytes: [Int]
  /// Lives of all placed values, by their first node.
  public let lives: [Life]
  private let offsets: [Int: Int]
  private let scratchOffsets: [Int: Int]

  /// Byte offset of a node-made value, or nil for other values and for empty ones.
  public func offset(of value: Graph.ValueID) -> Int? { offsets[value.index] }

  /// Byte offset of the scratch memory of node `index`, or nil if it has none.
  public func scratchOffset(ofNode index: Int) -> Int? { scratchOffsets[index] }

  /// Plans `graph`; offsets are multiples of `alignment`.
  ///
  /// Where a device cannot allocate the arena in one piece it is cut at every multiple of `segmentByteCount` (itself
  /// one of `alignment`): no value lies across a cut. Every value must fit a segment.
  /// - Parameters:
  ///   - inPlace: whether values take over the memory of operands that die.
  ///   - scratch: bytes that nodes need besides their values while they run, by index; what is missing needs none.
  public init(
    graph: Graph, alignment: Int = 256, segmentByteCount: Int = .max, inPlace: Bool = true, scratch: [Int: Int] = [:]
  ) {
    /// The first offset from `offset` on at which `byteCount` bytes lie within one segment.
    func fitted(_ offset: Int, _ byteCount: Int) -> Int {
      let start = offset % segmentByteCount
      return start + byteCount <= segmentByteCount ? offset : offset - start + segmentByteCount
    }
    lives = Self.lives(of: graph, alignment: alignment)
    let places =
      Place.places(of: lives, takeovers: inPlace ? InPlace.takeovers(in: graph) : [:])
      + scratch.sorted { $0.key < $1.key }.filter { $0.value > 0 }.map { node, byteCount in
        Place(
          values: [], first: node, last: node, byteCount: (byteCount + alignment - 1) / alignment * alignment,
          scratchOf: node)
      }

    var changes = [Int](repeating: 0, count: graph.nodes.count + 2)
    for place in places {
      changes[place.first] += place.byteCount
      changes[place.last + 1] -= place.byteCount
    }
    var live = 0
    let sums = changes.map { change in
      live += change
      return live
    }
    liveBytes = Array(sums.prefix(graph.nodes.count))
    liveBytesMax = sums.max() ?? 0

    // Largest first; among equals the longer-lived, then the earlier, so that the result depends on nothing else.
    let order = places.sorted {
      ($1.byteCount, $1.last - $1.first, $0.first) < ($0.byteCount, $0.last - $0.first, $1.first)
    }
    var placed: [(place: Place, offset: Int)] = []
    var offsets: [Int: Int] = [:]
    var scratchOffsets: [Int: Int] = [:]
    var end = 0
    for place in order {
      var offset = 0
      // `placed` is kept in ascending order of offsets: slide past everything that overlaps in time and space.
      for other in placed where other.place.first <= place.last && place.first <= other.place.last {
        if offset + place.byteCount <= other.offset { break }
        offset = fitted(max(offset, other.offset + other.place.byteCount), place.byteCount)
      }
      for value in place.values { offsets[value] = offset }
      if let node = place.scratchOf { scratchOffsets[node] = offset }
      end = max(end, offset + place.byteCount)
      let position = placed.partitioningIndex { $0.offset >= offset }
      placed.insert((place, offset), at: position)
    }
    self.offsets = offsets
    self.scratchOffsets = scratchOffsets
    byteCount = end
  }

  /// Lives of the values that nodes make (empty values have none).
  private static func lives(of graph: Graph, alignment: Int) -> [Life] {
    var last: [Int: Int] = [:]
    for (index, node) in graph.nodes.enumerated() {
      for value in node.outputs { last[value.index] = index }
      for value in node.inputs { last[value.index] = index }
    }
    for output in graph.outputs { last[output.value.index] = graph.nodes.count }
    for (update, point) in zip(graph.stateUpdates, graph.updatePoints()) {
      last[update.value.index] = max(last[update.value.index] ?? 0, point ?? graph.nodes.count)
    }
    var seen = Set<Int>()
    return graph.nodes.enumerated().flatMap { index, node in
      node.outputs.compactMap { value in
        let bytes = graph[value].type.byteCount
        guard bytes > 0, seen.insert(value.index).inserted else { return nil }
        let aligned = (bytes + alignment - 1) / alignment * alignment
        return Life(value: value, first: index, last: last[value.index] ?? index, byteCount: aligned)
      }
    }
  }
}

/// Bytes of the arena and the values that lie there, one taking over from the other; or the scratch memory of a node.
private struct Place {
  var values: [Int]
  var first: Int
  var last: Int
  let byteCount: Int
  var scratchOf: Int?

  /// The lives, joined where one value takes over another's memory.
  static func places(of lives: [MemoryPlan.Life], takeovers: [Int: Int]) -> [Place] {
    var places: [Place] = []
    var index: [Int: Int] = [:]
    for life in lives {
      if let operand = takeovers[life.value.index], let place = index[operand] {
        index[life.value.index] = place
        places[place].values.append(life.value.index)
        places[place].last = max(places[place].last, life.last)
      } else {
        index[life.value.index] = places.count
        places.append(
          Place(values: [life.value.index], first: life.first, last: life.last, byteCount: life.byteCount))
      }
    }
    return places
  }
}

extension Array {
  /// First index whose element satisfies `belongsInSecondPartition`, in an array partitioned by it.
  fileprivate func partitioningIndex(where belongsInSecondPartition: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if belongsInSecondPartition(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
