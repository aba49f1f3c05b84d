import LumosGraph
import LumosTensor
import LumosVulkan
import Testing

/// A backend that counts what really is compiled and run.
struct CountingBackend: Backend {
  let base: VulkanBackend
  let log = Log()

  var name: String { base.name }

  func makeSession(weights: any WeightSource, options: SessionOptions) -> any Session {
    let session = CountingSession(base.makeSession(weights: weights, options: options))
    log.sessions.append(session)
    return session
  }

  final class Log: @unchecked Sendable { var sessions: [CountingSession] = [] }
}

final class CountingSession: Session {
  let base: any Session
  var executables: [CountingExecutable.Count] = []

  init(_ base: any Session) { self.base = base }

  var peakDeviceBytes: Int { base.peakDeviceBytes }
  func setState(_ name: String, to tensor: Tensor) throws { try base.setState(name, to: tensor) }
  func state(_ name: String) throws -> Tensor { try base.state(name) }
  func resetStates() throws { try base.resetStates() }
  func removeState(_ name: String) { base.removeState(name) }

  func compile(_ graph: Graph) throws -> any Executable {
    let executable = try CountingExecutable(base.compile(graph))
    executables.append(executable.count)
    return executable
  }
}

final class CountingExecutable: Executable {
  /// Outlives the executable.
  final class Count {
    let plan: VulkanPlan
    var runs = 0
    /// Of each run.
    var timings: [RunTiming] = []
    init(_ plan: VulkanPlan) { self.plan = plan }
  }

  let base: any Executable
  let count: Count

  init(_ base: any Executable) throws {
    self.base = base
    count = Count(try #require(base as? VulkanExecutable).plan)
  }

  func run(_ inputs: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
    count.runs += 1
    let results = try base.run(inputs, fetch: fetch)
    if let timing = (base as? VulkanExecutable)?.lastTiming { count.timings.append(timing) }
    return results
  }
}
