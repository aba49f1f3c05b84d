/// Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011): four random words from a counter and a key, in any order and on any number of threads.
public struct Philox: Sendable, Hashable {
  /// Two key words.
  public let key: (low: UInt32, high: UInt32)

  /// The generator whose key is `seed`, low word first.
  public init(seed: UInt64) { key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)) }

  /// The four words of a counter.
  public func words(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var (low, high) = key
    var c = counter
    for round in 0..<10 {
      if round > 0 {
        low &+= 0x9e37_79b9
        high &+= 0xbb67_ae85
      }
      let first = UInt64(c[0]) * 0xd251_1f53
      let second = UInt64(c[2]) * 0xcd9e_8d57
      c = SIMD4(
        UInt32(truncatingIfNeeded: second >> 32) ^ c[1] ^ low, UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ c[3] ^ high, UInt32(truncatingIfNeeded: first))
    }
    return c
  }

  public static func == (a: Philox, b: Philox) -> Bool { a.key == b.key }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(key.low)
    hasher.combine(key.high)
  }
}
