import ArgumentParser
import LumosFiles
import LumosModels
import LumosTensor

/// `FILE` or `FILE:STRENGTH` on the command line.
struct AdapterFile: ExpressibleByArgument {
  let path: String
  /// Factor on its changes.
  let strength: Float

  init?(argument: String) {
    guard let colon = argument.lastIndex(of: ":"), let strength = Float(argument[argument.index(after: colon)...])
    else {
      // A file's name may contain colons.
      guard !argument.isEmpty else { return nil }
      (path, self.strength) = (argument, 1)
      return
    }
    guard strength.isFinite, colon > argument.startIndex else { return nil }
    path = String(argument[..<colon])
    self.strength = strength
  }

  /// Reads what it changes. Errors as for `Adapter`.
  func open(for sizes: TransformerConfiguration) throws(LumosError) -> Adapter {
    try Adapter(CheckpointOpener.open(path), strength: strength, for: ExpectedTensors.transformer(sizes))
  }
}
