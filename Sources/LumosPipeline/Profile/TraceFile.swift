import LumosFiles
import LumosGraph
import LumosTensor

/// Writes profiles in the JSON trace-event format, which ui.perfetto.dev and chrome://tracing open.
///
/// The host is process 1 with one thread, whose spans nest; every device is a process of its own with a thread per
/// queue, whose operations never overlap, and a counter of its memory. Times are microseconds.
public enum TraceFile {
  /// Pieces in which the text goes to the file.
  private static let pieceBytes = 1 << 16
  private static let hostProcess = 1
  private static let hostThread = 1

  /// Writes `profile` to `path`, whole or not at all.
  /// - Throws: `LumosError` (.cannotWrite, .inputOutput).
  public static func write(_ profile: Profile, to path: String) throws(LumosError) {
    let file = try AtomicFile(replacing: path)
    var piece = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
    var separator = ""
    func append(_ event: JSONValue) throws(LumosError) {
      piece += separator + event.text()
      separator = ",\n"
      guard piece.utf8.count >= pieceBytes else { return }
      try file.write(piece)
      piece = ""
    }

    let devices = Devices(profile)
    for event in names(profile, devices) { try append(event) }
    for span in profile.spans { try append(event(span)) }
    for (index, track) in profile.queues.enumerated() {
      let process = devices.process(track.queue.device)
      for execution in track.executions { try append(event(execution, process: process, thread: index + 1)) }
    }
    for sample in profile.memory {
      try append([
        "ph": "C", "pid": .integer(devices.process(sample.device)), "tid": 0, "name": "device memory",
        "ts": microseconds(sample.time), "args": ["bytes": .integer(sample.bytes)],
      ])
    }
    try file.write(piece + "\n]}\n")
    try file.commit()
  }

  /// The devices of a profile as processes of the trace.
  private struct Devices {
    private(set) var names: [String] = []

    init(_ profile: Profile) {
      for name in profile.queues.map(\.queue.device) + profile.memory.map(\.device) where !names.contains(name) {
        names.append(name)
      }
    }

    func process(_ name: String) -> Int { hostProcess + 1 + (names.firstIndex(of: name) ?? names.count) }
  }

  /// Metadata: what processes and threads are called, and their order.
  private static func names(_ profile: Profile, _ devices: Devices) -> [JSONValue] {
    func metadata(_ kind: String, _ process: Int, _ thread: Int, _ args: JSONValue) -> JSONValue {
      ["ph": "M", "pid": .integer(process), "tid": .integer(thread), "name": .string(kind), "args": args]
    }
    func process(_ number: Int, _ name: String) -> [JSONValue] {
      [
        metadata("process_name", number, 0, ["name": .string(name)]),
        metadata("process_sort_index", number, 0, ["sort_index": .integer(number)]),
      ]
    }
    let host =
      process(hostProcess, "lumosx") + [metadata("thread_name", hostProcess, hostThread, ["name": "host"])]
    let deviceNames = devices.names.flatMap { process(devices.process($0), $0) }
    let queueNames = profile.queues.enumerated().map { index, track in
      metadata(
        "thread_name", devices.process(track.queue.device), index + 1, ["name": .string(track.queue.name)])
    }
    return host + deviceNames + queueNames
  }

  private static func event(_ span: Profile.Span) -> JSONValue {
    complete(
      span.name, category: span.activity.rawValue, process: hostProcess, thread: hostThread, span.time,
      span.bytes.map { [.init("bytes", .integer($0))] + rates([("gbps", $0, 1e9)], span.time) } ?? [])
  }

  private static func event(_ execution: Profile.Execution, process: Int, thread: Int) -> JSONValue {
    let operation = execution.operation
    return complete(
      operation.op, category: "op", process: process, thread: thread, execution.time,
      [
        .init("label", .string(operation.label)), .init("kernel", .string(operation.kernel)),
        .init("flops", .integer(operation.flops)), .init("bytes", .integer(operation.bytes)),
      ] + rates([("tflops", operation.flops, 1e12), ("gbps", operation.bytes, 1e9)], execution.time))
  }

  /// An event with a beginning and a duration.
  private static func complete(
    _ name: String, category: String, process: Int, thread: Int, _ time: Range<Int>, _ args: [JSONValue.Member]
  ) -> JSONValue {
    [
      "ph": "X", "pid": .integer(process), "tid": .integer(thread), "name": .string(name), "cat": .string(category),
      "ts": microseconds(time.lowerBound), "dur": microseconds(time.count), "args": .object(args),
    ]
  }

  /// Amounts per second in units; none for a time too short to measure.
  private static func rates(_ amounts: [(String, amount: Int, unit: Double)], _ time: Range<Int>) -> [JSONValue.Member]
  {
    if time.isEmpty { return [] }
    return amounts.map { .init($0.0, .number(Double($0.amount) / $0.unit / (Double(time.count) * 1e-9))) }
  }

  private static func microseconds(_ nanoseconds: Int) -> JSONValue { .number(Double(nanoseconds) / 1000) }
}
