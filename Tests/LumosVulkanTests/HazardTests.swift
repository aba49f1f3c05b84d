import LumosOpSuite
import Testing

@testable import LumosVulkan

@Suite struct HazardTests {
  static func range(_ buffer: BufferID, _ bytes: Range<Int>) -> BufferRange { BufferRange(buffer, bytes) }

  static func command(reads: [BufferRange], writes: [BufferRange]) -> PlannedDispatch {
    PlannedDispatch(
      label: "test", work: .kernel(Dispatch("K", push: [], grid: Grid(1)), inputs: reads, outputs: writes),
      reads: reads, writes: writes)
  }

  static let arena = BufferID.arena(0)

  @Test("A barrier stands exactly where bytes are read after, or written after, another access")
  func kinds() {
    let a = Self.range(Self.arena, 0..<100)
    let b = Self.range(Self.arena, 100..<200)
    let overlapping = Self.range(Self.arena, 99..<101)
    let elsewhere = Self.range(.input("x"), 0..<100)
    func needs(_ first: PlannedDispatch, _ second: PlannedDispatch) -> Bool {
      Hazards.barriers(for: [first, second])[1]
    }
    let writesA = Self.command(reads: [], writes: [a])
    let readsA = Self.command(reads: [a], writes: [])
    #expect(needs(writesA, readsA), "read after write")
    #expect(needs(readsA, writesA), "write after read")
    #expect(needs(writesA, writesA), "write after write")
    #expect(!needs(readsA, readsA), "two reads")
    #expect(!needs(writesA, Self.command(reads: [], writes: [b])), "adjacent bytes")
    #expect(needs(writesA, Self.command(reads: [overlapping], writes: [])), "one byte in common")
    #expect(!needs(writesA, Self.command(reads: [elsewhere], writes: [])), "another buffer")
    #expect(!needs(writesA, Self.command(reads: [Self.range(Self.arena, 50..<50)], writes: [])), "no bytes")
  }

  @Test("Slices of one op need no barrier among them, and one before what reads or overwrites any of them")
  func slices() {
    let (a, b) = (Self.range(Self.arena, 0..<100), Self.range(Self.arena, 100..<200))
    func slice(_ continues: Bool, from: BufferRange, to: BufferRange) -> PlannedDispatch {
      PlannedDispatch(
        label: "slice", work: .copy(from: from, to: to), reads: [from], writes: [to], continuesSlices: continues)
    }
    let produce = Self.command(reads: [], writes: [a])
    let op = [slice(false, from: a, to: b), slice(true, from: a, to: b), slice(true, from: a, to: b)]
    let next = [slice(false, from: b, to: a), slice(true, from: b, to: a)]
    let commands = [produce] + op + next + [Self.command(reads: [a], writes: [])]
    let barriers = Hazards.barriers(for: commands)
    #expect(barriers == [false, true, false, false, true, false, true])
    #expect(HazardChecker.violations(commands, barriers: barriers).isEmpty)
    for missing in [1, 4, 6] {
      var broken = barriers
      broken[missing] = false
      #expect(!HazardChecker.violations(commands, barriers: broken).isEmpty)
    }
    // Two ops that write the same bytes are no slices of each other.
    #expect(Hazards.barriers(for: [op[0], op[0]])[1])
  }

  @Test("Independent commands share one barrier")
  func few() {
    let ranges = (0..<8).map { Self.range(Self.arena, $0 * 16..<$0 * 16 + 16) }
    let producers = ranges[..<4].map { Self.command(reads: [], writes: [$0]) }
    let consumers = zip(ranges[..<4], ranges[4...]).map { Self.command(reads: [$0], writes: [$1]) }
    #expect(Hazards.barriers(for: producers + consumers) == [false, false, false, false, true, false, false, false])
  }

  /// Random commands over a few buffers with many collisions.
  static func random(_ count: Int, seed: UInt64) -> [PlannedDispatch] {
    var random = SplitMix64(seed: seed)
    func range() -> BufferRange {
      let start = Int(random.next() % 64)
      let buffers: [BufferID] = [.arena(0), .arena(1), .state("s")]
      return Self.range(buffers[Int(random.next() % 3)], start..<start + Int(random.next() % 8))
    }
    return (0..<count).map { _ in
      let write = range()
      // What a command does within itself is another test's affair.
      var reads: [BufferRange] = []
      while reads.count < 2 {
        let read = range()
        if !read.overlaps(write) { reads.append(read) }
      }
      return command(reads: reads, writes: [write])
    }
  }

  @Test("The checker accepts every plan, and finds each barrier that is dropped", arguments: 0..<20)
  func dropped(seed: Int) {
    let commands = Self.random(60, seed: UInt64(seed))
    let barriers = Hazards.barriers(for: commands)
    #expect(HazardChecker.violations(commands, barriers: barriers).isEmpty)
    for index in barriers.indices where barriers[index] {
      var broken = barriers
      broken[index] = false
      let violations = HazardChecker.violations(commands, barriers: broken)
      #expect(violations.contains { $0.second == index }, "the barrier before \(index) was needed")
    }
  }

  @Test("A command may write what it reads only in the same place, and only if it says so")
  func withinACommand() {
    let place = Self.range(Self.arena, 0..<64)
    let shifted = Self.range(Self.arena, 4..<68)
    func conflicts(_ read: BufferRange, _ writes: [BufferRange], inPlace: Set<BufferRange>) -> [BufferRange] {
      let command = PlannedDispatch(
        label: "test", work: .kernel(Dispatch("K", push: [], grid: Grid(1)), inputs: [read], outputs: writes),
        reads: [read], writes: writes, inPlaceReads: inPlace)
      let violations = HazardChecker.violations([command], barriers: [false])
      #expect(violations.allSatisfy { $0.kind == .withinCommand && $0.first == 0 && $0.second == 0 })
      return violations.map(\.range)
    }
    #expect(conflicts(place, [place], inPlace: [place]).isEmpty)
    #expect(conflicts(place, [place], inPlace: []) == [place])
    #expect(conflicts(shifted, [place], inPlace: [shifted]) == [Self.range(Self.arena, 4..<64)])
    #expect(conflicts(Self.range(.state("s"), 0..<64), [place, shifted], inPlace: []).count == 1)
  }

  @Test("The checker names kind, commands and bytes")
  func report() {
    let commands = [
      Self.command(reads: [], writes: [Self.range(Self.arena, 0..<64)]),
      Self.command(reads: [Self.range(Self.arena, 32..<96)], writes: []),
    ]
    let expected = HazardChecker.Violation(
      kind: .readAfterWrite, first: 0, second: 1, range: Self.range(Self.arena, 32..<64))
    #expect(HazardChecker.violations(commands, barriers: [false, false]) == [expected])
    #expect(HazardChecker.violations(commands, barriers: [false, true]).isEmpty)
  }
}
