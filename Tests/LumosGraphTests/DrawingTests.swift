import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

@Suite struct DrawingTests {
  @Test("Boxes do not overlap, and every arrow leads downwards from its box to its box")
  func layout() throws {
    for seed in 1...60 {
      let drawing = GraphDrawing(try MemoryPlanTests.randomGraph(seed: UInt64(seed)), title: "random")
      let sizes = drawing.boxes.map { (width: Double(20 + 7 * ($0.title.count % 9)), height: 30.0) }
      let layout = LayeredLayout(sizes: sizes, edges: drawing.edges, isSource: drawing.boxes.map { !$0.isNode })
      for (i, a) in layout.boxes.enumerated() {
        #expect(a.x - a.width / 2 >= -1e-6 && a.x + a.width / 2 <= layout.width + 1e-6)
        #expect(a.y - a.height / 2 >= -1e-6 && a.y + a.height / 2 <= layout.height + 1e-6)
        for b in layout.boxes[..<i] {
          let apart = abs(a.x - b.x) >= (a.width + b.width) / 2 || abs(a.y - b.y) >= (a.height + b.height) / 2
          #expect(apart, "seed \(seed)")
        }
      }
      #expect(layout.paths.count == drawing.edges.count)
      for (edge, path) in zip(drawing.edges, layout.paths) {
        let (from, to) = (layout.boxes[edge.from], layout.boxes[edge.to])
        #expect(path.first?.x == from.x && path.first?.y == from.y + from.height / 2)
        #expect(path.last?.x == to.x && path.last?.y == to.y - to.height / 2)
        #expect(zip(path, path.dropFirst()).allSatisfy { $0.y < $1.y }, "seed \(seed)")
      }
    }
  }

  @Test("Titles are quoted and escaped")
  func escaping() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("a<b>&\"c\\", TensorType([4], .f32))
    builder.output("y", try builder.add(x, x, "sum"))
    let drawing = GraphDrawing(builder.graph, title: "<&>")
    let svg = GraphDrawing.svg([drawing])
    #expect(svg.contains("input a&lt;b&gt;&amp;&quot;c\\") && svg.contains(">&lt;&amp;&gt;<"))
    let dot = GraphDrawing.dot([drawing])
    #expect(dot.contains("input a<b>&\\\"c\\\\\\nf32[4]") && dot.contains("n0_0 -> n0_1;"))
  }
}
