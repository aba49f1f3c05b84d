/// Frames side by side in one image, to be looked at.
public enum ContactSheet {
  /// `frames` in reading order, `columns` to a row, every pixel enlarged to `scale` x `scale`.
  ///
  /// Cells have the size of the largest frame; 4 dark pixels lie between them and around.
  public static func make(frames: [Image], columns: Int, scale: Int = 1) -> Image {
    precondition(!frames.isEmpty && columns > 0 && scale > 0, "a contact sheet needs frames, columns and a scale")
    let (margin, background) = (4, UInt8(32))
    let cellWidth = (frames.map(\.width).max() ?? 0) * scale + margin
    let cellHeight = (frames.map(\.height).max() ?? 0) * scale + margin
    let usedColumns = min(columns, frames.count)
    let rows = (frames.count + columns - 1) / columns
    let width = usedColumns * cellWidth + margin
    return Image(width: width, height: rows * cellHeight + margin) { out in
      out.update(repeating: background)
      for (index, frame) in frames.enumerated() {
        let (left, top) = (index % columns * cellWidth + margin, index / columns * cellHeight + margin)
        frame.pixels.withUnsafeBufferPointer { source in
          for y in 0..<frame.height * scale {
            for x in 0..<frame.width * scale {
              let from = (y / scale * frame.width + x / scale) * 3
              let to = ((top + y) * width + left + x) * 3
              for channel in 0..<3 { out[to + channel] = source[from + channel] }
            }
          }
        }
      }
    }
  }
}
