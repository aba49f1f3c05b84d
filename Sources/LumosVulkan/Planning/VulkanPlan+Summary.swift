import LumosGraph

extension VulkanPlan {
  /// The plan in numbers.
  /// - Parameters:
  ///   - graph: the graph that was planned.
  ///   - rates: the device's speed, for predicted times.
  ///   - transferBytesPerSecond: how fast streamed weights come.
  public func summary(of graph: Graph, rates: DeviceRates, transferBytesPerSecond: Double = WeightLoad.bytesPerSecond)
    -> PlanSummary
  {
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
      guard case .kernel(let dispatch, _, _, _) = command.work else { continue }
      tables.insert(dispatch.constants)
      summary.kernels[dispatch.kernel, default: 0] += 1
      // Slices, and sums of parts, belong to a dispatch that has been counted.
      if command.continuesSlices || !command.scratchReads.isEmpty { continue }
      summary.dispatchesBeforeSlicing += 1
      blocks.add(command.label, kernel: dispatch.kernel)
    }
    summary.dispatchesPerBlock = blocks.largest
    let durations = submissions.map { range in commands[range].reduce(0) { $0 + rates.seconds(of: $1) } }
    summary.longestSubmissionSeconds = durations.max() ?? 0
    summary.predictedSeconds = predictedSeconds(durations, transferBytesPerSecond)

    summary.inputBytes = tables.reduce(0) { $0 + 4 * $1.count }
    for (buffer, byteCount) in buffers {
      switch buffer {
      case .weight(let name, let layout): summary.weights["\(name) \(layout)"] = byteCount
      case .state(let name): summary.states[name] = byteCount
      case .input, .constant, .snapshot: summary.inputBytes += byteCount
      case .arena, .segment, .operand: break
      }
    }
    summary.slotBytes = slots
    summary.streamedBytes = streamedByteCount
    for piece in loads.flatMap(\.pieces) {
      summary.streamedWeights["\(piece.weight) \(piece.source)"] = piece.source.count
    }
    return summary
  }

  /// Seconds of a run whose submissions take `durations`: loads follow one another, and wait for submissions as these
  /// wait for them.
  private func predictedSeconds(_ durations: [Double], _ transferBytesPerSecond: Double) -> Double {
    var ends: [Double] = []
    var loaded = 0.0
    var next = 0
    for (index, seconds) in durations.enumerated() {
      while next < loads.count, loads[next].before <= index {
        let free = loads[next].after > 0 ? ends[loads[next].after - 1] : 0
        loaded = max(loaded, free) + Double(loads[next].byteCount) / transferBytesPerSecond
        next += 1
      }
      ends.append(max(ends.last ?? 0, loaded) + seconds)
    }
    return ends.last ?? 0
  }
}
