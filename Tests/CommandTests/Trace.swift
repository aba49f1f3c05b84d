import Foundation
import LumosFiles
import Testing

/// A trace file, read strictly, with times in whole nanoseconds.
struct Trace {
  struct Track: Hashable {
    let process: Int
    let thread: Int
  }

  struct Event {
    let track: Track
    let name: String
    let category: String
    let time: Range<Int>
    let args: JSONValue
  }

  /// Events with a duration.
  let events: [Event]
  /// Values of the memory counter per process.
  let memory: [Int: [Int]]
  /// Names of processes and threads.
  let processNames: [Int: String]
  let threadNames: [Track: String]

  init(_ path: String) throws {
    let json = try JSONValue(parsing: String(decoding: Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self))
    #expect(json["displayTimeUnit"]?.string == "ms")
    var events: [Event] = []
    var memory: [Int: [Int]] = [:]
    var processNames: [Int: String] = [:]
    var threadNames: [Track: String] = [:]
    for event in try #require(json["traceEvents"]?.array) {
      let name = try #require(event["name"]?.string)
      let track = Track(
        process: try #require(event["pid"]?.integer), thread: try #require(event["tid"]?.integer))
      func nanoseconds(_ key: String) throws -> Int { Int((try #require(event[key]?.double) * 1000).rounded()) }
      let args = try #require(event["args"])
      switch event["ph"]?.string {
      case "M":
        if name == "process_name" { processNames[track.process] = args["name"]?.string }
        if name == "thread_name" { threadNames[track] = args["name"]?.string }
      case "C":
        #expect(name == "device memory")
        _ = try nanoseconds("ts")
        memory[track.process, default: []].append(try #require(args["bytes"]?.integer))
      case "X":
        let (start, duration) = (try nanoseconds("ts"), try nanoseconds("dur"))
        try #require(start >= 0 && duration >= 0, "\(event)")
        events.append(
          Event(
            track: track, name: name, category: try #require(event["cat"]?.string), time: start..<start + duration,
            args: args))
      default: Issue.record("\(event)")
      }
    }
    self.events = events
    self.memory = memory
    self.processNames = processNames
    self.threadNames = threadNames
  }

  /// Operations of all queues.
  var operations: [Event] { events.filter { $0.category == "op" } }

  /// Host work of one kind, in order of time.
  func spans(_ category: String) -> [Event] {
    events.filter { $0.category == category }.sorted { $0.time.lowerBound < $1.time.lowerBound }
  }

  /// Sum of an argument over the operations, per kind of op.
  func sums(_ key: String) -> [String: Int] {
    Dictionary(operations.map { ($0.name, $0.args[key]?.integer ?? 0) }, uniquingKeysWith: +)
  }

  /// Every track has a name; operations of a queue follow one another; spans of the host nest; operations run within
  /// runs, and no longer than their stage.
  func check() throws {
    #expect(Set(events.map(\.track)) == Set(threadNames.keys))
    #expect(Set(events.map(\.track.process) + memory.keys) == Set(processNames.keys))
    #expect(!operations.isEmpty)
    for (track, name) in threadNames {
      let ordered = events.filter { $0.track == track }.sorted {
        ($0.time.lowerBound, -$0.time.upperBound) < ($1.time.lowerBound, -$1.time.upperBound)
      }
      if name != "host" {
        #expect(ordered.allSatisfy { $0.category == "op" })
        for (a, b) in zip(ordered, ordered.dropFirst()) where a.time.upperBound > b.time.lowerBound {
          Issue.record("\(a) and \(b) overlap")
        }
        continue
      }
      var open: [Event] = []
      for event in ordered {
        while let last = open.last, last.time.upperBound <= event.time.lowerBound { open.removeLast() }
        if let last = open.last, event.time.upperBound > last.time.upperBound {
          Issue.record("\(last) and \(event) overlap without nesting")
        }
        open.append(event)
      }
    }
    // The device's clock is tied to the host's by the end of a wait.
    let tolerance = 1_000_000
    let runs = spans("run")
    #expect(
      operations.allSatisfy { operation in
        runs.contains {
          $0.time.lowerBound <= operation.time.lowerBound + tolerance
            && operation.time.upperBound <= $0.time.upperBound + tolerance
        }
      })
    let stages = spans("stage")
    var inStages = 0
    for stage in stages {
      let within = operations.filter { stage.time.contains($0.time.lowerBound) }
      inStages += within.count
      #expect(!within.isEmpty, "\(stage)")
      #expect(within.reduce(0) { $0 + $1.time.count } <= stage.time.count + tolerance, "\(stage)")
    }
    #expect(inStages == operations.count)
  }
}
