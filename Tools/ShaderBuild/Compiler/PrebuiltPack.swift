import Foundation

/// `Shaders/Prebuilt.pack`: SPIR-V of kernels whose GLSL the linked glslang may not know (cooperative matrices, bf16).
///
/// `Tools/shaders` makes it with a pinned compiler. The text begins with a line that names this compiler; a line
/// `kernel NAME HASH WORDS` then starts each kernel, and lines of base64 hold its words, little endian. HASH is that of
/// the compiler's name and of the one source text that was compiled (`ShaderSources.assemble`), so that a kernel whose
/// source has changed since is found when the package is built.
struct PrebuiltPack {
  /// Where it lies under `Shaders/`.
  static let path = "Prebuilt.pack"

  /// A kernel and the hash of what it was made from.
  struct Entry: Equatable {
    let hash: String
    let words: [UInt32]
  }

  /// What made it: `"slangpy 0.43.1"`.
  let compiler: String
  /// Kernels by name.
  let entries: [String: Entry]

  /// Reads the text of a pack.
  /// - Throws: `CompileFailure` for anything malformed, with its line.
  init(_ text: String) throws {
    var compiler: String?
    var entries: [String: Entry] = [:]
    var current: (name: String, hash: String, count: Int, line: Int)?
    var base64 = ""
    func failure(_ line: Int, _ reason: String) -> CompileFailure {
      CompileFailure("Shaders/\(Self.path):\(line): error: \(reason); run Tools/shaders")
    }
    func finish() throws {
      guard let kernel = current else { return }
      guard let bytes = Data(base64Encoded: base64), bytes.count == 4 * kernel.count else {
        throw failure(kernel.line, "\(kernel.name) is damaged")
      }
      let words = (0..<kernel.count).map { (i: Int) -> UInt32 in
        (0..<4).reduce(0) { $0 | UInt32(bytes[4 * i + $1]) << UInt32(8 * $1) }
      }
      guard entries.updateValue(Entry(hash: kernel.hash, words: words), forKey: kernel.name) == nil else {
        throw failure(kernel.line, "\(kernel.name) is there twice")
      }
    }
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.isEmpty || line.hasPrefix("#") { continue }
      let words = line.split(separator: " ")
      switch words[0] {
      case "compiler" where compiler == nil && words.count > 1:
        compiler = words.dropFirst().joined(separator: " ")
      case "kernel" where words.count == 4:
        try finish()
        guard let count = Int(words[3]), count > 5 else { throw failure(index + 1, "\(words[1]) has no length") }
        (current, base64) = ((String(words[1]), String(words[2]), count, index + 1), "")
      default:
        guard words.count == 1, current != nil else { throw failure(index + 1, "the line has no meaning") }
        base64 += line
      }
    }
    try finish()
    guard let compiler else { throw failure(1, "it names no compiler") }
    self.compiler = compiler
    self.entries = entries
  }

  /// The kernels of `variants`, which are all prebuilt ones that there are, from the pack among the sources.
  /// - Throws: `CompileFailure` if the pack lacks one, has one more, or has one that was made from another source.
  static func kernels(_ variants: [ShaderVariant], _ sources: ShaderSources) throws -> [CompiledKernel] {
    guard let text = sources.files[path] else {
      guard let first = variants.first else { return [] }
      throw CompileFailure(
        "Shaders/\(first.path):1: error: \(first.name) is prebuilt and there is no Shaders/\(path); run Tools/shaders")
    }
    let pack = try PrebuiltPack(text)
    var messages: [String] = []
    var kernels: [CompiledKernel] = []
    for variant in variants {
      let source = try sources.assemble(variant.path, defines: variant.defines).text
      if let entry = pack.entries[variant.name], entry.hash == ShaderSources.hash([pack.compiler, source]) {
        kernels.append(CompiledKernel(name: variant.name, words: entry.words))
      } else {
        let state = pack.entries[variant.name] == nil ? "is not in" : "has another source than in"
        messages.append(
          "Shaders/\(variant.path):1: error: \(variant.name) \(state) Shaders/\(path); run Tools/shaders")
      }
    }
    for name in Set(pack.entries.keys).subtracting(variants.map(\.name)).sorted() {
      messages.append("Shaders/\(path):1: error: there is no prebuilt variant \(name); run Tools/shaders")
    }
    if !messages.isEmpty { throw CompileFailure(messages) }
    return kernels
  }
}
