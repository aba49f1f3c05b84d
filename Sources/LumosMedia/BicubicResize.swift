/// Pillow 11.0's BICUBIC resize of 8-bit images, bit for bit (MODEL.md section 3).
///
/// The filter is separable and antialiased: it widens with the reduction. Rows are resized first and rounded to 8 bits,
/// columns second; weights are integers of 22 fractional bits. Pillow 13 changed the order for some shapes, which moves
/// single pixels by up to 15 levels; the published model was run with the order kept here.
enum BicubicResize {
  /// `image` in another size, both sides at least 1.
  static func resized(_ image: Image, width: Int, height: Int) -> Image {
    precondition(width > 0 && height > 0, "resize to \(width) x \(height)")
    var result = image
    if width != image.width { result = resizedRows(result, Taps(from: image.width, to: width)) }
    if height != image.height { result = resizedColumns(result, Taps(from: image.height, to: height)) }
    return result
  }

  /// Fractional bits of the weights: 32 less 8 for the pixel and 2 for overshoot.
  private static let weightBits = 22

  /// For every output index the inputs that it is made of.
  private struct Taps {
    /// First input index.
    var starts: [Int] = []
    /// Where the weights of an output begin in `weights`; one more entry than outputs.
    var offsets: [Int] = [0]
    var weights: [Int32] = []

    /// Number of outputs.
    var count: Int { starts.count }

    init(from inputCount: Int, to outputCount: Int) {
      // The order of operations is Pillow's, because the weights are rounded from doubles.
      let scale = Double(inputCount) / Double(outputCount)
      let filterScale = max(scale, 1)
      let support = 2 * filterScale
      let inverse = 1 / filterScale
      for output in 0..<outputCount {
        let centre = (Double(output) + 0.5) * scale
        let low = max(Int(centre - support + 0.5), 0)
        let high = min(Int(centre + support + 0.5), inputCount)
        let kernel = (low..<high).map { BicubicResize.keys((Double($0) - centre + 0.5) * inverse) }
        let sum = kernel.reduce(0, +)
        for weight in kernel {
          let scaled = (sum != 0 ? weight / sum : weight) * Double(1 << BicubicResize.weightBits)
          weights.append(Int32(weight < 0 ? scaled - 0.5 : scaled + 0.5))
        }
        starts.append(low)
        offsets.append(weights.count)
      }
    }
  }

  /// Keys' cubic kernel with a = -0.5, in Pillow's arithmetic.
  private static func keys(_ argument: Double) -> Double {
    let a = -0.5
    let x = abs(argument)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }

  /// Rounds a sum that started at one half; sums stay below 2^31 because weights add up to about 2^22.
  @inline(__always)
  private static func clamped(_ sum: Int32) -> UInt8 { UInt8(max(0, min(255, sum >> Int32(weightBits)))) }

  private static let half = Int32(1) << Int32(weightBits - 1)

  private static func resizedRows(_ image: Image, _ taps: Taps) -> Image {
    let (sourceRow, row) = (image.width * 3, taps.count * 3)
    return withBuffers(image, taps) { source, weights in
      Image(width: taps.count, height: image.height) { out in
        for y in 0..<image.height {
          for x in 0..<taps.count {
            var (red, green, blue) = (half, half, half)
            var at = y * sourceRow + taps.starts[x] * 3
            for tap in taps.offsets[x]..<taps.offsets[x + 1] {
              let weight = weights[tap]
              red &+= Int32(source[at]) &* weight
              green &+= Int32(source[at + 1]) &* weight
              blue &+= Int32(source[at + 2]) &* weight
              at += 3
            }
            let to = y * row + x * 3
            out[to] = clamped(red)
            out[to + 1] = clamped(green)
            out[to + 2] = clamped(blue)
          }
        }
      }
    }
  }

  private static func resizedColumns(_ image: Image, _ taps: Taps) -> Image {
    let row = image.width * 3
    return withBuffers(image, taps) { source, weights in
      Image(width: image.width, height: taps.count) { out in
        // Whole rows are accumulated, so that memory is read in order.
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: row) { sums in
          for y in 0..<taps.count {
            sums.initialize(repeating: half)
            var at = taps.starts[y] * row
            for tap in taps.offsets[y]..<taps.offsets[y + 1] {
              let weight = weights[tap]
              for i in 0..<row { sums[i] &+= Int32(source[at + i]) &* weight }
              at += row
            }
            for i in 0..<row { out[y * row + i] = clamped(sums[i]) }
          }
        }
      }
    }
  }

  private static func withBuffers<R>(
    _ image: Image, _ taps: Taps, _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<Int32>) -> R
  ) -> R {
    image.pixels.withUnsafeBufferPointer { pixels in taps.weights.withUnsafeBufferPointer { body(pixels, $0) } }
  }
}
