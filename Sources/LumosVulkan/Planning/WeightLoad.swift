import LumosGraph
import LumosTensor

/// Weights that come to the device while a plan runs: what one slot is filled with at a time.
///
/// Submissions are numbered as in `VulkanPlan.submissions`.
public struct WeightLoad: Sendable, Hashable {
  /// One weight.
  public struct Piece: Sendable, Hashable {
    /// Its name.
    public let weight: String
    /// Which bytes of it, as it is stored.
    public let source: Range<Int>
    /// Where they go, within the slot.
    public let target: Range<Int>
  }

  /// Which segment of nodes reads them: commands name them `BufferID.segment(segment)`.
  public let segment: Int
  /// Which of the two slots they come into. Segments take turns, so that one comes while the other is read.
  public let slot: Int
  /// What is loaded.
  public let pieces: [Piece]
  /// How many submissions, counted from the first, must be over before the load may begin: they read what it replaces.
  public var after: Int
  /// The submission that waits for the load.
  public var before: Int

  /// How fast loads are taken to be: host memory through PCIe 4.0 x8, or half of what x16 reaches, since the host's copy
  /// into the staging buffers is part of it.
  public static let bytesPerSecond = 10e9

  /// Bytes of the slot that it takes.
  var slotByteCount: Int { pieces.map(\.target.upperBound).max() ?? 0 }

  /// Bytes in all.
  public var byteCount: Int { pieces.reduce(0) { $0 + $1.source.count } }
}

/// Consecutive nodes whose streamed weights fit a slot together.
struct WeightSegments {
  /// A weight as a graph uses it.
  struct Weight: Hashable {
    let name: String
    let layout: WeightLayout
  }

  struct Segment {
    /// Index of its first node.
    let start: Int
    /// Weights in the order in which nodes read them, with their places in the slot.
    var weights: [(weight: Weight, type: TensorType, offset: Int)] = []
    var byteCount = 0

    func offset(of weight: Weight) -> Int? { weights.first { $0.weight == weight }?.offset }
  }

  /// Weights below this size stay on the device: together they are small, and each would cost a copy.
  static let leastBytes = 1 << 20

  /// At least one unless nothing is streamed; they cover all nodes.
  private(set) var segments: [Segment] = []
  /// Segment of each node.
  private(set) var segmentOfNode: [Int] = []

  /// - Parameters:
  ///   - slotBytes: what a slot is to hold; one node's weights may need more.
  ///   - leastBytes: weights below this size stay on the device.
  init(_ graph: Graph, slotBytes: Int, leastBytes: Int = leastBytes) {
    // What is read at the end of a run, by the host or by a state, must be there then.
    let kept = Set(graph.outputs.map(\.value) + graph.stateUpdates.map(\.value))
    var current = Segment(start: 0)
    var segmentOfNode: [Int] = []
    for (index, node) in graph.nodes.enumerated() {
      var added = current
      var own = Segment(start: index)
      // A node without results runs no command and reads nothing.
      let isEmpty = graph.outputTypes(of: node).allSatisfy { $0.byteCount == 0 }
      for input in isEmpty ? [] : node.inputs where !kept.contains(input) {
        guard let weight = Self.streamed(graph[input], leastBytes: leastBytes) else { continue }
        added.add(weight, graph[input].type)
        own.add(weight, graph[input].type)
      }
      if added.byteCount > slotBytes, !current.weights.isEmpty, !own.weights.isEmpty {
        segments.append(current)
        current = own
      } else {
        current = added
      }
      segmentOfNode.append(segments.count)
    }
    guard !current.weights.isEmpty || !segments.isEmpty else { return }
    segments.append(current)
    self.segmentOfNode = segmentOfNode
  }

  /// Segment and place of a value in its slot while `node` runs, or nil if it is not streamed.
  func place(of value: Graph.Value, at node: Int) -> (segment: Int, offset: Int)? {
    guard case .weight(let name, let layout) = value.source, segmentOfNode.indices.contains(node) else { return nil }
    let segment = segmentOfNode[node]
    return segments[segment].offset(of: Weight(name: name, layout: layout)).map { (segment, $0) }
  }

  /// Values that are read in a slot only.
  func streamedValues(of graph: Graph) -> Set<Graph.ValueID> {
    var found = Set<Graph.ValueID>()
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs where place(of: graph[input], at: index) != nil { found.insert(input) }
    }
    return found
  }

  /// The weight behind a value if it can come piece by piece: large, and laid out as it is stored.
  private static func streamed(_ value: Graph.Value, leastBytes: Int) -> Weight? {
    guard case .weight(let name, let layout) = value.source, value.type.byteCount >= leastBytes else { return nil }
    switch layout {
    case .shape, .rows: return Weight(name: name, layout: layout)
    case .channelsLast, .lastFrame: return nil
    }
  }

  /// First and last command that reads each segment's weights; nil for a segment that none reads.
  func readers(in commands: [PlannedDispatch]) -> [ClosedRange<Int>?] {
    var readers = [ClosedRange<Int>?](repeating: nil, count: segments.count)
    for (index, command) in commands.enumerated() {
      for case .segment(let segment) in command.reads.map(\.buffer) {
        readers[segment] = (readers[segment]?.lowerBound ?? index)...index
      }
    }
    return readers
  }

  /// The loads, given who reads them (a submission begins with the first reader of each) and how commands are submitted.
  func loads(readers: [ClosedRange<Int>?], submissions: [Range<Int>]) -> [WeightLoad] {
    func submission(of command: Int) -> Int { submissions.prefix { $0.upperBound <= command }.count }
    var loads: [WeightLoad] = []
    var lastReaders: [Int] = []
    for (index, segment) in segments.enumerated() {
      guard let reader = readers[index] else { continue }
      lastReaders.append(reader.upperBound)
      loads.append(
        WeightLoad(
          segment: index, slot: loads.count % 2,
          pieces: segment.weights.map { one in
            WeightLoad.Piece(
              weight: one.weight.name, source: one.weight.layout.storedBytes(of: one.type),
              target: one.offset..<one.offset + one.type.byteCount)
          },
          // What was in the slot is read no more once its last reader is done.
          after: loads.count >= 2 ? submission(of: lastReaders[loads.count - 2]) + 1 : 0,
          before: submission(of: reader.lowerBound)))
    }
    return loads
  }
}

extension WeightSegments.Segment {
  mutating func add(_ weight: WeightSegments.Weight, _ type: TensorType) {
    guard offset(of: weight) == nil else { return }
    weights.append((weight, type, byteCount))
    byteCount += (type.byteCount + MemoryPool.alignment - 1) / MemoryPool.alignment * MemoryPool.alignment
  }
}

extension WeightLayout {
  /// Which bytes of the stored weight make one of `type`, for layouts that keep the order of the elements.
  fileprivate func storedBytes(of type: TensorType) -> Range<Int> {
    guard case .rows(let start, _) = self else { return 0..<type.byteCount }
    let first = start * type.rowByteCount
    return first..<first + type.byteCount
  }
}
