import Glibc
import LumosFiles
import LumosTensor
import Testing

@testable import LumosModels

/// Folders of the repository, found from this file.
enum Repository {
  static let root: String = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
  static let demoBundle = root + "/Tools/demo-bundle"
  static let tokenizerGoldens = root + "/Tests/Fixtures/golden/tokenizer"
}

/// A folder tree of its own that goes away with the object.
final class ScratchTree {
  let path: String

  init() throws {
    var template = Array("/tmp/lumos-models-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit { remove(path) }

  /// Creates `name` and the folders above it.
  func write(_ text: String, to name: String) throws {
    try makeFolders(above: name)
    try AtomicFile.write(text, to: "\(path)/\(name)")
  }

  func link(_ target: String, to name: String) throws {
    try makeFolders(above: name)
    try #require(symlink(target, "\(path)/\(name)") == 0)
  }

  func makeFolders(above name: String) throws {
    var folder = path
    for part in name.split(separator: "/").dropLast() {
      folder += "/" + part
      try #require(mkdir(folder, 0o755) == 0 || errno == EEXIST)
    }
  }

  private func remove(_ path: String) {
    if unlink(path) == 0 { return }
    if let folder = opendir(path) {
      while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { remove("\(path)/\(name)") }
      }
      closedir(folder)
    }
    rmdir(path)
  }
}

/// The `LumosError` that `body` throws.
func lumosError<T>(of body: () throws -> T) throws -> LumosError {
  do {
    _ = try body()
  } catch let error as LumosError {
    return error
  }
  throw LumosError(.internalDefect, "nothing was thrown")
}

/// A JSON file.
func readJSON(_ path: String) throws -> JSONValue {
  try MappedFile(path).withUnsafeBytes { try JSONValue(parsing: $0) }
}
