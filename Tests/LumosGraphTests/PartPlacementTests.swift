import LumosOps
import LumosTensor
import Testing

@testable import LumosGraph

@Suite struct PartPlacementTests {
  static let type = TensorType([4, 8], .f32)

  /// Nodes as text: `label op, results with their rows`.
  static func text(_ graph: Graph) -> [String] {
    graph.nodes.map { node in
      let results = node.outputs.enumerated().map { position, value in
        "\(value.index)" + (node.outputRows[position].map { "[\($0.lowerBound)..<\($0.upperBound)]" } ?? "")
      }
      return "\(node.label) \(node.op.name) \(results.joined(separator: " "))"
    }
  }

  @Test("Parts that nobody else reads are made in the whole, and nothing is joined")
  func bothParts() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", Self.type)
    let a = try builder.activation(.silu, x, "a")
    let b = try builder.activation(.geluTanh, x, "b")
    builder.output("y", try builder.activation(.silu, builder.concatenate(a, b, "join"), "y"))
    let placed = PartPlacement.apply(to: builder.graph)
    #expect(Self.text(placed) == ["a Activation 3[0..<4]", "b Activation 3[4..<8]", "y Activation 4"])
    #expect(placed.defect == nil && Self.text(PartPlacement.apply(to: placed)) == Self.text(placed))
    // The parts beside the whole are gone from memory: whole and result, or one over the other.
    let bytes = { (graph: Graph) in MemoryPlan(graph: graph, inPlace: false).liveBytesMax }
    #expect(bytes(builder.graph) == 768 && bytes(placed) == 512)
    #expect(MemoryPlan(graph: placed).liveBytesMax == 256 && MemoryPlan(graph: builder.graph).liveBytesMax == 768)
  }

  @Test("A part that others read, or that no node makes, is copied into its rows")
  func onePart() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", Self.type)
    let shared = try builder.activation(.silu, x, "shared")
    for name in ["y", "z"] {
      let own = try builder.activation(.geluTanh, x, "own \(name)")
      builder.output(name, try builder.concatenate(own, shared, "join \(name)"))
    }
    let given = try builder.activation(.geluTanh, x, "own given")
    builder.output("given", try builder.concatenate(x, given, "join given"))
    let placed = PartPlacement.apply(to: builder.graph)
    #expect(
      Self.text(placed) == [
        "shared Activation 1", "own y Activation 3[0..<4]", "join y Slice 3[4..<8]", "own z Activation 5[0..<4]",
        "join z Slice 5[4..<8]", "own given Activation 7[4..<8]", "join given Slice 7[0..<4]",
      ])
    #expect(placed.defect == nil)
  }

  @Test("Parts of parts go to the outermost whole")
  func nested() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", Self.type)
    var all = try builder.activation(.silu, x, "0")
    for index in 1..<3 {
      all = try builder.concatenate(all, builder.activation(.silu, x, "\(index)"), "join \(index)")
    }
    builder.output("y", all)
    let placed = PartPlacement.apply(to: builder.graph)
    #expect(
      Self.text(placed) == ["0 Activation 5[0..<4]", "1 Activation 5[4..<8]", "2 Activation 5[8..<12]"])
    #expect(placed.defect == nil)
  }

  @Test("What has to stay by itself does")
  func untouched() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", Self.type)
    let (a, b) = (try builder.activation(.silu, x, "a"), try builder.activation(.geluTanh, x, "b"))
    let empty = try builder.slice(x, 2..<2, "empty")
    builder.output("a", a)
    builder.update(state: "b", to: b)
    builder.output("y", try builder.concatenate(a, b, "fetched and kept"))
    builder.output("z", try builder.concatenate(x, x, "inputs"))
    let c = try builder.activation(.silu, b, "c")
    builder.output("twice", try builder.concatenate(c, c, "twice"))
    builder.output("little", try builder.concatenate(try builder.activation(.silu, c, "d"), empty, "little"))
    #expect(Self.text(PartPlacement.apply(to: builder.graph)) == Self.text(builder.graph))
  }

  @Test("Windows are filled in blocks of rows")
  func tiled() throws {
    var builder = GraphBuilder(weights: NoWeights())
    let x = builder.input("x", TensorType([256, 8], .f32))
    let wide = try builder.apply(Linear(), [x, builder.constant(zeros([128, 8]))], "up")
    let part = try builder.apply(Linear(), [wide, builder.constant(zeros([8, 128]))], "down")
    builder.output("y", try builder.concatenate(x, part, "join"))
    let placed = PartPlacement.apply(to: builder.graph)
    let tiled = RowTiling(blockByteCount: 64 << 10, onlyAbovePeak: false).apply(to: placed)
    #expect(tiled.defect == nil)
    let windows = tiled.nodes.filter { $0.label == "down" }.compactMap { $0.outputRows[0] }
    #expect(windows == [256..<384, 384..<512])
    let plan = MemoryPlan(graph: tiled)
    #expect(plan.defect(in: tiled) == nil && plan.liveBytesMax == 512 * 8 * 4 + 128 * 128 * 4)
  }
}
