import LumosOpSuite
import LumosTensor
import Synchronization

/// Random contents of operands: blocks of numbers that are repeated, made once each. How fast a kernel is may depend on
/// numbers being random (caches compress, and power follows the bits that flip), not on their being all different.
enum Patterns {
  /// Numbers in a block.
  static let count = 1 << 20

  private struct Key: Hashable {
    let dtype: DType
    let deviation: Float
  }
  private static let blocks = Mutex<[Key: Tensor]>([:])

  /// Normal numbers of this deviation.
  static func normal(_ dtype: DType, _ deviation: Float) -> Tensor {
    block(dtype, deviation) { (random: inout SplitMix64) -> Float in random.normal() * deviation }
  }

  /// What fills an input of a case.
  static func pattern(_ input: OpCase.Input) -> Tensor {
    let type = input.type
    switch input.fill {
    case .normal(let deviation): return normal(type.dtype, deviation)
    case .uniform(let lower, let upper):
      // Keyed by a deviation that no normal block has.
      return block(type.dtype, -lower - 3 * upper - 1) { (random: inout SplitMix64) -> Float in
        lower + (upper - lower) * random.unit()
      }
    case .values(let values): return Tensor(values, type.shape).converted(to: type.dtype)
    case .integers(let bound):
      var random = SplitMix64(seed: 1)
      return Tensor((0..<count).map { _ in Int32(random.next() % UInt64(bound)) }, [count])
    }
  }

  private static func block(_ dtype: DType, _ key: Float, _ next: (inout SplitMix64) -> Float) -> Tensor {
    let key = Key(dtype: dtype, deviation: key)
    if let known = blocks.withLock({ $0[key] }) { return known }
    var random = SplitMix64(seed: 0x1075)
    let values: [Float] = (0..<count).map { _ in next(&random) }
    let made = Tensor(values, [count]).converted(to: dtype)
    blocks.withLock { $0[key] = made }
    return made
  }
}
