import LumosOps
import LumosTensor

extension Modulate: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for (x, rows): (Shape, Int) in [([1], 2), ([3, 1], 3), ([7, 13], 6), ([2, 5, 129], 6), ([3, 1536], 6)] {
      for (shift, scale) in [(0, 1), (rows - 1, 0), (rows / 2, rows / 2)] {
        cases.append(
          OpCase(
            "\(x), shift \(shift), scale \(scale) of \(rows)", Modulate(shiftRow: shift, scaleRow: scale),
            [.init(x), .init([rows, x[-1]])]))
      }
    }
    cases.append(
      OpCase(
        "transformer 480x832x81", Modulate(shiftRow: 3, scaleRow: 4), [.init([32760, 1536]), .init([6, 1536])],
        purpose: .benchmark))
    return cases
  }
}
