import Foundation

/// One kernel to compile: a shader with a set of macros.
struct ShaderVariant: Equatable, Sendable {
  /// `Linear.f16`: the shader's name and one word of each axis.
  let name: String
  /// Path of the shader, relative to `Shaders/`.
  let path: String
  /// What follows `#define`: `WEIGHT_F16` or `TILE 64`.
  let defines: [String]
  /// Whether its GLSL is newer than what distributions' compilers know: then its SPIR-V comes from `PrebuiltPack`.
  var isPrebuilt = false

  /// The variants that the list `json` (a file at path `list`) gives to the shader `base`.
  ///
  /// `{"axes": [{"f32": ["WEIGHT_F32"], "f16": ["WEIGHT_F16"]}, ...]}`: one kernel per combination of one word from
  /// each axis, with the macros of all its words. `"also"`, of the same form, lists kernels with axes of their own, and
  /// `"prebuilt"` those that are prebuilt.
  static func product(base: String, path: String, json: String, list: String) throws -> [ShaderVariant] {
    func failure(_ reason: String) -> CompileFailure { CompileFailure("Shaders/\(list): error: \(reason)") }
    let file: [String: [[String: [String]]]]
    do {
      file = try JSONDecoder().decode([String: [[String: [String]]]].self, from: Data(json.utf8))
    } catch {
      throw failure(#"is not of the form {"axes": [{"word": ["MACRO", ...], ...}, ...]}: \#(reason(error))"#)
    }
    guard let axes = file["axes"], file.keys.allSatisfy({ ["axes", "also", "prebuilt"].contains($0) }) else {
      throw failure(#"must have the key "axes" and may have "also" and "prebuilt", has \#(file.keys.sorted())"#)
    }
    let plain = ShaderVariant(name: base, path: path, defines: [])
    let compiled = try plain.product(axes, failure) + (file["also"].map { try plain.product($0, failure) } ?? [])
    guard let prebuilt = file["prebuilt"] else { return compiled }
    let prebuiltOnes = try plain.product(prebuilt, failure)
    return compiled
      + prebuiltOnes.map { (variant: ShaderVariant) -> ShaderVariant in
        var variant = variant
        variant.isPrebuilt = true
        return variant
      }
  }

  /// One variant per combination of one word from each axis.
  private func product(
    _ axes: [[String: [String]]], _ failure: (String) -> CompileFailure
  ) throws -> [ShaderVariant] {
    var variants = [self]
    for (index, axis) in axes.enumerated() {
      guard !axis.isEmpty else { throw failure("axis \(index) has no words") }
      for (word, defines) in axis {
        guard Self.isName(word) else { throw failure("\"\(word)\" is not a word of letters, digits and _") }
        for define in defines where !Self.isName(define.prefix { $0 != " " }) {
          throw failure("\"\(define)\" is not a macro: NAME or \"NAME VALUE\"")
        }
      }
      variants = variants.flatMap { variant in
        axis.sorted { $0.key < $1.key }.map { word, defines in
          ShaderVariant(name: "\(variant.name).\(word)", path: path, defines: variant.defines + defines)
        }
      }
    }
    return variants
  }

  private static func isName(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
  }

  /// What the JSON decoder found, without its type names.
  private static func reason(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
      .dataCorrupted(let context):
      let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
      return path.isEmpty ? context.debugDescription : "at \(path): \(context.debugDescription)"
    default: return "\(error)"
    }
  }
}
