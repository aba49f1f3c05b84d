import Glibc
import LumosTensor

/// What lies in a folder, hidden entries aside, links followed.
struct FolderListing {
  /// Names of regular files, sorted.
  private(set) var files: [String] = []
  /// Names of folders, sorted so that numbers count as numbers (`2` before `10`).
  private(set) var folders: [String] = []

  /// Lists a folder. Nil if there is none.
  ///
  /// - Throws: `LumosError(.badInput)` if it is no folder, cannot be read or holds a name that is not UTF-8.
  init?(_ path: String) throws(LumosError) {
    guard let folder = opendir(path) else {
      if errno == ENOENT { return nil }
      let reason = errno == ENOTDIR ? "is not a folder" : "cannot be read: \(String(cString: strerror(errno)))"
      throw LumosError(.badInput, reason, at: path)
    }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      let bytes = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if bytes.first == UInt8(ascii: ".") { continue }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        let shown = String(decoding: bytes, as: UTF8.self)
        throw LumosError(.badInput, "file name \"\(shown)\" is not UTF-8", at: path, advice: "rename it")
      }
      var status = stat()
      guard stat("\(path)/\(name)", &status) == 0 else {
        throw LumosError(.badInput, String(cString: strerror(errno)), at: "\(path)/\(name)")
      }
      switch status.st_mode & S_IFMT {
      case S_IFREG: files.append(name)
      case S_IFDIR: folders.append(name)
      default: break
      }
    }
    files.sort { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    folders.sort(by: NaturalOrder.precedes)
  }
}

/// Order of names in which runs of digits count as numbers.
enum NaturalOrder {
  /// Whether `a` comes before `b`. Names that differ only in leading zeros are ordered by their characters.
  static func precedes(_ a: String, _ b: String) -> Bool {
    let (x, y) = (parts(a), parts(b))
    for (p, q) in zip(x, y) where p != q {
      // Numbers of any length: without leading zeros, the longer one is the larger one.
      if p.isNumber, q.isNumber, p.text.count != q.text.count { return p.text.count < q.text.count }
      return p.text.unicodeScalars.lexicographicallyPrecedes(q.text.unicodeScalars)
    }
    if x.count != y.count { return x.count < y.count }
    return a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
  }

  private struct Part: Equatable {
    var text: String
    let isNumber: Bool
  }

  private static func parts(_ name: String) -> [Part] {
    var parts: [Part] = []
    for character in name {
      let isDigit = ("0"..."9").contains(character)
      if parts.last?.isNumber != isDigit { parts.append(Part(text: "", isNumber: isDigit)) }
      if isDigit && parts[parts.count - 1].text == "0" { parts[parts.count - 1].text = "" }
      parts[parts.count - 1].text.append(character)
    }
    return parts
  }
}
