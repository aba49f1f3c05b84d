import LumosTensor

/// The two orders in which a latent's or video's numbers stand: files and the published code have channels first,
/// `[C, T, h, w]`; the engine has them last, `[T, h, w, C]`.
extension Tensor {
  /// `[C, axes…]` as `[axes…, C]`, float32.
  public func channelsLast() -> Tensor {
    precondition(shape.rank > 1, "\(shape) has no channels")
    return transposed(rows: shape[0], columns: shape.rowCount, Shape(shape.dimensions.dropFirst() + [shape[0]]))
  }

  /// `[axes…, C]` as `[C, axes…]`, float32.
  public func channelsFirst() -> Tensor {
    precondition(shape.rank > 1, "\(shape) has no channels")
    let axes = Array(shape.dimensions.dropLast())
    return transposed(rows: axes.reduce(1, *), columns: shape[-1], Shape([shape[-1]] + axes))
  }

  private func transposed(rows: Int, columns: Int, _ shape: Shape) -> Tensor {
    let source = floats()
    return Tensor(shape, .f32) { bytes in
      let out = bytes.bindMemory(to: Float.self)
      for row in 0..<rows {
        for column in 0..<columns { out[column * rows + row] = source[row * columns + column] }
      }
    }
  }
}
