import Foundation

/// The text of every file under `Shaders/`, by its path relative to that folder (`Common/types.glsl`).
struct ShaderSources: Sendable {
  let files: [String: String]

  init(files: [String: String]) { self.files = files }

  /// Reads `files`, which must lie under `folder`.
  init(folder: String, files paths: [String]) throws {
    let prefix = folder.hasSuffix("/") ? folder : folder + "/"
    var files: [String: String] = [:]
    for path in paths {
      guard path.hasPrefix(prefix) else { throw CompileFailure("\(path): error: does not lie under \(folder)") }
      guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw CompileFailure("\(path): error: cannot be read as UTF-8")
      }
      files[String(path.dropFirst(prefix.count))] = text
    }
    self.files = files
  }

  /// Hash of paths and contents in the order of the paths.
  var hash: String { Self.hash(files.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }) }

  /// 64-bit FNV-1a over texts, a zero byte behind each, as 16 hexadecimal digits.
  static func hash(_ texts: [String]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for text in texts {
      for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
      hash = hash &* 0x100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The variants of every `.comp` file, sorted by name.
  func variants() throws -> [ShaderVariant] {
    var variants: [ShaderVariant] = []
    for (path, _) in files where path.hasSuffix(".comp") {
      let stem = String(path.dropLast(".comp".count))
      let base = String(stem.split(separator: "/").last ?? "")
      let list = stem + ".variants.json"
      guard let json = files[list] else {
        variants.append(ShaderVariant(name: base, path: path, defines: []))
        continue
      }
      variants += try ShaderVariant.product(base: base, path: path, json: json, list: list)
    }
    for path in files.keys where path.hasSuffix(".variants.json") {
      let shader = path.dropLast(".variants.json".count) + ".comp"
      if files[String(shader)] == nil { throw CompileFailure("Shaders/\(path): error: there is no \(shader)") }
    }
    variants.sort { ($0.name, $0.path) < ($1.name, $1.path) }
    for (a, b) in zip(variants, variants.dropFirst()) where a.name == b.name {
      throw CompileFailure("Shaders/\(b.path): error: two kernels are named \(b.name)")
    }
    return variants
  }

  /// One source text for the compiler: `path` with its includes in place and `defines` after its `#version` line.
  ///
  /// `#line` directives number the files in the order of `order`, which is how messages find back to them. Each file
  /// takes effect once; as that is left to the preprocessor, an include inside `#if` works.
  func assemble(_ path: String, defines: [String]) throws -> (text: String, order: [String]) {
    var order: [String] = []
    let text = try expand(path, from: nil, stack: [], defines: defines, order: &order)
    return (text, order)
  }

  private func expand(
    _ path: String, from includer: String?, stack: [String], defines: [String], order: inout [String]
  ) throws -> String {
    guard let source = files[path] else {
      throw CompileFailure("\(includer ?? "Shaders/\(path):1"): error: there is no file Shaders/\(path)")
    }
    if let start = stack.firstIndex(of: path) {
      let cycle = (stack[start...] + [path]).joined(separator: " -> ")
      throw CompileFailure("\(includer ?? path): error: includes form a cycle: \(cycle)")
    }
    let file = order.firstIndex(of: path) ?? order.count
    if file == order.count { order.append(path) }
    // The main file keeps its first line first, because `#version` must be.
    let isMain = stack.isEmpty
    var out = isMain ? "" : "#ifndef INCLUDED_\(file)\n#define INCLUDED_\(file)\n#line 1 \(file)\n"
    var isVersioned = !isMain
    for (index, line) in source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let number = index + 1
      if let included = Self.includePath(line) {
        let place = "Shaders/\(path):\(number)"
        out += try expand(included, from: place, stack: stack + [path], defines: [], order: &order)
        out += "#line \(number + 1) \(file)\n"
      } else {
        out += line + "\n"
        if !isVersioned && line.drop(while: \.isWhitespace).hasPrefix("#version") {
          isVersioned = true
          for define in defines { out += "#define \(define)\n" }
          out += "#line \(number + 1) \(file)\n"
        }
      }
    }
    if !isVersioned { throw CompileFailure("Shaders/\(path):1: error: there is no #version line") }
    return isMain ? out : out + "#endif\n"
  }

  /// The path in `#include "path"`, or nil if the line is no such directive.
  private static func includePath(_ line: Substring) -> String? {
    let line = line.drop(while: \.isWhitespace)
    guard line.first == "#" else { return nil }
    let directive = line.dropFirst().drop(while: \.isWhitespace)
    guard directive.hasPrefix("include") else { return nil }
    let parts = directive.split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
    return parts.count == 3 ? String(parts[1]) : nil
  }
}
