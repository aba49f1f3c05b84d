import LumosOps
import LumosTensor

extension Rotary: OpCases {
  private static func make(
    _ name: String, tokens: Int, heads: Int, size: Int, purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    // The op multiplies by whatever the tables hold; that cos² + sin² = 1 is the tables' affair.
    let table = OpCase.Input([tokens, size / 2], .f32, .uniform(lower: -1, upper: 1))
    return OpCase(
      "\(name), \(tokens) tokens, \(heads) x \(size)", Rotary(heads: heads),
      [.init([tokens, heads * size]), table, table], purpose: purpose)
  }

  public static var cases: [OpCase] {
    [
      make("one pair", tokens: 1, heads: 1, size: 2),
      make("primes", tokens: 37, heads: 3, size: 14),
      make("one head", tokens: 101, heads: 1, size: 128),
      make("tail", tokens: 43, heads: 5, size: 6),
      make("model's head", tokens: 9, heads: 12, size: 128),
      make("no tokens", tokens: 0, heads: 2, size: 8),
      make("480x832x81, 7 conditions", tokens: 43680, heads: 12, size: 128, purpose: .benchmark),
    ]
  }
}
