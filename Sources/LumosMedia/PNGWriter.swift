import CLibPNG
import Glibc
import LumosTensor

/// PNG out: 8-bit RGB, tagged sRGB, with optional text.
public enum PNGWriter {
  /// Writes `image` to `path`, which appears whole or not at all; an existing file is replaced.
  ///
  /// `text` becomes text chunks: keys of 1 to 79 ASCII characters ("Title", "Comment", "Software"), values of any
  /// text. Throws `LumosError`: `.cannotWrite` if the file cannot be created, `.inputOutput` if writing fails.
  public static func write(_ image: Image, _ path: String, text: [(key: String, value: String)] = []) throws {
    for (key, _) in text {
      precondition(
        (1...79).contains(key.utf8.count) && key.utf8.allSatisfy { (0x20..<0x7f).contains($0) },
        "a PNG text key has 1 to 79 ASCII characters: \(key)")
    }
    let file = try PartialFile(for: path)
    let descriptor = open(file.partialPath, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw file.writeFailure(errno) }
    var failure = LumosPNGFailure()
    let written = withCStrings(text.map(\.key)) { keys in
      withCStrings(text.map(\.value)) { values in
        image.pixels.withUnsafeBufferPointer { pixels in
          lumos_png_write(
            descriptor, pixels.baseAddress, UInt32(image.width), UInt32(image.height), keys, values,
            Int32(text.count), &failure) == 1
        }
      }
    }
    let closed = close(descriptor) == 0
    let closeError = errno
    guard written else {
      if failure.systemError != 0 { throw file.writeFailure(failure.systemError) }
      throw LumosError(.internalDefect, "libpng refused the image: \(failure.text)", at: path)
    }
    guard closed else { throw file.writeFailure(closeError) }
    try file.commit()
  }

  /// C strings that live during `body`.
  private static func withCStrings<R>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R
  ) -> R {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return (copies.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}
