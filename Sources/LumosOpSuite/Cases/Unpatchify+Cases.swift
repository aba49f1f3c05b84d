import LumosOps
import LumosTensor

extension Unpatchify: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for (frames, height, width, patch, channels, extraTokens) in [
      (1, 1, 1, 2, 1, 0), (2, 4, 6, 2, 16, 0), (3, 5, 7, 2, 3, 12), (1, 6, 5, 2, 2, 1), (2, 7, 4, 3, 5, 0),
      (2, 3, 5, 1, 4, 7), (3, 5, 7, 2, 16, 4),
    ] {
      let tokens = frames * ((height + patch - 1) / patch) * ((width + patch - 1) / patch) + extraTokens
      cases.append(
        OpCase(
          "\(frames) frames \(height)x\(width)x\(channels) by \(patch) of \(tokens) tokens",
          Unpatchify(frames: frames, height: height, width: width, patch: patch),
          [.init([tokens, patch * patch * channels])]))
    }
    cases.append(
      OpCase(
        "480x832x81", Unpatchify(frames: 21, height: 60, width: 104, patch: 2), [.init([32760, 64])],
        purpose: .benchmark))
    return cases
  }
}
