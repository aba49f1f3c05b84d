import LumosFiles
import LumosTensor

/// Files under Tests/Fixtures.
enum Fixtures {
  static func open(_ path: String) throws -> SafetensorsFile { try SafetensorsFile(self.path(path)) }

  static func path(_ path: String, file: String = #filePath) -> String {
    let tests = file.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    return tests + "/Fixtures/" + path
  }
}
