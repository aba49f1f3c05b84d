import LumosOps
import LumosTensor

extension Patchify: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for (x, patch): (Shape, Int) in [
      ([1, 1, 1, 1], 2), ([2, 4, 6, 16], 2), ([3, 5, 7, 3], 2), ([1, 6, 5, 2], 2), ([2, 7, 4, 5], 3),
      ([2, 3, 5, 4], 1), ([3, 5, 7, 16], 2), ([1, 7, 9, 12], 3),
    ] {
      cases.append(OpCase("\(x) by \(patch)", Patchify(patch: patch), [.init(x)]))
    }
    cases.append(OpCase("480x832x81", Patchify(patch: 2), [.init([21, 60, 104, 16])], purpose: .benchmark))
    return cases
  }
}
