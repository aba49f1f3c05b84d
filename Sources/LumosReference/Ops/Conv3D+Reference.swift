import LumosOps
import LumosTensor

/// Convolution as a matrix product: the input values that an output position sees are gathered into one row ("im2col"),
/// and rows times weights give all output channels. Positions are taken in chunks, so that memory is bounded.
extension Conv3D: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (weight, bias) = (inputs[1].factors(of: inputs[0].dtype), inputs[2])
    let output = outputs[0].shape
    let positions = output[0] * output[1] * output[2]
    let inner = weight.shape.rowCount
    let channels = output[3]
    let chunk = max(min(Self.gatheredElements / inner, positions), 1)

    let result = [S](unsafeUninitializedCapacity: positions * channels) { out, initialized in
      initialized = positions * channels
      guard let result = out.baseAddress else { return }
      result.fillRows(positions, with: bias.values)
      var rows = [S](repeating: 0, count: chunk * inner)
      rows.withUnsafeMutableBufferPointer { rows in
        guard let rows = rows.baseAddress else { return }
        for first in Swift.stride(from: 0, to: positions, by: chunk) {
          let count = min(chunk, positions - first)
          parallelFor(count: count, grain: max(1, 1 << 16 / inner)) { range in
            for i in range {
              gather(first + i, output, inputs, into: rows + i * inner)
            }
          }
          S.matrixMultiplyTransposed(
            rows: count, columns: channels, inner: inner, rows, inner, weight.values, inner,
            result + first * channels, channels, add: true)
        }
      }
      if addsResidual {
        let residual = inputs[inputs.count - 1].values
        for i in residual.indices { result[i] += residual[i] }
      }
    }
    return [result]
  }

  /// Size of the gathered rows: 16 MB of float32.
  private static var gatheredElements: Int { 1 << 22 }

  /// Writes what output position `position` sees, in the order of the weights (frame, row, column, channel), to `out`.
  private func gather<S: ReferenceScalar>(
    _ position: Int, _ output: Shape, _ inputs: [ReferenceArray<S>], into out: UnsafeMutablePointer<S>
  ) {
    let (x, kernel) = (inputs[0], inputs[1].shape)
    let pastFrames = hasHistory(inputCount: inputs.count) ? inputs[3].shape[0] : 0
    let channels = x.shape[3]
    // Rows and columns that the kernel moves over; `zoom` of them in either direction are one pixel of the input.
    let zoom = upsamples ? 2 : 1
    let (height, width) = (zoom * x.shape[1], zoom * x.shape[2])
    let frame = position / (output[1] * output[2]) * stride.time
    let top = position / output[2] % output[1] * stride.space - padding.leading
    let left = position % output[2] * stride.space - padding.leading
    // The columns of the kernel that fall inside the frame.
    let columns = max(left, 0)..<max(min(left + kernel[3], width), max(left, 0))
    var line = out
    for dt in 0..<kernel[1] {
      let isPast = frame + dt < pastFrames
      let source = isPast ? inputs[3].values : x.values
      let sourceFrame = isPast ? frame + dt : frame + dt - pastFrames
      for y in top..<top + kernel[2] {
        if y < 0 || y >= height || columns.isEmpty {
          line.update(repeating: 0, count: kernel[3] * channels)
        } else {
          let before = (columns.lowerBound - left) * channels
          let inside = columns.count * channels
          line.update(repeating: 0, count: before)
          source.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            let row = base + (sourceFrame * x.shape[1] + y / zoom) * x.shape[2] * channels
            if zoom == 1 {
              // They lie side by side, in the input as in the row.
              (line + before).update(from: row + columns.lowerBound * channels, count: inside)
            } else {
              for column in columns {
                (line + (column - left) * channels).update(from: row + column / zoom * channels, count: channels)
              }
            }
          }
          (line + before + inside).update(repeating: 0, count: kernel[3] * channels - before - inside)
        }
        line += kernel[3] * channels
      }
    }
  }
}
