/// How the stored pixels have to be turned for display (EXIF tag 274, TIFF 6.0 "Orientation").
///
/// The published code ignores the tag, so that a portrait from a phone lies on its side; here it is applied
/// (MODEL.md section 3, a documented deviation).
enum Orientation: Int, CaseIterable {
  case upright = 1
  case mirrored, upsideDown, flipped, transposed, quarterClockwise, transversed, quarterCounterclockwise

  /// Whether rows become columns.
  private var swapsSides: Bool { rawValue >= 5 }

  /// `image` as it is meant to be seen.
  func applied(to image: Image) -> Image {
    if self == .upright { return image }
    let (w, h) = (image.width, image.height)
    let (width, height) = swapsSides ? (h, w) : (w, h)
    return image.pixels.withUnsafeBufferPointer { source in
      Image(width: width, height: height) { out in
        for y in 0..<height {
          for x in 0..<width {
            let (sx, sy) =
              switch self {
              case .upright: (x, y)
              case .mirrored: (w - 1 - x, y)
              case .upsideDown: (w - 1 - x, h - 1 - y)
              case .flipped: (x, h - 1 - y)
              case .transposed: (y, x)
              case .quarterClockwise: (y, h - 1 - x)
              case .transversed: (w - 1 - y, h - 1 - x)
              case .quarterCounterclockwise: (w - 1 - y, x)
              }
            let (to, from) = ((y * width + x) * 3, (sy * w + sx) * 3)
            out[to] = source[from]
            out[to + 1] = source[from + 1]
            out[to + 2] = source[from + 2]
          }
        }
      }
    }
  }

  /// The orientation in an EXIF block (a TIFF stream, with or without the `Exif\0\0` before it).
  ///
  /// Damaged metadata is no reason to refuse a sound picture: whatever cannot be read means upright.
  init(exif block: some Collection<UInt8>) {
    let bytes = block.starts(with: Array("Exif\0\0".utf8)) ? Array(block.dropFirst(6)) : Array(block)
    self = Self.inDirectory(bytes).flatMap(Orientation.init(rawValue:)) ?? .upright
  }

  private static func inDirectory(_ bytes: [UInt8]) -> Int? {
    let littleEndian: Bool
    if bytes.starts(with: [0x49, 0x49, 42, 0]) {
      littleEndian = true
    } else if bytes.starts(with: [0x4d, 0x4d, 0, 42]) {
      littleEndian = false
    } else {
      return nil
    }
    func number(at offset: Int, _ count: Int) -> Int? {
      guard offset >= 0, offset + count <= bytes.count else { return nil }
      let field = bytes[offset..<offset + count]
      return littleEndian
        ? field.reversed().reduce(0) { $0 << 8 | Int($1) }
        : field.reduce(0) { $0 << 8 | Int($1) }
    }
    guard let directory = number(at: 4, 4), let entryCount = number(at: directory, 2) else { return nil }
    let (orientationTag, shortType) = (0x112, 3)
    for entry in 0..<entryCount {
      let at = directory + 2 + entry * 12
      guard let tag = number(at: at, 2) else { return nil }
      if tag == orientationTag, number(at: at + 2, 2) == shortType { return number(at: at + 8, 2) }
    }
    return nil
  }
}
