import LumosOps
import LumosTensor

extension Slice: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for (x, start, count): (Shape, Int, Int) in [
      ([1], 0, 1), ([9], 8, 1), ([7, 5], 0, 7), ([7, 5], 3, 2), ([5, 3, 2, 67], 1, 4), ([1025], 1, 1023),
      ([3, 2], 3, 0), ([7, 1028], 1, 5), ([3, 1027], 0, 2),
    ] {
      cases.append(OpCase("\(start) ..< \(start + count) of \(x)", Slice(start: start, count: count), [.init(x)]))
    }
    cases.append(
      OpCase(
        "video of 43680 tokens", Slice(start: 0, count: 32760), [.init([43680, 1536])], purpose: .benchmark))
    return cases
  }
}
