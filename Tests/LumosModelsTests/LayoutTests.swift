import LumosFiles
import LumosOps
import LumosTensor
import Testing

@testable import LumosModels

/// Layouts against positions, spans, templates and cells that the PyTorch oracle made (Tools/fixtures).
@Suite struct LayoutTests {
  struct Fixture {
    let layout: Layout
    let masks: [[Bool]]
    let file: SafetensorsFile
    let index: Int

    init(_ file: SafetensorsFile, _ index: Int) throws {
      let sizes = try file.requireTensor("\(index).sizes").integers()
      layout = Layout(
        latentFrames: sizes[0], rows: sizes[1], columns: sizes[2], plainConditions: sizes[3],
        humanGroups: Array(sizes[4...]))
      let masks = try file.requireTensor("\(index).masks")
      self.masks = (0..<masks.shape[0]).map { masks.rows($0..<$0 + 1).integers().map { $0 != 0 } }
      self.file = file
      self.index = index
    }

    func tensor(_ name: String) throws -> Tensor { try file.requireTensor("\(index).\(name)") }

    func spans(_ name: String) throws -> [Attention.Span] {
      let numbers = try tensor(name).integers()
      return stride(from: 0, to: numbers.count, by: 4).map {
        Attention.Span(queries: numbers[$0]..<numbers[$0 + 1], keys: numbers[$0 + 2]..<numbers[$0 + 3])
      }
    }
  }

  static func fixtures() throws -> [Fixture] {
    let file = try Fixtures.open("models/layouts.safetensors")
    return try (0..<20).map { try Fixture(file, $0) }
  }

  @Test func positions() throws {
    for fixture in try Self.fixtures() {
      let layout = fixture.layout
      let expected = try fixture.tensor("positions").integers()
      var found: [Int] = []
      for origin in layout.origins {
        for r in 0..<layout.rows {
          for c in 0..<layout.columns { found += [origin.time, origin.row + r, origin.column + c] }
        }
      }
      #expect(found == expected, "layout \(fixture.index)")
    }
  }

  @Test(arguments: [32, 64, 128]) func rotaryTables(headWidth: Int) throws {
    for fixture in try Self.fixtures() {
      let tables = fixture.layout.rotaryTables(headWidth: headWidth)
      #expect(tables.cosines.shape == [fixture.layout.tokens, headWidth / 2])
      let sample = try fixture.tensor("sample").integers()
      for (name, table) in [("cosines", tables.cosines), ("sines", tables.sines)] {
        let expected = try fixture.tensor("\(name)\(headWidth)").floats()
        let found = sample.flatMap { table.rows($0..<$0 + 1).floats() }
        // Both round a float64 result to float32; the libraries' last bits may differ and move one rounding.
        let worst = zip(expected, found).map { abs($0 - $1) }.max() ?? 1
        #expect(worst <= 6e-8, "\(name), layout \(fixture.index)")
      }
    }
  }

  @Test func spans() throws {
    for fixture in try Self.fixtures() {
      #expect(fixture.layout.attentionSpans == (try fixture.spans("spans")), "layout \(fixture.index)")
      let published = try fixture.spans("published_spans")
      #expect(fixture.layout.publishedAttentionSpans == published, "layout \(fixture.index)")
    }
  }

  @Test func templates() throws {
    for fixture in try Self.fixtures() {
      let found = fixture.layout.textTemplates(masks: fixture.masks)
      #expect(found.floats() == (try fixture.tensor("templates").floats()), "layout \(fixture.index)")
    }
  }

  @Test func cells() throws {
    for fixture in try Self.fixtures() {
      let expected = try fixture.tensor("cells").integers()
      guard let cells = fixture.layout.relationCells(pool: 8) else {
        #expect(fixture.layout.conditions == 0)
        continue
      }
      for image in 0..<cells.images {
        let first = fixture.layout.videoTokens + image * fixture.layout.area
        let found = (0..<cells.area).map { cells.cell(ofToken: first + $0) - image * cells.cellsPerImage }
        #expect(found == expected, "layout \(fixture.index), image \(image)")
      }
    }
  }

  @Test func ablations() {
    func layout(_ ablation: Ablation) -> Layout {
      Layout(latentFrames: 2, rows: 3, columns: 4, plainConditions: 1, humanGroups: [2, 1], ablation: ablation)
    }
    #expect(layout([]).origins.map(\.time) == [0, 1, 2, 3, 3, 4])
    #expect(layout([]).origins.map(\.row) == [0, 0, 0, 0, 3, 0])
    #expect(layout([]).origins.map(\.column) == [0, 0, 0, 0, 4, 0])
    #expect(layout(.r2pe).origins.map(\.time) == [0, 1, 2, 3, 4, 5])
    #expect(layout(.r2pe).origins.allSatisfy { $0.row == 0 && $0.column == 0 })
    #expect(layout(.r2pe).attentionSpans == layout([]).attentionSpans)
    #expect(layout(.csam).attentionSpans == [Attention.Span(queries: 0..<72, keys: 0..<72)])
    #expect(layout(.csam).origins == layout([]).origins)
    #expect(layout(.mcam).relationCells(pool: 8) == nil)
    #expect(layout(.csam).relationCells(pool: 8) != nil)
    #expect(Ablation(name: "csam") == .csam)
    #expect(Ablation(name: "CSAM") == nil)
  }
}
