import LumosGraph

extension VulkanPlan {
  /// The plan in numbers.
  /// - Parameters:
  ///   - graph: the graph that was planned.
  ///   - rates: the device's speed, for predicted times.
  public func summary(of graph: Graph, rates: DeviceRates) -> PlanSummary {
    var summary = PlanSummary()
    summary.nodes = graph.nodes.count
    summary.dispatches = dispatchCount
    summary.barriers = barrierCount
    summary.submissions = submissions.count
    summary.arenaBytes = arenaByteCount
    summary.liveBytesMax = memory.liveBytesMax
    summary.largestValueBytes = memory.lives.map(\.byteCount).max() ?? 0

    var blocks = BlockCount()
    var tables = Set<[UInt32]>()
    for command in commands {
      summary.flops += command.flops
      summary.bytesMoved += command.bytesMoved
      summary.longestDispatchSeconds = max(summary.longestDispatchSeconds, rates.seconds(of: command))
      guard case .kernel(let dispatch, _, _) = command.work else { continue }
      tables.insert(dispatch.constants)
      if command.continuesSlices { continue }
      summary.dispatchesBeforeSlicing += 1
      blocks.add(command.label, kernel: dispatch.kernel)
    }
    summary.dispatchesPerBlock = blocks.largest
    for range in submissions {
      let seconds = commands[range].reduce(0) { $0 + rates.seconds(of: $1) }
      summary.predictedSeconds += seconds
      summary.longestSubmissionSeconds = max(summary.longestSubmissionSeconds, seconds)
    }

    summary.inputBytes = tables.reduce(0) { $0 + 4 * $1.count }
    for (buffer, byteCount) in buffers {
      switch buffer {
      case .weight(let name, let layout): summary.weights["\(name) \(layout)"] = byteCount
      case .state(let name): summary.states[name] = byteCount
      case .input, .constant, .snapshot: summary.inputBytes += byteCount
      case .arena, .operand: break
      }
    }
    return summary
  }
}
