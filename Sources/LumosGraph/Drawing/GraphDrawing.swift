import LumosOps
import LumosTensor

/// A graph as boxes and arrows, for people: one box per node, one per input, state or constant. Weights are counted in
/// the box of their reader, since there are too many of them to draw.
public struct GraphDrawing: Sendable {
  /// A box.
  public struct Box: Sendable, Hashable {
    /// What it is: an op's name with what is fused into it, or the name of an input.
    public let title: String
    /// Where it stands in the model, and the shapes that it makes.
    public let lines: [String]
    /// Whether it computes; otherwise it is there from the beginning.
    public let isNode: Bool
  }

  /// An arrow between two boxes, by index.
  public struct Edge: Sendable, Hashable {
    /// Where the value is made.
    public let from: Int
    /// Where it is read.
    public let to: Int
  }

  /// What stands above the drawing.
  public let title: String
  /// Boxes; a value is made before it is read.
  public let boxes: [Box]
  /// Arrows, each pair of boxes at most once.
  public let edges: [Edge]

  /// Draws `graph`.
  /// - Parameter prefix: what labels begin with that all nodes share, and that need not be repeated in every box.
  public init(_ graph: Graph, title: String, dropping prefix: String = "") {
    var boxes: [Box] = []
    var edges: [Edge] = []
    var maker: [Graph.ValueID: Int] = [:]
    func short(_ label: String) -> String {
      label.split(separator: " ").map { word in
        word.hasPrefix(prefix) ? word.dropFirst(prefix.count) : word
      }.joined(separator: " ")
    }
    /// The box of a value, made when first asked for; nil for a weight.
    func box(of id: Graph.ValueID) -> Int? {
      if let known = maker[id] { return known }
      let value = graph[id]
      let name: String
      switch value.source {
      case .input(let input): name = "input \(input)"
      case .state(let state): name = "state \(state)"
      case .constant: name = "constant"
      case .weight, .node: return nil
      }
      boxes.append(Box(title: name, lines: [value.type.description], isNode: false))
      maker[id] = boxes.count - 1
      return boxes.count - 1
    }
    for node in graph.nodes {
      var sources: [Int] = []
      var weightCount = 0
      for id in node.inputs {
        if case .weight = graph[id].source { weightCount += 1 }
        if let source = box(of: id), !sources.contains(source) { sources.append(source) }
      }
      let weights = weightCount == 0 ? "" : weightCount == 1 ? ", 1 weight" : ", \(weightCount) weights"
      let shapes = node.outputs.map { graph[$0].type }
      let first = shapes.first.map(\.description) ?? ""
      let results = shapes.count > 1 && Set(shapes).count == 1 ? "\(shapes.count) x \(first)" : first
      boxes.append(Box(title: node.op.drawnName, lines: [short(node.label), results + weights], isNode: true))
      for source in sources { edges.append(Edge(from: source, to: boxes.count - 1)) }
      for output in node.outputs { maker[output] = boxes.count - 1 }
    }
    self.title = title
    self.boxes = boxes
    self.edges = edges
  }

  /// Graphviz text of several drawings, each a cluster of its own.
  public static func dot(_ drawings: [GraphDrawing]) -> String {
    func quoted(_ text: String) -> String {
      var result = "\""
      for character in text {
        switch character {
        case "\"", "\\": result += "\\\(character)"
        case "\n": result += "\\n"
        default: result.append(character)
        }
      }
      return result + "\""
    }
    var lines = ["digraph plan {", "  node [shape=box, fontname=\"Helvetica\", fontsize=10];"]
    for (number, drawing) in drawings.enumerated() {
      lines += ["  subgraph cluster_\(number) {", "    label=\(quoted(drawing.title));"]
      for (index, box) in drawing.boxes.enumerated() {
        let style = box.isNode ? "" : ", style=rounded"
        let text = ([box.title] + box.lines).joined(separator: "\n")
        lines.append("    n\(number)_\(index) [label=\(quoted(text))\(style)];")
      }
      for edge in drawing.edges { lines.append("    n\(number)_\(edge.from) -> n\(number)_\(edge.to);") }
      lines.append("  }")
    }
    return (lines + ["}", ""]).joined(separator: "\n")
  }
}

extension OpDescriptor {
  /// The op's name and what is fused into it.
  var drawnName: String {
    switch self {
    case let op as LayerNorm: name + (op.modulation == nil ? "" : " + Modulate")
    case let op as RMSNorm: name + (op.rotary == nil ? "" : " + Rotary")
    case let op as ChannelNorm: name + (op.activation.map { " + \($0)" } ?? "")
    case let op as Linear:
      switch op.epilogue {
      case .none: name
      case .activation(let kind): "\(name) + \(kind)"
      case .add: "\(name) + add"
      case .gatedAdd: "\(name) + gatedAdd"
      }
    case let op as MultiLinear: "\(name) x \(op.count)"
    case let op as Conv3D: name + (op.upsamples ? " + upsample" : "") + (op.addsResidual ? " + add" : "")
    case let op as Activation: "\(op.kind)"
    case let op as Elementwise: "\(op.kind)"
    default: name
    }
  }
}
