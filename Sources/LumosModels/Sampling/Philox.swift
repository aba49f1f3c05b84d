/// Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as easy as
/// 1, 2, 3", SC 2011): four random words from a counter and a key, in any order and on any number of threads.
public struct Philox: Sendable, Hashable {
  /// The key, low word first.
  public let key: SIMD2<UInt32>

  /// The generator whose key is `seed`, low word first.
  public init(seed: UInt64) { key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)) }

  /// The four words of a counter.
  public func words(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var key = key
    var c = counter
    for round in 0..<10 {
      if round > 0 { key &+= SIMD2(0x9e37_79b9, 0xbb67_ae85) }
      let first = UInt64(c[0]) * 0xd251_1f53
      let second = UInt64(c[2]) * 0xcd9e_8d57
      c = SIMD4(
        UInt32(truncatingIfNeeded: second >> 32) ^ c[1] ^ key[0], UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ c[3] ^ key[1], UInt32(truncatingIfNeeded: first))
    }
    return c
  }
}
