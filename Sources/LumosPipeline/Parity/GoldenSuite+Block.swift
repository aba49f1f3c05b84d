import LumosFiles
import LumosGraph
import LumosModels
import LumosOps
import LumosTensor

extension GoldenSuite {
  /// One transformer block: `x`, `e` and the embedded `context` in, `out` and some intermediate tensors out.
  func runBlock(
    _ entry: GoldenManifest.Entry, on backend: any Backend, bound: Double, into recorder: inout GoldenRecorder
  ) throws {
    let file = try manifest.open(entry)
    let fields = GoldenFields(entry.fields, place: "manifest.json, \(entry.path)")
    let (weights, sizes) = try manifest.weights(of: "block")
    let mask = file.tensor("text_mask")
    let scene = try GoldenScene(fields, rows: try fields.count("H"), columns: try fields.count("W"), mask: mask)
    let context = try file.requireTensor("context").withoutBatch("\(entry.path), context")
    let configuration = try blockConfiguration(sizes, textLength: context.shape[0])
    let inputs = BlockInputs(
      x: try file.requireTensor("x").withoutBatch("\(entry.path), x"),
      time: try file.requireTensor("e").withoutBatch("\(entry.path), e"), context: context, masks: scene.masks)

    let layout = scene.layout
    if let queries = file.tensor("q_ranges"), let keys = file.tensor("k_ranges") {
      let published = layout.publishedRanges
      let q = published.flatMap { [$0.queryStart, $0.queryEnd] }
      let k = published.flatMap { [$0.keyStart, $0.keyEnd] }
      try recorder.exact(entry.name + "/q_ranges", q, queries.integers())
      try recorder.exact(entry.name + "/k_ranges", k, keys.integers())
    }
    let model = TransformerGraph(configuration, layout: layout, attentionSpans: scene.defectiveSpans)
    let found = try runBlock(model, inputs, on: backend, weights: weights)
    for (name, tensor) in found {
      guard let golden = file.tensor(name) else { continue }
      let expected = golden.shape.rank == tensor.shape.rank ? golden : try golden.withoutBatch(entry.name + "/" + name)
      try recorder.compare(entry.name + "/" + name, tensor, expected, bound: bound)
    }
    guard scene.defectiveSpans != nil else { return }

    // Our own form. Within one block, rows whose span is the same in both forms cannot differ.
    let own = try runBlock(
      TransformerGraph(configuration, layout: layout), inputs, on: backend, weights: weights)["out"]
    let golden = try file.requireTensor("out").withoutBatch("\(entry.path), out")
    guard let own else { return }
    for (ours, published) in zip(layout.attentionSpans, layout.publishedAttentionSpans) {
      let rows = ours.queryStart..<ours.queryEnd
      let name = "\(entry.name)/ours/out[\(rows.lowerBound)..<\(rows.upperBound)]"
      if ours == published {
        try recorder.compare(name, own.rows(rows), golden.rows(rows), bound: bound)
      } else {
        try recorder.mustDiffer(name, own.rows(rows), golden.rows(rows), atLeast: 1e-4)
      }
    }
    if let expected = corrected?.tensor(entry.name + ".out") {
      try recorder.compare(entry.name + "/ours/out", own, expected, bound: bound)
    }
  }

  private struct BlockInputs {
    let x: Tensor
    let time: Tensor
    let context: Tensor
    let masks: [[Bool]]
  }

  private func blockConfiguration(_ sizes: GoldenFields, textLength: Int) throws -> TransformerConfiguration {
    let configuration = TransformerConfiguration(
      width: try sizes.count("dim"), heads: try sizes.count("heads"), layers: 1,
      feedForwardWidth: try sizes.count("ffn"), textLength: textLength,
      epsilon: Float(try sizes.number("eps", standard: 1e-6)),
      relationRatio: Float(try sizes.number("ratio", standard: 0.5)))
    try requireHeads(configuration, sizes)
    return configuration
  }

  /// Results of a block under the names that the goldens give them.
  private func runBlock(
    _ model: TransformerGraph, _ inputs: BlockInputs, on backend: any Backend, weights: GoldenWeights
  ) throws -> [String: Tensor] {
    var builder = GraphBuilder(weights: weights)
    let given = [("x", inputs.x), ("e", inputs.time), ("context", inputs.context)].map { name, tensor in
      (name, tensor.converted(to: .f32))
    }
    let values = given.map { builder.input($0, $1.type) }
    let relations = model.relations(in: &builder)
    let block = try model.block(
      values[0], "", time: values[1], text: values[2], relations: relations, in: &builder)
    var outputs = [
      "out": block.output, "query": block.query, "key": block.key, "self_attn_heads_out": block.selfAttention,
      "cross_attn_heads_out": block.crossAttention,
    ]
    outputs["bias"] = block.textBias
    for name in outputs.keys.sorted() { if let value = outputs[name] { builder.output(name, value) } }

    var feed = Dictionary(uniqueKeysWithValues: given)
    if relations.text != nil { feed["templates"] = model.layout.textTemplates(masks: inputs.masks) }
    let executable = try backend.makeSession(weights: weights).compile(builder.graph)
    var found = try executable.run(feed, fetch: outputs.keys.sorted())
    found["q_rope_head0"] = found.removeValue(forKey: "query").map { firstHead($0, model.configuration) }
    found["k_rope_head0"] = found.removeValue(forKey: "key").map { firstHead($0, model.configuration) }
    if let bias = found.removeValue(forKey: "bias"), let cells = relations.text?.cells {
      found["cross_bias_cond"] = expanded(bias, cells)
    }
    return found
  }

  /// Columns of the first head, `[tokens, headWidth]`.
  private func firstHead(_ x: Tensor, _ configuration: TransformerConfiguration) -> Tensor {
    let (values, width) = (x.floats(), configuration.headWidth)
    let rows = (0..<x.shape[0]).flatMap { values[$0 * x.shape[1]..<$0 * x.shape[1] + width] }
    return Tensor(rows, [x.shape[0], width])
  }

  /// The bias per cell `[cells, heads, keys]` as the published code has it, per token: `[heads, tokens, keys]`.
  private func expanded(_ bias: Tensor, _ cells: RelationCells) -> Tensor {
    let (heads, keys) = (bias.shape[1], bias.shape[2])
    let tokens = cells.images * cells.area
    let values = bias.floats()
    var result: [Float] = []
    result.reserveCapacity(heads * tokens * keys)
    for head in 0..<heads {
      for token in 0..<tokens {
        let at = (cells.cell(ofToken: cells.firstToken + token) * heads + head) * keys
        result += values[at..<at + keys]
      }
    }
    return Tensor(result, [heads, tokens, keys])
  }

  /// Throws unless the width is a number of heads of even size.
  func requireHeads(_ configuration: TransformerConfiguration, _ sizes: GoldenFields) throws {
    guard configuration.width % (2 * configuration.heads) == 0 else {
      throw LumosError(
        .badInput, "width \(configuration.width) is not \(configuration.heads) heads of even size", at: sizes.place)
    }
  }
}
