import Glibc
import LumosOps
import LumosTensor

/// R2PE: relational rotary positions (MODEL.md section 7).
extension Layout {
  /// Where a frame or image stands: the position of its first token. Token (r, c) of it is `row + r`, `column + c`.
  public struct Origin: Sendable, Hashable {
    /// Time index, shared by all tokens of the frame.
    public let time: Int
    /// Row of the first token.
    public let row: Int
    /// Column of the first token.
    public let column: Int

    /// A place in time and space.
    public init(time: Int, row: Int, column: Int) {
      self.time = time
      self.row = row
      self.column = column
    }
  }

  /// Origins of all frames and images in sequence order. The images of one human share a time index and stand on a
  /// diagonal; without R2PE they take successive time indices instead.
  public var origins: [Origin] {
    var origins = (0..<latentFrames + plainConditions).map { Origin(time: $0, row: 0, column: 0) }
    if ablation.contains(.r2pe) {
      origins += (origins.count..<frames).map { Origin(time: $0, row: 0, column: 0) }
    } else {
      for (human, size) in humanGroups.enumerated() {
        let time = latentFrames + plainConditions + human
        origins += (0..<size).map { Origin(time: time, row: $0 * rows, column: $0 * columns) }
      }
    }
    return origins
  }

  /// How many of a head's rotated pairs turn with time, row and column: (22, 21, 21) for heads of 128 channels.
  public static func rotarySplit(headWidth: Int) -> (time: Int, row: Int, column: Int) {
    let pairs = headWidth / 2
    let side = pairs / 3
    return (pairs - 2 * side, side, side)
  }

  /// Cosines and sines of every token's angles, f32 `[tokens, headWidth / 2]` each, pairs in the order time, row,
  /// column. Computed in float64: pair j of an axis with n pairs turns by `position · 10000^(-j/n)`.
  public func rotaryTables(headWidth: Int) -> (cosines: Tensor, sines: Tensor) {
    precondition(headWidth > 0 && headWidth % 2 == 0, "odd head width \(headWidth)")
    let origins = origins
    let split = Layout.rotarySplit(headWidth: headWidth)
    // Positions repeat along every axis, so the functions are evaluated once per position and not once per token.
    let time = AxisTable(pairs: split.time, positions: (origins.map(\.time).max() ?? 0) + 1)
    let row = AxisTable(pairs: split.row, positions: (origins.map(\.row).max() ?? 0) + rows)
    let column = AxisTable(pairs: split.column, positions: (origins.map(\.column).max() ?? 0) + columns)

    func table(_ values: KeyPath<AxisTable, [Float]>) -> Tensor {
      var result: [Float] = []
      result.reserveCapacity(tokens * headWidth / 2)
      for origin in origins {
        for r in 0..<rows {
          for c in 0..<columns {
            result += time.row(values, origin.time)
            result += row.row(values, origin.row + r)
            result += column.row(values, origin.column + c)
          }
        }
      }
      return Tensor(result, [tokens, headWidth / 2])
    }
    return (table(\.cosines), table(\.sines))
  }

  /// Cosines and sines of one axis, `[positions, pairs]`.
  private struct AxisTable {
    let pairs: Int
    var cosines: [Float] = []
    var sines: [Float] = []

    init(pairs: Int, positions: Int) {
      self.pairs = pairs
      let frequencies = (0..<pairs).map { pow(10_000, -Double($0) / Double(pairs)) }
      for position in 0..<positions {
        for frequency in frequencies {
          let angle = Double(position) * frequency
          cosines.append(Float(cos(angle)))
          sines.append(Float(sin(angle)))
        }
      }
    }

    func row(_ values: KeyPath<AxisTable, [Float]>, _ position: Int) -> ArraySlice<Float> {
      self[keyPath: values][position * pairs..<(position + 1) * pairs]
    }
  }
}
