/// Full-resolution chroma and RGB from the 8-bit planes of a JPEG or WebP decoder.
///
/// Written out instead of left to swscale, because the published pipeline reads its images through libjpeg-turbo and
/// libwebp: with their own interpolation and their own integer matrices the same file gives the same pixels.
struct PlanarYUV {
  /// Whose arithmetic is followed.
  enum Rules {
    /// libjpeg-turbo: "fancy" triangle filter, full range.
    case jpeg
    /// libwebp: 9-3-3-1 filter, limited range.
    case webp
  }

  /// One plane, rows tightly packed.
  struct Plane {
    var width: Int
    var height: Int
    var samples: [UInt8]
  }

  /// Luma at the size of the image.
  var luma: Plane
  /// Blue and red differences, at that size or half of it horizontally, vertically or both (rounded up).
  var blue: Plane
  var red: Plane
  var rules: Rules

  /// The RGB bytes, or with `alpha` (a plane of the luma's size) the RGBA bytes.
  func pixels(alpha: Plane? = nil) -> [UInt8] {
    let blue = fullSize(blue).samples
    let red = fullSize(red).samples
    let channels = alpha == nil ? 3 : 4
    let count = luma.samples.count
    return [UInt8](unsafeUninitializedCapacity: count * channels) { out, initialized in
      for i in 0..<count {
        let (y, u, v) = (Int32(luma.samples[i]), Int32(blue[i]), Int32(red[i]))
        let colour = rules == .jpeg ? Self.jpegColour(y, u - 128, v - 128) : Self.webpColour(y, u, v)
        out[i * channels] = colour.0
        out[i * channels + 1] = colour.1
        out[i * channels + 2] = colour.2
        if let alpha { out[i * channels + 3] = alpha.samples[i] }
      }
      initialized = count * channels
    }
  }

  private static func clamped(_ value: Int32) -> UInt8 { UInt8(max(0, min(255, value))) }

  /// jdcolor.c: BT.601 in 16 fractional bits, rounded once per channel.
  private static func jpegColour(_ y: Int32, _ u: Int32, _ v: Int32) -> (UInt8, UInt8, UInt8) {
    let half = Int32(1) << 15
    return (
      clamped(y + (91_881 * v + half) >> 16), clamped(y + (-22_554 * u - 46_802 * v + half) >> 16),
      clamped(y + (116_130 * u + half) >> 16)
    )
  }

  /// dsp/yuv.h of libwebp: BT.601 limited range in 14 fractional bits, of which 8 are dropped per product.
  private static func webpColour(_ y: Int32, _ u: Int32, _ v: Int32) -> (UInt8, UInt8, UInt8) {
    let luma = (y * 19_077) >> 8
    return (
      clamped((luma + (v * 26_149) >> 8 - 14_234) >> 6),
      clamped((luma - (u * 6_419) >> 8 - (v * 13_320) >> 8 + 8_708) >> 6),
      clamped((luma + (u * 33_050) >> 8 - 17_685) >> 6)
    )
  }

  /// `plane` at the size of the luma.
  private func fullSize(_ plane: Plane) -> Plane {
    let halvesWidth = plane.width != luma.width
    let halvesHeight = plane.height != luma.height
    if rules == .webp { return webpUpsampled(plane) }
    // libjpeg repeats samples where a row is too short for its filter.
    let repeats = halvesWidth && plane.width <= 2
    var result = Plane(width: luma.width, height: luma.height, samples: [])
    result.samples.reserveCapacity(luma.width * luma.height)
    for y in 0..<luma.height {
      let nearY = halvesHeight ? y / 2 : y
      let farY = max(0, min(plane.height - 1, y % 2 == 0 ? nearY - 1 : nearY + 1))
      plane.samples.withUnsafeBufferPointer { samples in
        let near = UnsafeBufferPointer(rebasing: samples[nearY * plane.width..<(nearY + 1) * plane.width])
        let far = UnsafeBufferPointer(rebasing: samples[farY * plane.width..<(farY + 1) * plane.width])
        if repeats {
          for x in 0..<luma.width { result.samples.append(near[x / 2]) }
        } else if halvesWidth {
          Self.appendJPEGRow(near, halvesHeight ? far : nil, to: &result.samples, luma.width)
        } else if halvesHeight {
          let bias: UInt16 = y % 2 == 0 ? 1 : 2
          for x in 0..<luma.width {
            result.samples.append(UInt8((UInt16(near[x]) * 3 + UInt16(far[x]) + bias) >> 2))
          }
        } else {
          result.samples.append(contentsOf: near)
        }
      }
    }
    return result
  }

  /// jdsample.c, h2v1 (without `far`) and h2v2: weights 3 and 1 in both directions, halves rounded alternately.
  private static func appendJPEGRow(
    _ near: UnsafeBufferPointer<UInt8>, _ far: UnsafeBufferPointer<UInt8>?, to samples: inout [UInt8], _ width: Int
  ) {
    func column(_ x: Int) -> Int { far.map { Int(near[x]) * 3 + Int($0[x]) } ?? Int(near[x]) }
    let shift = far == nil ? 2 : 4
    let (leftBias, rightBias) = far == nil ? (1, 2) : (8, 7)
    let last = near.count - 1
    for x in 0..<width {
      let centre = column(x / 2)
      // Without a neighbour the sample stands for it: 3 + 1 = 4.
      let value =
        x % 2 == 0
        ? centre * 3 + column(max(x / 2 - 1, 0)) + leftBias
        : centre * 3 + column(min(x / 2 + 1, last)) + rightBias
      samples.append(UInt8(value >> shift))
    }
  }

  /// dsp/upsampling.c of libwebp.
  private func webpUpsampled(_ plane: Plane) -> Plane {
    var result = Plane(width: luma.width, height: luma.height, samples: [])
    result.samples.reserveCapacity(luma.width * luma.height)
    plane.samples.withUnsafeBufferPointer { samples in
      for y in 0..<luma.height {
        let farY = max(0, min(plane.height - 1, y % 2 == 0 ? y / 2 - 1 : y / 2 + 1))
        let (near, far) = (y / 2 * plane.width, farY * plane.width)
        for x in 0..<luma.width {
          let (left, right) = ((x - 1) / 2, (x + 1) / 2)
          if x == 0 || right == plane.width {
            let at = x / 2
            result.samples.append(UInt8((3 * Int(samples[near + at]) + Int(samples[far + at]) + 2) >> 2))
            continue
          }
          let (nearLeft, nearRight) = (Int(samples[near + left]), Int(samples[near + right]))
          let (farLeft, farRight) = (Int(samples[far + left]), Int(samples[far + right]))
          let sum = nearLeft + nearRight + farLeft + farRight + 8
          let value =
            x % 2 == 1
            ? (sum + 2 * (nearRight + farLeft)) >> 3 + nearLeft
            : (sum + 2 * (nearLeft + farRight)) >> 3 + nearRight
          result.samples.append(UInt8(value >> 1))
        }
      }
    }
    return result
  }
}
