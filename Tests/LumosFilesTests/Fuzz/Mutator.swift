/// Numbers that look random and are the same every time (SplitMix64).
struct FuzzRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number below `bound`, which is positive.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// True once in `n` times on average.
  mutating func once(in n: Int) -> Bool { below(n) == 0 }
}

/// Changes that know nothing of a format: single bits and bytes, numbers, pieces moved, doubled, gone or of another file.
struct ByteMutator {
  /// Words that belong to the format, inserted now and then.
  var words: [[UInt8]] = []
  /// No file grows beyond this.
  var mostBytes = 64 << 10

  private static let numbers: [UInt64] = [
    0, 1, 2, 7, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000,
    1 << 62, .max >> 1, 1 << 63, .max - 1, .max,
  ]

  func mutate(_ bytes: inout [UInt8], _ random: inout FuzzRandom, other: [UInt8]) {
    for _ in 0...random.below(4) { mutateOnce(&bytes, &random, other: other) }
  }

  private func range(of count: Int, _ random: inout FuzzRandom) -> Range<Int> {
    let start = random.below(count)
    return start..<min(count, start + 1 + random.below(random.once(in: 4) ? count : 16))
  }

  private func mutateOnce(_ bytes: inout [UInt8], _ random: inout FuzzRandom, other: [UInt8]) {
    guard !bytes.isEmpty else {
      bytes = [UInt8](repeating: UInt8(random.below(256)), count: random.below(8))
      return
    }
    let at = random.below(bytes.count)
    switch random.below(12) {
    case 0: bytes[at] ^= 1 << random.below(8)
    case 1: bytes[at] = UInt8(random.below(256))
    case 2: bytes[at] &+= random.once(in: 2) ? 1 : 255
    case 3: bytes.removeSubrange(range(of: bytes.count, &random))
    case 4: bytes.insert(contentsOf: Array(bytes[range(of: bytes.count, &random)]), at: at)
    case 5: bytes.removeLast(random.below(bytes.count))
    case 6, 7:
      let width = [1, 2, 4, 8][random.below(4)]
      guard at + width <= bytes.count else { break }
      // Sizes near that of the file are as interesting as extreme ones.
      let near = UInt64(bytes.count) &+ UInt64(random.below(5)) &- 2
      let number = random.once(in: 3) ? near : Self.numbers[random.below(Self.numbers.count)]
      for i in 0..<width { bytes[at + i] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(i))) }
    case 8 where !other.isEmpty:
      bytes.insert(contentsOf: Array(other[range(of: other.count, &random)]), at: at)
    case 9 where !words.isEmpty: bytes.insert(contentsOf: words[random.below(words.count)], at: at)
    case 10 where !words.isEmpty:
      let word = words[random.below(words.count)]
      bytes.replaceSubrange(at..<min(bytes.count, at + word.count), with: word)
    case 11:
      let (a, b) = (range(of: bytes.count, &random), range(of: bytes.count, &random))
      for (i, j) in zip(a, b) { bytes.swapAt(i, j) }
    default: bytes[at] = UInt8(random.below(256))
    }
    if bytes.count > mostBytes { bytes.removeLast(bytes.count - mostBytes) }
  }
}

/// Changes that keep instructions whole: doubled, gone, swapped, of another pickle, with another argument.
struct PickleMutator {
  private let bytes = ByteMutator()

  func mutate(_ pickle: inout [UInt8], _ random: inout FuzzRandom, other: [UInt8]) {
    if random.once(in: 4) { return bytes.mutate(&pickle, &random, other: other) }
    var instructions = Self.instructions(of: pickle)
    let others = Self.instructions(of: other)
    for _ in 0...random.below(4) {
      guard instructions.count > 1 else { break }
      let (i, j) = (random.below(instructions.count), random.below(instructions.count))
      switch random.below(7) {
      case 0: instructions.remove(at: i)
      case 1: instructions.insert(instructions[j], at: i)
      case 2: instructions.swapAt(i, j)
      case 3 where !others.isEmpty: instructions.insert(others[random.below(others.count)], at: i)
      case 4 where !others.isEmpty: instructions[i] = others[random.below(others.count)]
      case 5:
        var argument = Array(instructions[i].dropFirst())
        guard !argument.isEmpty else { continue }
        bytes.mutate(&argument, &random, other: [])
        instructions[i] = [instructions[i][0]] + argument
      default:
        let end = min(instructions.count, i + 1 + random.below(8))
        let run = Array(instructions[i..<end])
        for _ in 0...random.below(random.once(in: 16) ? 64 : 2) { instructions.insert(contentsOf: run, at: j) }
      }
    }
    pickle = Array(instructions.joined())
    if pickle.count > bytes.mostBytes { pickle.removeLast(pickle.count - bytes.mostBytes) }
  }

  /// The instructions of a pickle with their arguments; what cannot be read is one at the end.
  static func instructions(of pickle: [UInt8]) -> [[UInt8]] {
    var instructions: [[UInt8]] = []
    var at = 0
    while at < pickle.count {
      let end = min(pickle.count, max(at + 1, end(of: pickle, at: at)))
      instructions.append(Array(pickle[at..<end]))
      at = end
    }
    return instructions
  }

  private static func end(of pickle: [UInt8], at: Int) -> Int {
    func number(_ width: Int) -> Int {
      guard at + 1 + width <= pickle.count else { return pickle.count }
      return (0..<min(width, 4)).reduce(0) { $0 | Int(pickle[at + 1 + $1]) << (8 * $1) }
    }
    switch pickle[at] {
    case 0x80, UInt8(ascii: "K"), UInt8(ascii: "q"), UInt8(ascii: "h"): return at + 2
    case UInt8(ascii: "M"): return at + 3
    case UInt8(ascii: "J"), UInt8(ascii: "r"), UInt8(ascii: "j"): return at + 5
    case UInt8(ascii: "G"), 0x95: return at + 9
    case 0x8a, 0x8c, UInt8(ascii: "U"), UInt8(ascii: "C"): return at + 2 + number(1)
    case UInt8(ascii: "X"), UInt8(ascii: "T"), UInt8(ascii: "B"), 0x8b: return at + 5 + number(4)
    case 0x8d, 0x8e, 0x96: return at + 9 + number(8)
    case UInt8(ascii: "c"):
      let module = pickle[at...].firstIndex(of: 10) ?? pickle.count
      return (pickle[min(module + 1, pickle.count)...].firstIndex(of: 10) ?? pickle.count) + 1
    default: return at + 1
    }
  }
}
