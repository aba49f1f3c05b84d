/// The compiled compute kernels: SPIR-V 1.5 made from `Shaders/` while the package is built.
///
/// A kernel is named after its shader and one word per variant axis: `Elementwise.add.f16`. The words travel inside the
/// binary as base64 text (see `Tools/ShaderBuild`), so a binary that is moved keeps its kernels; each kernel is decoded
/// when it is asked for. Nothing here is mutable, so every member may be used from any thread.
public enum KernelPack {
  /// Names of all kernels, sorted.
  public static let names: [String] = entries.keys.sorted()

  /// Hash of all shader sources and variant lists: 16 hexadecimal digits. It changes when any of them does.
  public static var sourceHash: String { packedHash }

  /// SPIR-V of the kernel, or nil if the pack has none of that name. O(size of the kernel).
  public static func spirv(_ name: String) -> [UInt32]? {
    guard let entry = entries[name] else { return nil }
    let text = UnsafeBufferPointer(start: packedWords.utf8Start, count: packedWords.utf8CodeUnitCount)
    return Base64.words(text, at: entry.offset, count: entry.count)
  }

  private struct Entry {
    /// First word of the kernel in the pack, a multiple of 3.
    let offset: Int
    /// Number of words.
    let count: Int
  }

  private static let entries: [String: Entry] = {
    var entries: [String: Entry] = [:]
    for line in packedIndex.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count == 3, let offset = Int(fields[1]), let count = Int(fields[2]) else {
        preconditionFailure("the generated index of kernels has a bad line: \(line)")
      }
      entries[String(fields[0])] = Entry(offset: offset, count: count)
    }
    return entries
  }()
}
