import Glibc
import LumosTensor

/// What lies under a path, links followed.
public enum FileKind: Sendable {
  case file, folder, other

  /// Nil if nothing is there.
  public init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: self = .other
    }
  }

  /// The names in a folder in order, without those that begin with a point; empty if it cannot be read.
  public static func names(in folder: String) -> [String] {
    guard let listing = opendir(folder) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes a folder, unless it is there.
  ///
  /// - Throws: `LumosError(.cannotWrite)` if it cannot be made.
  public static func makeFolder(_ path: String) throws(LumosError) {
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw LumosError(.cannotWrite, "cannot be made", at: path, cause: SystemFailure.last)
    }
  }
}
