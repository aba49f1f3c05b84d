import LumosOps
import LumosTensor

extension UpsampleNearest: OpCases {
  public static var cases: [OpCase] {
    var cases = [Shape]([[1, 1, 1, 1], [2, 3, 5, 7], [3, 1, 4, 16], [1, 7, 1, 33], [2, 9, 8, 20]]).map {
      OpCase("\($0)", UpsampleNearest(), [.init($0)])
    }
    cases.append(
      OpCase("VAE, 4 frames to 480x832", UpsampleNearest(), [.init([4, 240, 416, 192])], purpose: .benchmark))
    return cases
  }
}
