import Foundation
import Testing

@testable import ShaderCompiler

/// Kernels from the committed pack, in place of the compiler's.
@Suite(.serialized) struct PrebuiltPackTests {
  static let shader = "#version 460\n#include \"Common/b.glsl\"\nvoid main() { newer(); }\n"
  static let words: [UInt32] = [0x0723_0203, 0x0001_0500, 1, 2, 0, 0x0002_0011, 1]

  /// A shader with one ordinary variant and one prebuilt, and the pack's entry for the latter.
  static func sources(_ edit: (inout [String: String]) -> Void = { _ in }) throws -> ShaderSources {
    var files = [
      "A/A.comp": "#version 460\n#if defined(NEW)\n#include \"A/new.glsl\"\n#endif\nvoid main() {}\n",
      "A/new.glsl": "this is newer than the compiler\n",
      "A/A.variants.json": #"{"axes": [{"old": []}], "prebuilt": [{"new": ["NEW"]}]}"#,
    ]
    let source = try ShaderSources(files: files).assemble("A/A.comp", defines: ["NEW"]).text
    files["Prebuilt.pack"] = pack(hash: ShaderSources.hash(["compiler 1", source]))
    edit(&files)
    return ShaderSources(files: files)
  }

  static func pack(_ name: String = "A.new", hash: String) -> String {
    let text = Data(words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } })
      .base64EncodedString()
    return
      "# Comment\ncompiler compiler 1\nkernel \(name) \(hash) \(words.count)\n\(text.prefix(9))\n\(text.dropFirst(9))\n"
  }

  @Test("A prebuilt kernel's words come from the pack, and the compiler never sees its source")
  func taken() throws {
    let kernels = try ShaderCompiler.compile(try Self.sources())
    #expect(kernels.map(\.name) == ["A.new", "A.old"])
    #expect(kernels.first?.words == Self.words)
    #expect(try ShaderCompiler.compile(try Self.sources(), takesPrebuilt: false).map(\.name) == ["A.old"])
  }

  @Test("A changed include, a missing pack or kernel, and one too many fail with the command to run")
  func stale() throws {
    func messages(_ edit: (inout [String: String]) -> Void) throws -> [String]? {
      let sources = try Self.sources(edit)
      return #expect(throws: CompileFailure.self) { try ShaderCompiler.compile(sources) }?.messages
    }
    #expect(
      try messages { $0["A/new.glsl"]? += "// changed\n" }
        == ["Shaders/A/A.comp:1: error: A.new has another source than in Shaders/Prebuilt.pack; run Tools/shaders"])
    #expect(
      try messages { $0["Prebuilt.pack"] = nil }
        == ["Shaders/A/A.comp:1: error: A.new is prebuilt and there is no Shaders/Prebuilt.pack; run Tools/shaders"])
    #expect(
      try messages { $0["A/A.variants.json"] = #"{"axes": [], "prebuilt": [{"newer": ["NEW"]}]}"# } == [
        "Shaders/A/A.comp:1: error: A.newer is not in Shaders/Prebuilt.pack; run Tools/shaders",
        "Shaders/Prebuilt.pack:1: error: there is no prebuilt variant A.new; run Tools/shaders",
      ])
  }

  @Test(
    "Malformed packs are refused with the line",
    arguments: [
      ("", 1), ("compiler x\nkernel A.new 0 six\nAAAA\n", 2), ("compiler x\nkernel A.new 0 7\nAAAA\n", 2),
      ("compiler x\nAAAA\n", 2), ("compiler x\nkernel A.new 0\n", 2), ("compiler x\nkernel A.new 0 7\n!\n", 2),
      ("compiler x\nkernel A 0 7 8\n", 2), ("compiler\n", 1),
    ])
  func malformed(text: String, line: Int) {
    let failure = #expect(throws: CompileFailure.self) { try PrebuiltPack(text) }
    #expect(failure?.messages.first?.hasPrefix("Shaders/Prebuilt.pack:\(line): error: ") == true)
  }

  @Test("A kernel that is there twice is refused")
  func twice() {
    let text = Self.pack(hash: "0") + Self.pack(hash: "0").split(separator: "\n").dropFirst(2).joined(separator: "\n")
    let failure = #expect(throws: CompileFailure.self) { try PrebuiltPack(text) }
    #expect(failure?.messages == ["Shaders/Prebuilt.pack:6: error: A.new is there twice; run Tools/shaders"])
  }
}
