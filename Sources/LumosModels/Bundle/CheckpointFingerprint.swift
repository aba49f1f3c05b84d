import LumosFiles
import LumosTensor

extension CheckpointWeights {
  /// What tells these weights from others without reading all of them: a hash of every name and type, and of the first,
  /// middle and last bytes of every tensor. Training moves every tensor, so other weights have other fingerprints; where
  /// the file lies and when it was written play no part.
  ///
  /// - Throws: what reading throws.
  public func fingerprint() throws -> String {
    var hash = Sha256()
    for name in names.sorted() {
      guard let type = type(ofWeight: name) else { continue }
      Array("\(name) \(type)\n".utf8).withUnsafeBytes { hash.update($0) }
      let count = min(64, type.byteCount)
      var bytes = [UInt8](repeating: 0, count: count)
      for start in [0, (type.byteCount - count) / 2, type.byteCount - count] {
        try bytes.withUnsafeMutableBytes { try read(name, bytes: start..<start + count, into: $0) }
        bytes.withUnsafeBytes { hash.update($0) }
      }
    }
    return hash.hexDigest()
  }
}
