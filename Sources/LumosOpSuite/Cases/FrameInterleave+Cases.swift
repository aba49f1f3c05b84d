import LumosOps
import LumosTensor

extension FrameInterleave: OpCases {
  public static var cases: [OpCase] {
    var cases = [Shape]([[1, 1, 1, 2], [2, 3, 5, 14], [3, 1, 4, 32], [1, 7, 3, 66], [2, 9, 16, 40]]).map {
      OpCase("\($0)", FrameInterleave(), [.init($0)])
    }
    cases.append(
      OpCase("VAE, 2 frames 120x208", FrameInterleave(), [.init([2, 120, 208, 768])], purpose: .benchmark))
    return cases
  }
}
