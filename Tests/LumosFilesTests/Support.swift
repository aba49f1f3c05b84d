import Glibc
import LumosTensor
import Testing

@testable import LumosFiles

/// A folder of its own that goes away with the object.
final class ScratchFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/lumos-files-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  deinit {
    for name in listing { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  /// Names in the folder, hidden ones included, sorted.
  var listing: [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  func write(_ bytes: [UInt8], to name: String) throws -> String {
    let file = try AtomicFile(replacing: "\(path)/\(name)")
    try bytes.withUnsafeBytes { try file.write($0) }
    try file.commit()
    return file.path
  }

  func contents(of name: String) throws -> [UInt8] { try MappedFile("\(path)/\(name)").withUnsafeBytes { Array($0) } }
}

/// The bytes of a safetensors file with this header text and `dataCount` bytes of data.
func safetensors(_ header: String, dataCount: Int, claimedLength: UInt64? = nil) -> [UInt8] {
  let length = claimedLength ?? UInt64(header.utf8.count)
  return withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array(header.utf8)
    + (0..<dataCount).map { UInt8(truncatingIfNeeded: $0) }
}

/// The error that `body` throws.
func failure<T>(of body: () throws -> T) throws -> LumosError {
  do {
    _ = try body()
  } catch let error as LumosError {
    return error
  }
  throw LumosError(.internalDefect, "nothing was thrown")
}
