import LumosOps
import LumosTensor

extension Graph {
  /// When each state update may be carried out: right after the node of this index, or at the end of the run (nil).
  ///
  /// All reads of a run see a state's old contents, and the new ones are a value that a node makes: once the last node
  /// has read the former and the last has written the latter, the value may go to its place and its memory to others. A
  /// state whose old contents are fetched, or become another state's, keeps them to the end.
  public func updatePoints() -> [Int?] {
    var points: [Int: Int] = [:]
    var lastRead: [String: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for value in node.outputs { points[value.index] = index }
      for value in node.inputs { if case .state(let name) = self[value].source { lastRead[name] = index } }
    }
    var needed = Set<String>()
    for value in outputs.map(\.value) + stateUpdates.map(\.value) {
      if case .state(let name) = self[value].source { needed.insert(name) }
    }
    var updates: [String: Int] = [:]
    for update in stateUpdates { updates[update.state, default: 0] += 1 }
    return stateUpdates.map { update in
      guard let made = points[update.value.index], !needed.contains(update.state), updates[update.state] == 1
      else { return nil }
      return max(made, lastRead[update.state] ?? 0)
    }
  }
}
