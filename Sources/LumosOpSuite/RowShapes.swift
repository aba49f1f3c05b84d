import LumosTensor

extension OpCase {
  /// Matrices for the norms: widths around the lane counts and up to 16384, numbers of rows that leave a workgroup
  /// partly empty, and more workgroups than one axis of a grid holds.
  static var rowShapes: [Shape] {
    [
      [1], [1, 2], [17, 7], [33, 8], [5, 63], [5, 64], [7, 65], [3, 129], [2, 3, 384], [3, 1023], [3, 1536], [2, 4096],
      [1, 10007], [2, 16384], [1_048_579, 1],
    ]
  }
}
