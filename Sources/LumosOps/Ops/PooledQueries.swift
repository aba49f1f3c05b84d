import LumosTensor

/// Mean cross-attention query of every cell of every condition image. Input q `[L, D]`, f32, f16 or
/// bf16; output `[images·cells, D]`, f32. Windows that reach past the image count zeros: the divisor is always pool² (MODEL.md 9.2).
public struct PooledQueries: OpDescriptor {
  public static let name = "PooledQueries"
  /// The images and their cells.
  public let cells: RelationCells

  public init(_ cells: RelationCells) { self.cells = cells }

  public func outputTypes(_ inputs: [TensorType]) throws(OpError) -> [TensorType] {
    try require(inputs, count: 1...1)
    try requireFactor(inputs[0], "q", rank: 2)
    try require(cells.firstToken + cells.images * cells.area == inputs[0].shape[0], "cells do not fit q")
    return [TensorType([cells.images * cells.cellsPerImage, inputs[0].shape[1]], .f32)]
  }

  public func flops(_ inputs: [TensorType]) -> Int { cells.images * cells.area * inputs[0].shape[1] }

  public func bytesMoved(_ inputs: [TensorType]) -> Int {
    inputs[0].shape[1] * cells.images * (inputs[0].dtype.byteCount * cells.area + 4 * cells.cellsPerImage)
  }

  /// Sums of at most pool + pool terms; 7e-15 was seen against float64.
  public func errorBound(_ inputs: [TensorType], dtype: DType) -> Double { 1e-13 }
}
