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

  /// The ranges that the published code hands to its attention kernel, for goldens only. It takes every block of
  /// `latentFrames` images for the video and gives it keys `[start, start + tokens)`, past the end of the sequence.
  public var publishedRanges: [Attention.Span] {
    var start = 0
    return ([latentFrames] + Array(repeating: 1, count: plainConditions) + humanGroups).map { size in
      defer { start += size * area }
      let end = start + size * area
      return Attention.Span(queries: start..<end, keys: start..<(size == latentFrames ? start + tokens : end))
    }
  }

  /// `publishedRanges` with their ends clamped to the sequence: what the goldens of that defect were made with.
  public var publishedAttentionSpans: [Attention.Span] {
    publishedRanges.map { span in
      Attention.Span(queries: span.queryStart..<span.queryEnd, keys: span.keyStart..<min(span.keyEnd, tokens))
    }
  }

  /// Tokens of these condition images.
  public func tokenRange(ofConditions range: Range<Int>) -> Range<Int> {
    (latentFrames + range.lowerBound) * area..<(latentFrames + range.upperBound) * area
  }
}
