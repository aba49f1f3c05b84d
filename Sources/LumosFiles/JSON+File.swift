import LumosTensor

extension JSONValue {
  /// The value of a small JSON file: nested no deeper than 16.
  ///
  /// - Throws: `LumosError(.badInput)` with the byte at which it is no JSON; those of `MappedFile`.
  public init(file path: String) throws(LumosError) {
    self = try MappedFile(path).withUnsafeBytes { bytes throws(LumosError) in
      do throws(JSONParseError) { return try JSONValue(parsing: bytes, depthLimit: 16) } catch {
        throw LumosError(.badInput, error.reason, at: "\(path), byte \(error.byte)")
      }
    }
  }
}
