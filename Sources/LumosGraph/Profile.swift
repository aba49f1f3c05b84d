/// What a run spent its time on: spans of host work, the operations of every queue, device memory over time.
///
/// Times are nanoseconds since the recorder was made, on the host's monotonic clock. Backends fill a profile through a
/// `ProfileRecorder`; `Backend.profiled(by:)` hands them one.
public struct Profile: Sendable {
  /// An operation as a backend carries it out: a node on the CPU, a command (one of a node's dispatches) on a device.
  public struct Operation: Sendable, Hashable {
    /// The op's name in the catalogue, or `"copy"`.
    public let op: String
    /// Where in the model it stands: `"blocks.3.self_attn.q"`.
    public let label: String
    /// What computes it: the name of a shader variant, `"reference"`, or `"copy"`.
    public let kernel: String
    /// Floating-point operations.
    public let flops: Int
    /// Bytes that an ideal implementation moves.
    public let bytes: Int

    /// An operation with its cost.
    public init(op: String, label: String, kernel: String, flops: Int, bytes: Int) {
      self.op = op
      self.label = label
      self.kernel = kernel
      self.flops = flops
      self.bytes = bytes
    }
  }

  /// One execution of an operation.
  public struct Execution: Sendable, Hashable {
    /// What was done.
    public let operation: Operation
    /// When, in nanoseconds.
    public let time: Range<Int>
  }

  /// Where operations run one after the other.
  public struct Queue: Sendable, Hashable {
    /// The device, as its backend names it.
    public let device: String
    /// The queue of the device.
    public let name: String

    /// A queue by name.
    public init(device: String, name: String) {
      self.device = device
      self.name = name
    }
  }

  /// Everything that ran on a queue, in order and without overlap.
  public struct QueueTrack: Sendable {
    /// Which queue.
    public let queue: Queue
    /// What ran.
    public fileprivate(set) var executions: [Execution]
  }

  /// Kinds of host work. A span lies within another one or outside it, so the host's spans form a tree.
  public enum Activity: String, Sendable, Hashable, CaseIterable {
    /// A stage of the generation.
    case stage
    /// A solver step.
    case step
    /// Frames from latent to video encoder.
    case frames
    /// A graph becomes executable: everything below that is not a run.
    case compile
    /// Commands, barriers and places in memory are chosen.
    case plan
    /// Kernels are compiled and commands recorded.
    case record
    /// An executable runs once.
    case run
    /// Bytes are made ready for the device: weights are read and laid out, inputs copied.
    case upload
    /// Work is submitted and awaited.
    case wait
    /// Bytes come back to the host.
    case download
  }

  /// A piece of host work.
  public struct Span: Sendable, Hashable {
    /// What kind.
    public let activity: Activity
    /// What in particular.
    public let name: String
    /// When, in nanoseconds.
    public let time: Range<Int>
    /// Bytes moved, for uploads and downloads.
    public let bytes: Int?
  }

  /// Device memory at a moment.
  public struct MemorySample: Sendable, Hashable {
    /// The device.
    public let device: String
    /// When, in nanoseconds.
    public let time: Int
    /// Bytes allocated on it.
    public let bytes: Int
  }

  /// Host work, in the order in which it ended.
  public fileprivate(set) var spans: [Span] = []
  /// One track per queue, in the order of first use.
  public fileprivate(set) var queues: [QueueTrack] = []
  /// Device memory, in order of time; moments at which nothing changed are left out.
  public fileprivate(set) var memory: [MemorySample] = []
}

// MARK: - Recording

extension Profile {
  mutating func add(_ span: Span) { spans.append(span) }

  /// Adds what ran on a queue, in order. Operations that would begin before the queue's last one has ended (the clocks
  /// of host and device drift) are moved behind it together.
  mutating func add(_ executions: [(operation: Operation, time: Range<Int>)], on queue: Queue) {
    guard let first = executions.first else { return }
    let index =
      queues.firstIndex { $0.queue == queue }
      ?? {
        queues.append(QueueTrack(queue: queue, executions: []))
        return queues.count - 1
      }()
    let delay = max((queues[index].executions.last?.time.upperBound ?? 0) - first.time.lowerBound, 0)
    queues[index].executions += executions.map { operation, time in
      Execution(operation: operation, time: time.lowerBound + delay..<time.upperBound + delay)
    }
  }

  mutating func add(_ sample: MemorySample) {
    let last = memory.last { $0.device == sample.device }
    if last?.bytes != sample.bytes { memory.append(sample) }
  }
}

// MARK: - Sums

extension Profile {
  /// What all executions of one kind of op cost together.
  public struct OperationTotal: Sendable, Hashable {
    /// The op's name.
    public let op: String
    /// Number of executions.
    public var count = 0
    /// Their time in nanoseconds.
    public var nanoseconds = 0
    /// Their floating-point operations.
    public var flops = 0
    /// Bytes that ideal implementations of them would have moved.
    public var bytes = 0
    /// What computed them: names of kernels.
    public var kernels: Set<String> = []
  }

  /// Sums per kind of op over all queues, the most expensive first.
  public var operationTotals: [OperationTotal] {
    var totals: [String: OperationTotal] = [:]
    for execution in queues.flatMap(\.executions) {
      let (operation, time) = (execution.operation, execution.time)
      var total = totals[operation.op] ?? OperationTotal(op: operation.op)
      total.count += 1
      total.nanoseconds += time.count
      total.flops += operation.flops
      total.bytes += operation.bytes
      total.kernels.insert(operation.kernel)
      totals[operation.op] = total
    }
    return totals.values.sorted { ($1.nanoseconds, $0.op) < ($0.nanoseconds, $1.op) }
  }

  /// What one kind of host work took.
  public struct ActivityTotal: Sendable, Hashable {
    /// Which kind.
    public let activity: Activity
    /// Number of spans.
    public var count = 0
    /// Nanoseconds that belong to no span within: the totals of all kinds add up to the outermost spans.
    public var ownNanoseconds = 0
  }

  /// Sums per kind of host work, in the order of `Activity`; kinds that did not occur are left out.
  public var activityTotals: [ActivityTotal] {
    // Outer spans before the ones within them.
    let ordered = spans.enumerated().sorted { a, b in
      (a.element.time.lowerBound, -a.element.time.upperBound, -a.offset)
        < (b.element.time.lowerBound, -b.element.time.upperBound, -b.offset)
    }.map(\.element)
    var own = ordered.map(\.time.count)
    var open: [Int] = []
    for (index, span) in ordered.enumerated() {
      while let last = open.last, ordered[last].time.upperBound <= span.time.lowerBound { open.removeLast() }
      if let last = open.last { own[last] -= span.time.count }
      open.append(index)
    }
    var totals: [Activity: ActivityTotal] = [:]
    for (span, nanoseconds) in zip(ordered, own) {
      totals[span.activity, default: ActivityTotal(activity: span.activity)].count += 1
      totals[span.activity]?.ownNanoseconds += nanoseconds
    }
    return Activity.allCases.compactMap { totals[$0] }
  }
}
