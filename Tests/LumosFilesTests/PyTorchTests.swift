import LumosTensor
import Testing

@testable import LumosFiles

/// Files that PyTorch itself wrote (Tools/fixtures/make_pytorch.py), against the same tensors in safetensors.
struct PyTorchTests {
  static let folder = #filePath.replacing("PyTorchTests.swift", with: "Fixtures/pytorch/")
  private let expected = Result { try SafetensorsFile(Self.folder + "expected.safetensors") }

  /// Compares every byte and type of `checkpoint` with the expectation, whole and in pieces of an odd size.
  private func compare(
    _ checkpoint: any Checkpoint, prefix: String = "", with expected: SafetensorsFile, without left: [String] = []
  ) throws {
    #expect(Set(checkpoint.names) == Set(expected.names.filter { !left.contains($0) }.map { prefix + $0 }))
    for name in expected.names where !left.contains(name) {
      let wanted = try expected.requireTensor(name)
      #expect(checkpoint.type(of: prefix + name) == wanted.type, "\(name)")
      let found = try checkpoint.requireTensor(prefix + name)
      #expect(found.type == wanted.type, "\(name)")
      let bytes = wanted.withUnsafeBytes { Array($0) }
      #expect(found.withUnsafeBytes { Array($0) } == bytes, "\(name)")
      for step in [7, 8, max(bytes.count, 1)] {
        for start in stride(from: 0, to: bytes.count, by: step) {
          let range = start..<min(start + step, bytes.count)
          var piece = [UInt8](repeating: 0xaa, count: range.count + 3)
          try piece.withUnsafeMutableBytes { try checkpoint.read(prefix + name, bytes: range, into: $0) }
          #expect(piece == bytes[range] + [0xaa, 0xaa, 0xaa], "\(name) \(range)")
        }
      }
    }
  }

  @Test(arguments: ["flat2", "flat3", "flat4", "flat5", "stream", "wrapped"])
  func readsWhatTorchSaves(_ name: String) throws {
    let file = try PyTorchFile(Self.folder + name + ".pt")
    #expect(file.format == "PyTorch")
    #expect(file.wrapping == (name == "wrapped" ? ["ema"] : []))
    try compare(file, with: try expected.get())
  }

  @Test func readsNestedDictionaries() throws {
    let file = try PyTorchFile(Self.folder + "nested.pt")
    #expect(file.wrapping == ["model", "state_dict"])
    try compare(file, prefix: "module.", with: try expected.get())
  }

  @Test func readsStateDictionariesOfModules() throws {
    try compare(
      try PyTorchFile(Self.folder + "state_dict.pt"), with: try SafetensorsFile(Self.folder + "state_dict.safetensors"))
  }

  @Test func denseTensorsAreViewsOfTheFile() throws {
    let file = try MappedFile(Self.folder + "flat2.pt")
    let pickled = try PyTorchArchive(file, 0..<file.count, at: "flat2.pt")
    let pairs = try #require(pickled.pickle.dictionary(pickled.pickle.root))
    var dense: [String: Bool] = [:]
    for i in stride(from: 0, to: pairs.count, by: 2) {
      guard case .string(let name) = pairs[i], let tensor = pickled.pickle.tensor(pairs[i + 1]) else { continue }
      dense[name] = try pickled.stored(tensor, named: name).isDense
    }
    #expect(dense.filter { !$0.value }.keys.sorted() == ["view.columns", "view.permuted", "view.transposed"])
  }

  @Test func tellsItsFilesFromOthers() throws {
    for (name, isOne) in [
      ("flat2.pt", true), ("legacy.pt", true), ("expected.safetensors", false), ("dcp/all/.metadata", false),
    ] {
      #expect(try MappedFile(Self.folder + name).withUnsafeBytes(PyTorchFile.recognizes) == isOne, "\(name)")
    }
  }

  @Test func refusesWhatIsNoCheckpoint() throws {
    let legacy = try failure { try PyTorchFile(Self.folder + "legacy.pt") }
    #expect(legacy.kind == .badInput && legacy.what.contains("before version 1.6"))
    #expect(legacy.advice?.contains("torch.save") == true)
    #expect(try failure { try PyTorchFile(Self.folder + "no-dictionary.pt") }.what == "holds no dictionary of tensors")
    #expect(try failure { try PyTorchFile(Self.folder + "flat2.pt").requireTensor("x") }.what == "has no tensor x")
    #expect(try failure { try PyTorchFile(Self.folder + "none.pt") }.what == "does not exist")
  }

  // MARK: Folders

  /// Only these fields are compared: the sharded folder has no scalars and no bytes.
  private static let whole = ["eight", "bytes", "flags", "scalar", "empty", "view.one"]

  @Test func readsDistributedFolders() throws {
    for path in ["dcp", "dcp/all"] {
      let checkpoint = try DistributedCheckpoint(Self.folder + path)
      #expect(checkpoint.folder == Self.folder + "dcp/all")
      try compare(checkpoint, prefix: "ema.", with: try expected.get())
    }
  }

  @Test func putsShardedTensorsTogether() throws {
    let checkpoint = try DistributedCheckpoint(Self.folder + "dcp-sharded")
    try compare(checkpoint, prefix: "ema.", with: try expected.get(), without: Self.whole)
  }

  @Test func opensWhateverIsThere() throws {
    for (path, format, files) in [
      ("flat2.pt", "PyTorch", ["flat2.pt"]),
      ("dcp", "torch.distributed.checkpoint", ["dcp/all/.metadata", "dcp/all/__0_0.distcp"]),
    ] {
      let checkpoint = try CheckpointOpener.open(Self.folder + path)
      #expect(checkpoint.format == format)
      #expect(checkpoint.files == files.map { Self.folder + $0 })
    }
    let scratch = try ScratchFolder()
    _ = try scratch.write(try MappedFile(Self.folder + "flat2.pt").withUnsafeBytes { Array($0) }, to: "model.pth")
    #expect(try CheckpointOpener.open(scratch.path).names.count == 18)
    _ = try scratch.write([], to: "other.pt")
    #expect(try failure { try CheckpointOpener.open(scratch.path) }.what.contains("2 checkpoints: model.pth, other.pt"))
  }

  @Test func namesWhatAFolderLacks() throws {
    #expect(DistributedCheckpoint.folder(in: Self.folder) == nil)
    #expect(try failure { try DistributedCheckpoint(Self.folder) }.what.contains("has no .metadata"))
    let scratch = try ScratchFolder()
    let from = Self.folder + "dcp-sharded/"
    _ = try scratch.write(try MappedFile(from + ".metadata").withUnsafeBytes { Array($0) }, to: ".metadata")
    let first = try MappedFile(from + "__0_0.distcp").withUnsafeBytes { Array($0) }
    _ = try scratch.write(first, to: "__0_0.distcp")
    let missing = try failure { try DistributedCheckpoint(scratch.path) }
    #expect(missing.kind == .badInput && missing.place == scratch.path + "/__1_0.distcp")
    #expect(missing.what.contains("does not exist, but holds a piece of ema."))
    _ = try scratch.write(Array(first.prefix(100)), to: "__1_0.distcp")
    #expect(try failure { try DistributedCheckpoint(scratch.path) }.what.contains("is cut off"))
  }
}
