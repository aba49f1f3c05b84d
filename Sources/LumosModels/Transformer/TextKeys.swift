import LumosTensor

/// Which positions of a branch's text the cross-attention reads as keys of their own.
///
/// Padding takes part as published, but all of it embeds alike: one key that counts `lastKeyCount` times stands for the
/// padding behind the last position with a weight in the text templates. In the unconditional branch templates may
/// point at padding (MODEL.md section 17, number 5); such padding has a bias of its own and stays.
public struct TextKeys: Sendable, Hashable {
  /// Positions that are keys of their own.
  public let separate: Int
  /// Text positions in all, padding included.
  public let textLength: Int

  /// Every position is a key.
  public init(all textLength: Int) {
    separate = textLength
    self.textLength = textLength
  }

  /// Folds what can be folded.
  /// - Parameters:
  ///   - realTokens: tokens of the branch's text; more than `textLength` are cut.
  ///   - templates: weights f32 `[conditions, textLength]` of the text bias; nil where it is zero.
  public init(realTokens: Int, templates: Tensor?, textLength: Int) {
    var separate = min(realTokens, textLength)
    if let templates {
      let weights = templates.floats()
      for image in 0..<templates.shape[0] {
        let row = weights[image * textLength..<(image + 1) * textLength]
        if let last = row.lastIndex(where: { $0 != 0 }) { separate = max(separate, last - row.startIndex + 1) }
      }
    }
    self.separate = separate
    self.textLength = textLength
  }

  /// Number of keys: the separate ones, and one for the rest if there is a rest.
  public var count: Int { min(separate + 1, textLength) }
  /// How many positions the last key stands for.
  public var lastKeyCount: Int { separate < textLength ? textLength - separate : 1 }

  /// Templates `[conditions, textLength]` cut to the keys. The folded key's weight is zero: so are all that it stands for.
  public func cut(_ templates: Tensor) -> Tensor {
    if count == textLength { return templates }
    let weights = templates.floats()
    let rows = (0..<templates.shape[0]).flatMap { weights[$0 * textLength..<$0 * textLength + count] }
    return Tensor(rows, [templates.shape[0], count])
  }
}
