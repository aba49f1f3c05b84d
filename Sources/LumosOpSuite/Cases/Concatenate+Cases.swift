import LumosOps
import LumosTensor

extension Concatenate: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for (a, b): (Shape, Shape) in [
      ([1], [1]), ([3, 5], [7, 5]), ([1, 2, 3, 67], [4, 2, 3, 67]), ([511], [2]), ([0, 5], [3, 5]), ([3, 5], [0, 5]),
      ([3, 1028], [8, 1028]), ([2, 1027], [1, 1027]),
    ] {
      cases.append(OpCase("\(a) and \(b)", Concatenate(), [.init(a), .init(b)]))
    }
    for dtype: DType in [.f16, .bf16] {
      for (a, b): (Shape, Shape) in [
        ([1], [1]), ([3, 5], [7, 5]), ([511], [2]), ([0, 5], [3, 5]), ([3, 1028], [8, 1028]),
      ] {
        cases.append(
          OpCase("\(a) and \(b) \(dtype.rawValue)", Concatenate(), [.init(a, dtype), .init(b, dtype)], dtype: dtype))
      }
    }
    cases.append(
      OpCase(
        "video and 7 conditions, 480x832x81", Concatenate(), [.init([32760, 1536]), .init([10920, 1536])],
        purpose: .benchmark))
    return cases
  }
}
