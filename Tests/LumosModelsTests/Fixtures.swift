import LumosFiles
import LumosTensor

/// Files under Tests/Fixtures.
enum Fixtures {
  static func open(_ path: String, file: String = #filePath) throws -> SafetensorsFile {
    let tests = file.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    return try SafetensorsFile(tests + "/Fixtures/" + path)
  }
}
