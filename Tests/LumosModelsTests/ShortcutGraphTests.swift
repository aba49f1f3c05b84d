import LumosGraph
import LumosOps
import LumosTensor
import Testing

@testable import LumosModels

/// What the exact shortcuts save at the published sizes: 480 x 832, 81 frames, a background and two people with a face
/// and two attributes each, texts of 120 and 126 tokens. Docs/Decisions/0006-exact-shortcuts.md has the numbers.
@Suite struct ShortcutGraphTests {
  static let configuration = TransformerConfiguration()
  static let weights = GraphTests.Described(shapes: ExpectedTensors.transformer(configuration))
  static let layout = Layout(latentFrames: 21, rows: 30, columns: 52, plainConditions: 1, humanGroups: [3, 3])

  static func graphs(_ shortcuts: Shortcuts, videos: Int = 1, _ layout: Layout = layout) -> SamplerGraph {
    let folds = shortcuts.contains(.foldPadding)
    func keys(_ tokens: Int) -> TextKeys? {
      folds ? TextKeys(realTokens: tokens, templates: nil, textLength: configuration.textLength) : nil
    }
    return SamplerGraph(
      TransformerGraph(configuration, layout: layout), height: 60, width: 104, videos: videos, prompt: keys(120),
      negativePrompt: keys(126), shortcuts: shortcuts)
  }

  /// Pairs of a query and a key.
  static func pairs(_ spans: [Attention.Span]) -> Int {
    spans.reduce(0) { $0 + ($1.queryEnd - $1.queryStart) * ($1.keyEnd - $1.keyStart) }
  }

  /// Operations of a step.
  static func flops(_ shortcuts: Shortcuts, videos: Int = 1) throws -> Int {
    try graphs(shortcuts, videos: videos).halves(weights).step.flops
  }

  @Test func everyShortcutSaves() throws {
    let plain = try Self.flops([])
    var saved: [String: Int] = [:]
    for (name, shortcut) in Shortcuts.named { saved[name] = plain - (try Self.flops(shortcut)) }
    // One video has its images in its own sequence, which takes the least memory; two share them.
    #expect(saved["shareConditions"] == 0)
    saved["shareConditions"] = 2 * plain - (try Self.flops(.shareConditions, videos: 2))
    // By hand: keys and values of 512 text positions in 30 layers and two branches, and the text's embedding.
    let text = 2 * 2 * 512 * (30 * 2 * 1536 * 1536 + 4096 * 1536 + 1536 * 1536)
    #expect(saved["hoistInvariants", default: 0] >= text && saved["hoistInvariants", default: 0] < text * 21 / 20)
    // The time's embedding and projection.
    let time = 2 * (256 * 1536 + 1536 * 1536 + 6 * 1536 * 1536)
    #expect(saved["tabulateTime", default: 0] >= time && saved["tabulateTime", default: 0] < time + 100_000)
    // Scores and sums of the keys that are gone: 391 and 385 of them, for all tokens.
    let padding = 4 * Self.layout.tokens * 1536 * 30 * (391 + 385)
    #expect(saved["foldPadding", default: 0] >= padding)
    // The second video's images: two feed-forward and six square products in 30 blocks and two branches.
    let images = 2 * 2 * 7 * 1560 * 30 * (6 * 1536 * 1536 + 2 * 1536 * 8960)
    #expect(saved["shareConditions", default: 0] >= images)
    // The first block's self-attention of one branch.
    let tokens = Self.layout.tokens
    let repeats = 2 * tokens * 4 * 1536 * 1536 + 4 * 1536 * Self.pairs(Self.layout.attentionSpans)
    #expect(saved["mergeRepeats", default: 0] >= repeats && saved["mergeRepeats", default: 0] < repeats * 21 / 20)
    // Together they save nearly what they save apart: folding and hoisting both touch the text's keys.
    saved["shareConditions"] = nil
    for (shortcuts, names) in [
      (Shortcuts.all, Set(saved.keys)), (.standard, Set(saved.keys).subtracting(["mergeRepeats"])),
    ] {
      let together = plain - (try Self.flops(shortcuts))
      let apart = saved.filter { names.contains($0.key) }.values.reduce(0, +)
      #expect(together <= apart && together > apart * 9 / 10)
    }
  }

  /// S videos cost S times the video's part and once the images'.
  @Test func imagesAreComputedOnce() throws {
    let (one, two) = (try Self.flops(.standard), try Self.flops(.standard, videos: 2))
    let video = try Self.flops(.standard, videos: 3) - two
    let images = two - 2 * video
    for count in [4, 6] { #expect(try Self.flops(.standard, videos: count) == count * video + images) }
    // With one video the images go through all of the last block.
    #expect(one - video >= images && one - video < images * 21 / 20)
    // By hand: of the images' rows, 29 blocks in two branches; keys and values of the last.
    let (width, hidden, rows) = (1536, 8960, 7 * 1560)
    let square = 2 * rows * width * width
    let selfAttention = 4 * square + 4 * width * Self.pairs(Array(Self.layout.attentionSpans.dropFirst()))
    let rest = 2 * square + 4 * rows * width * hidden
    let expected = 58 * (selfAttention + rest) + 2 * 2 * square
    #expect(images >= expected && images < expected * 51 / 50, "\(images) against \(expected)")
    // Without the shortcut every video brings its images along.
    let apart = try Self.flops(Shortcuts.standard.subtracting(.shareConditions), videos: 2)
    #expect(apart > 2 * video + 2 * images)
  }

  /// Without CSAM the images read the video and cannot go by themselves; without images there is nothing to share.
  @Test func whereNothingIsShared() throws {
    for layout in [
      Layout(latentFrames: 2, rows: 30, columns: 52, plainConditions: 1, ablation: .csam),
      Layout(latentFrames: 2, rows: 30, columns: 52),
    ] {
      #expect(TransformerGraph(Self.configuration, layout: layout).streamSpans == nil)
      let apart = try Self.graphs(.shareConditions, videos: 2, layout).step(Self.weights)
      let joint = try Self.graphs([], videos: 2, layout).step(Self.weights)
      #expect(apart.nodes.map(\.label) == joint.nodes.map(\.label))
    }
  }

  /// Weights of the network that a run reads are the checkpoint's, whatever is left out.
  @Test func allWeightsAreRead() throws {
    for videos in [1, 2] {
      let graphs = Self.graphs(.all, videos: videos)
      let (invariant, step) = try graphs.halves(Self.weights)
      let time = try #require(try graphs.timeTables(Self.weights))
      let names = GraphTests.weightNames(step, try #require(invariant), time)
      #expect(names == Set(Self.weights.shapes.keys))
      // Keys and values of two texts in 30 blocks, however many videos read them.
      #expect(invariant?.stateUpdates.count == 2 * 2 * 30)
    }
  }

  @Test func textKeys() {
    func templates(_ positions: [Int], length: Int = 8) -> Tensor {
      Tensor((0..<2 * length).map { positions.contains($0 - length) ? Float(1) : 0 }, [2, length])
    }
    func keys(_ tokens: Int, _ positions: [Int] = []) -> [Int] {
      let keys = TextKeys(realTokens: tokens, templates: templates(positions), textLength: 8)
      return [keys.separate, keys.count, keys.lastKeyCount]
    }
    #expect(keys(3) == [3, 4, 5])
    #expect(keys(7) == [7, 8, 1])
    #expect(keys(8) == [8, 8, 1])
    #expect(keys(11) == [8, 8, 1])
    #expect(keys(0) == [0, 1, 8])
    // Padding up to the last position with a weight stays.
    #expect(keys(3, [1, 5]) == [6, 7, 2])
    #expect(keys(3, [7]) == [8, 8, 1])
    #expect(keys(3, [0, 2]) == [3, 4, 5])
    let cut = TextKeys(realTokens: 3, templates: templates([1, 5]), textLength: 8).cut(templates([1, 5]))
    #expect(cut.shape == [2, 7] && cut.floats() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0])
  }
}
