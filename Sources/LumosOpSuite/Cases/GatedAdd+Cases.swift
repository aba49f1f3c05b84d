import LumosOps
import LumosTensor

extension GatedAdd: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for (x, rows): (Shape, Int) in [([1], 1), ([3, 1], 2), ([7, 13], 6), ([2, 5, 129], 6), ([3, 1536], 6)] {
      for gate in Set([0, rows / 2, rows - 1]).sorted() {
        cases.append(
          OpCase(
            "\(x), gate \(gate) of \(rows)", GatedAdd(gateRow: gate),
            [.init(x), .init(x), .init([rows, x[-1]])]))
      }
    }
    let tokens: Shape = [32760, 1536]
    cases.append(
      OpCase(
        "transformer 480x832x81", GatedAdd(gateRow: 2), [.init(tokens), .init(tokens), .init([6, 1536])],
        purpose: .benchmark))
    return cases
  }
}
