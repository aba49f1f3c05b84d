import LumosOps
import LumosTensor

/// Convolution as one matrix product per tap of the kernel.
///
/// Input frames are copied once, with their zero border (and doubled pixels). Laid out so, what a tap sees of
/// neighbouring output positions lies a fixed number of pixels apart: the tap's product is `positions x channels` times
/// its weights, read in place. A band of positions takes all taps one after another, so that its sums stay in the
/// cache. Positions run over the padded width; what falls between two lines of the output is computed and dropped.
extension Conv3D: ReferenceKernel {
  public func evaluate<S: ReferenceScalar>(_ inputs: [ReferenceArray<S>], outputs: [TensorType]) -> [[S]] {
    let (x, weight, bias) = (inputs[0], inputs[1].factors(of: inputs[0].dtype), inputs[2])
    let history = hasHistory(inputCount: inputs.count) ? inputs[3] : nil
    let (output, kernel, channels) = (outputs[0].shape, weight.shape, x.shape[3])
    if output.count == 0 { return [[]] }
    let frames = PaddedFrames<S>(x, history, padding, zoom: upsamples ? 2 : 1, kept: kernel[1])
    // Positions of an output frame, and how far apart their first taps are.
    let positions = (output[1] - 1) * frames.width + output[2]
    let bands = (positions + Self.bandPositions - 1) / Self.bandPositions
    let taps = kernel[1] * kernel[2] * kernel[3]

    var result = [S](repeating: 0, count: output.count)
    result.withUnsafeMutableBufferPointer { result in
      guard let result = result.baseAddress else { return }
      weight.values.withUnsafeBufferPointer { weights in
        for frame in 0..<output[0] {
          frames.load(stride.time * frame..<stride.time * frame + kernel[1])
          let target = result + frame * output.rowCount
          parallelFor(count: bands, grain: 1) { band in
            let range = positions * band.lowerBound / bands..<positions * band.upperBound / bands
            let sums = UnsafeMutablePointer<S>.allocate(capacity: range.count * output[3])
            defer { sums.deallocate() }
            sums.fillRows(range.count, with: bias.values)
            for tap in 0..<taps {
              let (dt, dy, dx) = (
                tap / (kernel[2] * kernel[3]), tap / kernel[3] % kernel[2], tap % kernel[3]
              )
              guard let weights = weights.baseAddress, let seen = frames[stride.time * frame + dt] else { continue }
              let first = dy * frames.width + dx + stride.space * range.lowerBound
              S.matrixMultiplyTransposed(
                rows: range.count, columns: output[3], inner: channels, seen + first * channels,
                stride.space * channels, weights + tap * channels, taps * channels, sums, output[3], add: true)
            }
            for position in range {
              let (row, column) = (position / frames.width, position % frames.width)
              if column < output[2] {
                (target + (row * output[2] + column) * output[3])
                  .update(from: sums + (position - range.lowerBound) * output[3], count: output[3])
              }
            }
          }
        }
      }
    }
    if addsResidual {
      let residual = inputs[inputs.count - 1].values
      for i in residual.indices { result[i] += residual[i] }
    }
    return [result]
  }

  /// Positions of a band: with 384 channels of output 614 kB of float32.
  private static var bandPositions: Int { 400 }
}

/// The last few frames of a history and the frames behind it, each with its zero border, pixels doubled where asked.
private final class PaddedFrames<S: ReferenceScalar>: @unchecked Sendable {
  /// Pixels of a padded line.
  let width: Int
  private let height: Int
  private let (x, history): (ReferenceArray<S>, ReferenceArray<S>?)
  private let padding: Conv3D.Padding
  private let zoom: Int
  private var slots: [UnsafeMutableBufferPointer<S>]
  /// Frames before this one have been loaded.
  private var next = 0

  /// - Parameter kept: how many frames are at hand at a time.
  init(
    _ x: ReferenceArray<S>, _ history: ReferenceArray<S>?, _ padding: Conv3D.Padding, zoom: Int, kept: Int
  ) {
    (self.x, self.history, self.padding, self.zoom) = (x, history, padding, zoom)
    width = zoom * x.shape[2] + padding.leading + padding.trailing
    height = zoom * x.shape[1] + padding.leading + padding.trailing
    let count = height * width * x.shape[3]
    slots = (0..<kept).map { _ in
      let slot = UnsafeMutableBufferPointer<S>.allocate(capacity: count)
      slot.initialize(repeating: 0)
      return slot
    }
  }

  deinit { for slot in slots { slot.deallocate() } }

  /// A loaded frame; nil if frames are empty.
  subscript(frame: Int) -> UnsafePointer<S>? { slots[frame % slots.count].baseAddress.map { UnsafePointer($0) } }

  /// Makes `frames` available; ranges must ascend.
  func load(_ frames: Range<Int>) {
    for frame in max(frames.lowerBound, next)..<max(frames.upperBound, next) { load(frame) }
    next = max(frames.upperBound, next)
  }

  /// The border of a slot is zero from the start and stays so.
  private func load(_ frame: Int) {
    let past = history?.shape[0] ?? 0
    let source = frame < past ? history ?? x : x
    let first = (frame < past ? frame : frame - past) * x.shape.rowCount
    guard let slot = slots[frame % slots.count].baseAddress else { return }
    let (columns, channels, zoom) = (x.shape[2], x.shape[3], self.zoom)
    source.values.withUnsafeBufferPointer { values in
      guard let values = values.baseAddress else { return }
      parallelFor(count: zoom * x.shape[1], grain: 8) { rows in
        for row in rows {
          let line = values + first + row / zoom * columns * channels
          let target = slot + ((row + padding.leading) * width + padding.leading) * channels
          if zoom == 1 {
            target.update(from: line, count: columns * channels)
          } else {
            for column in 0..<zoom * columns {
              (target + column * channels).update(from: line + column / zoom * channels, count: channels)
            }
          }
        }
      }
    }
  }
}
