import Testing

@testable import ShaderCompiler

@Suite(.serialized) struct ShaderSourcesTests {
  @Test func includesAreExpandedOnceAndKeepTheirLines() throws {
    let sources = ShaderSources(files: [
      "A/A.comp": "#version 460\n#include \"Common/b.glsl\"\n#include \"Common/c.glsl\"\nvoid main() { broken(); }\n",
      "Common/b.glsl": "#include \"Common/c.glsl\"\nfloat b() { return c(); }\n",
      "Common/c.glsl": "float c() { return 1; }\n",
    ])
    let failure = #expect(throws: CompileFailure.self) {
      try ShaderCompiler.compile(sources)
    }
    // c is not defined twice, and the one error is in line 4 of the file that has it.
    #expect(failure?.messages.count == 1)
    #expect(failure?.messages.first?.hasPrefix("Shaders/A/A.comp:4: error: 'broken'") == true)
  }

  @Test func errorsNameTheIncludedFile() {
    let sources = ShaderSources(files: [
      "A/A.comp": "// what it does\n#version 460\n#include \"Common/b.glsl\"\nvoid main() {}\n",
      "Common/b.glsl": "float b() {\n  return missing;\n}\n",
    ])
    let failure = #expect(throws: CompileFailure.self) { try ShaderCompiler.compile(sources) }
    #expect(failure?.messages.first?.hasPrefix("Shaders/Common/b.glsl:2: error: 'missing'") == true)
  }

  @Test func anIncludeMayDependOnAMacro() throws {
    let sources = ShaderSources(files: [
      "A/A.comp": """
      #version 460
      #if defined(ABSENT)
      #include "Common/b.glsl"
      #endif
      #include "Common/b.glsl"
      void main() { b(); }
      """,
      "Common/b.glsl": "void b() {}\n",
    ])
    #expect(try ShaderCompiler.compile(sources).map(\.name) == ["A"])
  }

  @Test func cyclesAndMissingFilesAreRefusedWithTheirPlace() {
    let sources = ShaderSources(files: [
      "A/A.comp": "#version 460\n#include \"Common/b.glsl\"\n",
      "B/B.comp": "#version 460\n\n#include \"Common/none.glsl\"\n",
      "Common/b.glsl": "#include \"Common/b.glsl\"\n",
    ])
    #expect(
      throws: CompileFailure(
        "Shaders/Common/b.glsl:1: error: includes form a cycle: Common/b.glsl -> Common/b.glsl")
    ) { try sources.assemble("A/A.comp", defines: []) }
    #expect(throws: CompileFailure("Shaders/B/B.comp:3: error: there is no file Shaders/Common/none.glsl")) {
      try sources.assemble("B/B.comp", defines: [])
    }
  }

  @Test func variantsAreTheProductOfTheAxes() throws {
    let sources = ShaderSources(files: [
      "A/A.comp": "",
      "A/A.variants.json": #"{"axes": [{"x": ["X"], "y": []}, {"f32": ["W 1"], "f16": ["W 2", "H"]}]}"#,
      "B/B.comp": "",
      "C/C.comp": "",
      "C/C.variants.json": #"{"axes": []}"#,
    ])
    let variants = try sources.variants()
    #expect(variants.map(\.name) == ["A.x.f16", "A.x.f32", "A.y.f16", "A.y.f32", "B", "C"])
    #expect(variants.first?.defines == ["X", "W 2", "H"])
  }

  @Test(arguments: [
    "", "{}", "[]", #"{"axes": 1}"#, #"{"axes": [{}]}"#, #"{"axes": [], "more": []}"#, #"{"axes": [{"a": "X"}]}"#,
    #"{"axes": [{"a.b": []}]}"#, #"{"axes": [{"a": ["X-Y"]}]}"#, #"{"axes": [{"": []}]}"#,
  ])
  func malformedListsAreRefusedByName(_ json: String) {
    let sources = ShaderSources(files: ["A/A.comp": "", "A/A.variants.json": json])
    let failure = #expect(throws: CompileFailure.self) { try sources.variants() }
    #expect(failure?.messages.first?.hasPrefix("Shaders/A/A.variants.json: error: ") == true)
  }

  @Test func aListWithoutItsShaderAndEqualNamesAreRefused() {
    #expect(throws: CompileFailure.self) { try ShaderSources(files: ["A/A.variants.json": "{}"]).variants() }
    #expect(throws: CompileFailure("Shaders/B/A.comp: error: two kernels are named A")) {
      try ShaderSources(files: ["A/A.comp": "", "B/A.comp": ""]).variants()
    }
  }

  @Test func theHashChangesWithEveryFile() {
    let one = ShaderSources(files: ["a.glsl": "x", "b.glsl": "y"]).hash
    #expect(one.count == 16)
    #expect(one == ShaderSources(files: ["b.glsl": "y", "a.glsl": "x"]).hash)
    #expect(one != ShaderSources(files: ["a.glsl": "x", "b.glsl": "z"]).hash)
    #expect(one != ShaderSources(files: ["a.glsl": "xb.glsl", "": "y"]).hash)
  }
}
