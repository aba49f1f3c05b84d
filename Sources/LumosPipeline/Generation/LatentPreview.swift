import LumosMedia
import LumosTensor

/// A look at an unfinished video.
public struct GenerationPreview: Sendable {
  /// Steps that are done (from 1).
  public let step: Int
  /// Steps in all.
  public let count: Int
  /// Which of the videos, in the order of their seeds.
  public let video: Int
  /// Frames side by side, one for a latent frame, eight at most, enlarged where they are small.
  public let filmstrip: Image
}

/// Colours of latent pixels by a linear map, for previews: what takes the VAE seconds and gigabytes takes this nothing,
/// at an eighth of the resolution.
///
/// The map is fitted, by least squares, to pictures whose latents are known: the scene's own reference images and a
/// chart of flat colours.
struct LatentColours: Sendable {
  /// Channels of a latent.
  private let channels: Int
  /// For red, green and blue: a factor for each channel, and a constant.
  private let factors: [[Double]]

  /// A picture and what the encoder made of it.
  struct Sample: Sendable {
    /// Pixels f32 `[1, height, width, 3]` in [-1, 1].
    let pixels: Tensor
    /// Its latent f32 `[1, h, w, channels]`.
    let latent: Tensor
  }

  /// Fits the map to at least one sample.
  init(_ samples: [Sample]) {
    channels = samples[0].latent.shape[-1]
    let size = channels + 1
    var normal = [Double](repeating: 0, count: size * size)
    var right = [[Double]](repeating: [Double](repeating: 0, count: size), count: 3)
    for sample in samples {
      let (rows, columns) = (sample.latent.shape[1], sample.latent.shape[2])
      let colours = Self.averages(sample.pixels, rows: rows, columns: columns)
      let values = sample.latent.floats()
      for position in 0..<rows * columns {
        let row: [Double] = values[position * channels..<(position + 1) * channels].map { Double($0) } + [1.0]
        for i in 0..<size {
          for j in 0..<size { normal[i * size + j] += row[i] * row[j] }
          for colour in 0..<3 { right[colour][i] += row[i] * colours[position * 3 + colour] }
        }
      }
    }
    // A little towards zero, so that channels that never vary do no harm.
    let trace = (0..<size).reduce(0.0) { $0 + normal[$1 * size + $1] }
    for i in 0..<size { normal[i * size + i] += 1e-4 * trace / Double(size) + 1e-12 }
    factors = right.map { Self.solve(normal, $0) }
  }

  /// Flat colours that differ in brightness and hue, f32 `[1, height, width, 3]` in [-1, 1].
  static func chart(height: Int, width: Int) -> Tensor {
    let cells = 4
    return Tensor([1, height, width, 3], .f32) { bytes in
      let out = bytes.bindMemory(to: Float.self)
      for y in 0..<height {
        for x in 0..<width {
          let cell = Float(y * cells / height * cells + x * cells / width)
          for (colour, stride) in [Float(0.8192), 0.6711, 0.5498].enumerated() {
            let part = (cell + 0.5) * stride
            out[(y * width + x) * 3 + colour] = 2 * (part - part.rounded(.down)) - 1
          }
        }
      }
    }
  }

  /// The filmstrip of a latent f32 `[T, h, w, channels]`.
  func filmstrip(_ latent: Tensor) -> Image {
    let count = latent.shape[0]
    let shown = min(count, 8)
    let frames = (0..<shown).map { image(latent, frame: shown == 1 ? 0 : $0 * (count - 1) / (shown - 1)) }
    let side = max(frames[0].width, frames[0].height)
    return ContactSheet.make(frames: frames, columns: shown, scale: max(1, 128 / side))
  }

  /// One latent frame in colour.
  private func image(_ latent: Tensor, frame: Int) -> Image {
    let (rows, columns) = (latent.shape[1], latent.shape[2])
    let values = latent.floats()
    let first = frame * latent.shape.rowCount
    var pixels: [UInt8] = []
    for position in 0..<rows * columns {
      for factors in factors {
        var value = factors[channels]
        for channel in 0..<channels {
          value += factors[channel] * Double(values[first + position * channels + channel])
        }
        // NaN becomes black.
        pixels.append(UInt8(min(max((value + 1) * 127.5, 0), 255)))
      }
    }
    return Image(width: columns, height: rows, pixels: pixels)
  }

  /// Mean colours of the squares that latent pixels stand for, `[rows, columns, 3]`.
  private static func averages(_ pixels: Tensor, rows: Int, columns: Int) -> [Double] {
    let (height, width) = (pixels.shape[1], pixels.shape[2])
    let values = pixels.floats()
    var sums = [Double](repeating: 0, count: rows * columns * 3)
    for y in 0..<height {
      for x in 0..<width {
        let position = y * rows / height * columns + x * columns / width
        for colour in 0..<3 { sums[position * 3 + colour] += Double(values[(y * width + x) * 3 + colour]) }
      }
    }
    let area = Double(height / rows * (width / columns))
    return sums.map { $0 / area }
  }

  /// x of `matrix x = right`, for a symmetric positive definite matrix, by Cholesky's decomposition.
  private static func solve(_ matrix: [Double], _ right: [Double]) -> [Double] {
    let size = right.count
    var lower = matrix
    for j in 0..<size {
      for i in j..<size {
        var sum = lower[i * size + j]
        for k in 0..<j { sum -= lower[i * size + k] * lower[j * size + k] }
        lower[i * size + j] = i == j ? max(sum, 1e-300).squareRoot() : sum / lower[j * size + j]
      }
    }
    var x = right
    for i in 0..<size {
      for k in 0..<i { x[i] -= lower[i * size + k] * x[k] }
      x[i] /= lower[i * size + i]
    }
    for i in (0..<size).reversed() {
      for k in i + 1..<size { x[i] -= lower[k * size + i] * x[k] }
      x[i] /= lower[i * size + i]
    }
    return x
  }
}
