import Glibc
import LumosFiles
import LumosModels
import LumosTensor

/// Encoded texts on disk: a prompt that was encoded before, and the negative prompt above all, costs nothing again.
///
/// An entry is found by the hash of the token ids, of the text encoder's contents and of what computed it, so that a run
/// with the cache gives the bytes of a run without. Entries that cannot be read are as good as none; what cannot be
/// written is not kept. When all of them take more than `byteLimit`, those unused for longest go.
public struct ContextCache: Sendable {
  /// The folder of the entries, made when the first one is kept.
  public let folder: String
  /// What all entries may take together.
  public var byteLimit = 1 << 30
  private let computedBy: String

  /// - Parameter computedBy: device and precision, for people and for the hash.
  public init(folder: String, computedBy: String) {
    self.folder = folder
    self.computedBy = computedBy
  }

  /// Where the context of a text is, or would be.
  func path(_ ids: [Int32], encoder: String) -> String {
    var hash = Sha256()
    for part in ["lumosx context 1", computedBy, encoder] {
      var count = UInt64(part.utf8.count).littleEndian
      withUnsafeBytes(of: &count) { hash.update($0) }
      Array(part.utf8).withUnsafeBytes { hash.update($0) }
    }
    ids.map(\.littleEndian).withUnsafeBytes { hash.update($0) }
    return "\(folder)/\(hash.hexDigest()).safetensors"
  }

  /// The context of a text, f32 `[ids.count, width]`; nil if it is not there.
  func context(_ ids: [Int32], encoder: String, width: Int) -> Tensor? {
    let path = path(ids, encoder: encoder)
    guard let file = try? SafetensorsFile(path), let tensor = try? file.requireTensor("context"),
      tensor.type == TensorType([ids.count, width], .f32), tensor.floats().allSatisfy(\.isFinite)
    else { return nil }
    // Its time of use decides what goes first.
    utimensat(AT_FDCWD, path, nil, 0)
    // A copy: the entry may be removed, and another program may not know that it must not write in place.
    return Tensor(tensor.floats(), tensor.shape)
  }

  /// Keeps a context, if that is possible.
  func keep(_ context: Tensor, of ids: [Int32], encoder: String) {
    guard Self.makeFolders(folder) else { return }
    try? SafetensorsWriter.write(
      [("context", context)], metadata: ["computedBy": computedBy], to: path(ids, encoder: encoder))
    removeOldest()
  }

  private func removeOldest() {
    struct Entry { let path: String, bytes: Int, used: Int }
    guard let listing = opendir(folder) else { return }
    defer { closedir(listing) }
    var entries: [Entry] = []
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      var status = stat()
      guard name.hasSuffix(".safetensors"), stat("\(folder)/\(name)", &status) == 0 else { continue }
      entries.append(Entry(path: "\(folder)/\(name)", bytes: Int(status.st_size), used: status.st_mtim.tv_sec))
    }
    var bytes = entries.reduce(0) { $0 + $1.bytes }
    for entry in entries.sorted(by: { ($0.used, $0.path) < ($1.used, $1.path) }) where bytes > byteLimit {
      unlink(entry.path)
      bytes -= entry.bytes
    }
  }

  private static func makeFolders(_ path: String) -> Bool {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return true }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return false }
    return makeFolders(String(path[..<slash])) && (mkdir(path, 0o700) == 0 || errno == EEXIST)
  }
}
