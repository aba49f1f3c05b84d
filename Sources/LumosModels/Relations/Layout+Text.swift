import LumosOps
import LumosTensor

/// MCAM: how condition images lean towards their words (MODEL.md section 9).
extension Layout {
  /// Cells of the condition images' pooled maps, or nil where the text bias is zero: no images, or without MCAM.
  public func relationCells(pool: Int) -> RelationCells? {
    if conditions == 0 || ablation.contains(.mcam) { return nil }
    return RelationCells(firstToken: videoTokens, images: conditions, height: rows, width: columns, pool: pool)
  }

  /// Weights of the score per condition image and text position, f32 `[conditions, textLength]`.
  ///
  /// A stand-alone image has its own mask. All images of a human have the union of the human's masks, less the mean
  /// of the other humans' unions.
  /// - Parameter masks: for every condition image in canonical order, which text positions its word covers.
  public func textTemplates(masks: [[Bool]]) -> Tensor {
    precondition(masks.count == conditions, "\(masks.count) masks for \(conditions) images")
    let length = masks.first?.count ?? 0
    precondition(masks.allSatisfy { $0.count == length }, "masks of several lengths")
    let unions = humanRanges.map { range in
      (0..<length).map { position in masks[range].contains { $0[position] } ? 1.0 : 0.0 }
    }
    var templates = masks[..<plainConditions].flatMap { $0.map { $0 ? Float(1) : 0 } }
    for (human, size) in humanGroups.enumerated() {
      let template = (0..<length).map { position -> Float in
        let own = unions[human][position]
        if unions.count == 1 { return Float(own) }
        let others = unions.reduce(-own) { $0 + $1[position] }
        return Float(own - others / Double(unions.count - 1))
      }
      for _ in 0..<size { templates += template }
    }
    return Tensor(templates, [conditions, length])
  }
}
