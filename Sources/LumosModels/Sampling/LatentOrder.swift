import LumosTensor

/// The two orders in which a latent's numbers stand: files and the published code have channels first,
/// `[16, T, h, w]`; the engine has them last, `[T, h, w, 16]`.
extension Tensor {
  /// `[C, T, h, w]` as `[T, h, w, C]`; float32.
  public var channelsLast: Tensor {
    precondition(shape.rank == 4, "\(shape) is no latent")
    let (channels, positions) = (shape[0], shape.rowCount)
    return transposed(rows: channels, columns: positions, [shape[1], shape[2], shape[3], channels])
  }

  /// `[T, h, w, C]` as `[C, T, h, w]`; float32.
  public var channelsFirst: Tensor {
    precondition(shape.rank == 4, "\(shape) is no latent")
    let (positions, channels) = (shape[0] * shape[1] * shape[2], shape[3])
    return transposed(rows: positions, columns: channels, [channels, shape[0], shape[1], shape[2]])
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
