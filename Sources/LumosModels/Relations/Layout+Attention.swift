import LumosOps
import LumosTensor

/// CSAM: who sees whom in self-attention (MODEL.md section 8).
extension Layout {
  /// Spans of self-attention. The video sees everything; a stand-alone image sees itself; the images of one human see
  /// each other; nothing but the video sees the video. Without CSAM everything sees everything.
  public var attentionSpans: [Attention.Span] {
    if ablation.contains(.csam) { return [Attention.Span(queries: 0..<tokens, keys: 0..<tokens)] }
    var spans = [Attention.Span(queries: 0..<videoTokens, keys: 0..<tokens)]
    for group in (0..<plainConditions).map({ $0..<$0 + 1 }) + humanRanges {
      let range = tokenRange(ofConditions: group)
      spans.append(Attention.Span(queries: range, keys: range))
    }
    return spans
  }

  /// The spans of the published code, for goldens only. It takes every block of `latentFrames` images for the video
  /// and gives it keys `[start, start + tokens)`, which runs past the sequence; the end is clamped here.
  public var publishedAttentionSpans: [Attention.Span] {
    var start = 0
    return ([latentFrames] + Array(repeating: 1, count: plainConditions) + humanGroups).map { size in
      defer { start += size * area }
      let end = start + size * area
      let keyEnd = size == latentFrames ? min(start + tokens, tokens) : end
      return Attention.Span(queries: start..<end, keys: start..<keyEnd)
    }
  }

  /// Tokens of these condition images.
  public func tokenRange(ofConditions range: Range<Int>) -> Range<Int> {
    (latentFrames + range.lowerBound) * area..<(latentFrames + range.upperBound) * area
  }
}
