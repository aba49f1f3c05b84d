import Glibc
import LumosTensor

@testable import LumosFiles

/// One parser under attack: what to start from, how to change it, and what must hold whatever comes.
struct FuzzTarget {
  let name: String
  let corpus: [[UInt8]]
  /// Changes the first file; the second is another of the corpus.
  let mutate: (inout [UInt8], inout FuzzRandom, [UInt8]) -> Void
  /// Reads a file; throws only what the user may see. What it finds wrong in an accepted file is a `Broken`.
  let read: ([UInt8]) throws -> Void

  /// A promise that an accepted file breaks.
  struct Broken: Error { let what: String }

  static func all() throws -> [FuzzTarget] {
    [try zip(), try pickle(), try pytorch(), try description(), try distributed(), try safetensors(), try json()]
  }

  // MARK: Corpus

  private static let folder = #filePath.replacing("Fuzz/FuzzTarget.swift", with: "Fixtures/pytorch/")

  private static func fixtures(_ names: String...) throws -> [[UInt8]] {
    try names.map { try MappedFile(folder + $0).withUnsafeBytes { Array($0) } }
  }

  /// The hostile files of a format, but for the large ones.
  private static func hostile(_ format: HostileFile.Format, file: String = "x") -> [[UInt8]] {
    HostileFile.all.filter { $0.format == format && !HostileFile.bombs.map(\.name).contains($0.name) }
      .flatMap { $0.files().filter { $0.name == file }.map(\.bytes) }
      .filter { $0.count < 8 << 10 }
  }

  /// Right files and hostile ones in equal parts: what starts right gets further.
  private static func even(_ right: [[UInt8]], _ hostile: [[UInt8]]) -> [[UInt8]] {
    Array(repeatElement(right, count: max(1, hostile.count / right.count)).joined()) + hostile
  }

  private static func archives() throws -> [[UInt8]] {
    try fixtures("flat2.pt", "flat4.pt", "wrapped.pt", "nested.pt", "state_dict.pt", "stream.pt")
      + [ZipBuilder.torch(PickleBuilder.file()).bytes()]
  }

  /// The entries of an archive; nil for one that is damaged.
  private static func entries(of archive: [UInt8]) -> ZipBuilder? {
    archive.withUnsafeBytes { bytes in
      guard let zip = try? ZipArchive(bytes, at: "x") else { return nil }
      return ZipBuilder(zip.names.map { ZipBuilder.Entry($0, Array(bytes[zip.ranges[$0] ?? 0..<0])) })
    }
  }

  private static func pickles() throws -> [[UInt8]] {
    (try archives() + hostile(.pytorch)).compactMap { archive in
      entries(of: archive)?.entries.first { $0.isPickle }?.data
    }
  }

  private static func descriptions() throws -> [[UInt8]] {
    even(try fixtures("dcp/all/.metadata", "dcp-sharded/.metadata"), hostile(.distributed, file: ".metadata"))
  }

  // MARK: Archives and pickles

  private static func zip() throws -> FuzzTarget {
    FuzzTarget(name: "zip", corpus: even(try archives(), hostile(.pytorch)), mutate: archiveMutation()) { bytes in
      try bytes.withUnsafeBytes { buffer in
        let zip = try ZipArchive(buffer, at: "x")
        let ranges = zip.ranges.values.sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
        guard zip.names.count == ranges.count else { throw Broken(what: "names and ranges differ") }
        guard ranges.allSatisfy({ $0.lowerBound >= 30 && $0.upperBound <= buffer.count - 22 }),
          Swift.zip(ranges, ranges.dropFirst()).allSatisfy({ $0.upperBound <= $1.lowerBound })
        else { throw Broken(what: "ranges \(ranges) leave the archive or overlap") }
      }
    }
  }

  /// Changes fields of the archive, or the pickle in it, and makes the archive anew around that.
  private static func archiveMutation() -> (inout [UInt8], inout FuzzRandom, [UInt8]) -> Void {
    let (plain, pickles) = (
      ByteMutator(words: [[0x50, 0x4b, 1, 2], [0x50, 0x4b, 6, 6], [1, 0, 8, 0]]), PickleMutator()
    )
    return { bytes, random, other in
      guard !random.once(in: 3), var zip = entries(of: bytes), !zip.entries.isEmpty else {
        return plain.mutate(&bytes, &random, other: other)
      }
      let number = [0, 1, UInt32(bytes.count), 0xffff_ffff, UInt32(random.below(bytes.count + 1))][random.below(5)]
      let i = random.below(zip.entries.count)
      switch random.below(13) {
      case 0: zip.entries[i].size = number
      case 1: zip.entries[i].offset = number
      case 2: zip.entries[i].localSize = number
      case 3: zip.entries.append(zip.entries[i])
      case 4: zip.entries.remove(at: i)
      case 5: plain.mutate(&zip.entries[i].name, &random, other: [])
      case 6: zip.entries[i].flags = UInt16(random.below(0x10000))
      case 7:
        plain.mutate(
          &zip.entries[i].extra, &random, other: [1, 0, 16, 0] + little(UInt64(number)) + little(UInt64.max))
        zip.entries[i].size = random.once(in: 2) ? .max : nil
      case 8:
        let (record, length) = (random.once(in: 2) ? UInt64(number) : nil, random.once(in: 2) ? UInt64(number) : 44)
        let count = UInt64(random.once(in: 2) ? Int(number) : zip.entries.count)
        zip.wide = { ZipBuilder.wideEnd(at: $0, size: $1, start: $2, count: count, length: length, record: record) }
      default:
        guard let k = zip.entries.firstIndex(where: { $0.isPickle }) else { break }
        let otherPickle = entries(of: other)?.entries.first { $0.isPickle }?.data ?? []
        pickles.mutate(&zip.entries[k].data, &random, other: otherPickle)
      }
      bytes = zip.bytes()
    }
  }

  private static func pickle() throws -> FuzzTarget {
    let mutator = PickleMutator()
    return FuzzTarget(name: "pickle", corpus: try pickles() + descriptions()) {
      mutator.mutate(&$0, &$1, other: $2)
    } read: { bytes in
      let pickle = try bytes.withUnsafeBytes { try PickleReader.read($0, at: "x") }
      // Every value leads somewhere.
      for case .node(let index) in [pickle.root] where index >= pickle.nodes.count { throw Broken(what: "no node") }
    }
  }

  /// A whole file: what is accepted is read, in both ways.
  private static func pytorch() throws -> FuzzTarget {
    let folder = try ScratchFolder()
    return FuzzTarget(name: "pytorch", corpus: even(try archives(), hostile(.pytorch)), mutate: archiveMutation()) {
      bytes in
      try bytes.withUnsafeBytes { try overwrite(folder.path + "/x", $0) }
      try readAll(try PyTorchFile(folder.path + "/x"), most: bytes.count)
    }
  }

  /// Reads every tensor in both ways, which must agree.
  private static func readAll(_ checkpoint: any Checkpoint, most: Int) throws {
    for name in checkpoint.names {
      guard let type = checkpoint.type(of: name) else { throw Broken(what: "\(name) has no type") }
      guard type.byteCount <= most else { throw Broken(what: "\(name) has \(type.byteCount) bytes") }
      let whole = try checkpoint.requireTensor(name)
      guard whole.type == type else { throw Broken(what: "\(name) is \(whole.type), not \(type)") }
      var bytes = [UInt8](repeating: 0, count: type.byteCount)
      let middle = type.byteCount / 3
      try bytes.withUnsafeMutableBytes { target in
        try checkpoint.read(name, bytes: 0..<middle, into: target)
        let rest = UnsafeMutableRawBufferPointer(rebasing: target[middle...])
        try checkpoint.read(name, bytes: middle..<type.byteCount, into: rest)
      }
      guard whole.withUnsafeBytes({ $0.elementsEqual(bytes) }) else {
        throw Broken(what: "\(name) is read in two ways")
      }
    }
  }

  // MARK: Folders

  private static func description() throws -> FuzzTarget {
    let mutator = PickleMutator()
    return FuzzTarget(name: "description", corpus: try descriptions()) {
      mutator.mutate(&$0, &$1, other: $2)
    } read: { bytes in
      let pickle = try bytes.withUnsafeBytes { try PickleReader.read($0, at: "x", limits: .folder) }
      let description = try DistributedDescription(pickle, at: "x")
      let weights = try description.weights()
      try description.checkPlaces(of: weights)
      for entry in weights where entry.chunks.reduce(0, { $0 + $1.sizes.reduce(1, *) }) != entry.type.shape.count {
        throw Broken(what: "\(entry.name) is not covered")
      }
    }
  }

  /// A description beside the right file, and what it describes read.
  private static func distributed() throws -> FuzzTarget {
    let mutator = PickleMutator()
    let folder = try ScratchFolder()
    let part = HostileFile.part()
    let second = ZipBuilder.torch(PickleBuilder.pickle(PickleBuilder.tensor(sizes: [3], strides: [2]))).bytes()
    _ = try folder.write(part + second, to: "__0_0.distcp")
    typealias P = PickleBuilder
    let right = P.folder(
      [
        ("ema.w", P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])])),
        ("ema.v", P.described([3], chunks: [P.chunk([0], [3])])),
        ("optimizer.w", P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])])),
      ],
      [P.piece("ema.w", length: part.count), P.piece("ema.v", [0], offset: part.count, length: second.count)])
    return FuzzTarget(
      name: "distributed", corpus: even([right], hostile(.distributed, file: ".metadata"))
    ) {
      mutator.mutate(&$0, &$1, other: $2)
    } read: { bytes in
      try bytes.withUnsafeBytes { try overwrite(folder.path + "/.metadata", $0) }
      try readAll(try DistributedCheckpoint(folder.path), most: part.count + second.count)
    }
  }

  /// Writes a file in place: nobody maps it at that time, and a name of its own for each would take ten times as long.
  private static func overwrite(_ path: String, _ bytes: UnsafeRawBufferPointer) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    defer { close(file) }
    guard file >= 0, Glibc.write(file, bytes.baseAddress, bytes.count) == bytes.count else {
      throw Broken(what: "cannot write \(path)")
    }
  }

  // MARK: Headers

  private static let jsonWords = [
    "{", "}", "[", "]", ",", ":", "\"", "\\", #"\ud800"#, #"\u0000"#, "null", "true", "1e999", "-0", "0.1e-7",
    "9223372036854775807", "18446744073709551616", #""dtype":"F32""#, #""shape":[0]"#, #""data_offsets":[0,4]"#,
    #""__metadata__":{}"#,
  ].map { Array($0.utf8) }

  private static func safetensors() throws -> FuzzTarget {
    let mutator = ByteMutator(words: jsonWords)
    let corpus = try fixtures("expected.safetensors", "state_dict.safetensors") + hostile(.safetensors)
    return FuzzTarget(name: "safetensors", corpus: corpus) { bytes, random, other in
      guard !random.once(in: 8), bytes.count > 8 else { return mutator.mutate(&bytes, &random, other: other) }
      // Only the header, whose length stays right.
      let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
      let end = min(bytes.count, 8 + length)
      var header = Array(bytes[8..<end])
      mutator.mutate(&header, &random, other: other)
      bytes = little(UInt64(header.count)) + header + bytes[end...]
    } read: { bytes in
      try bytes.withUnsafeBytes { buffer in
        let header = try SafetensorsHeader(file: buffer, path: "x")
        guard header.names.count == header.entries.count else { throw Broken(what: "names and entries differ") }
        for entry in header.entries.values where entry.byteOffset + entry.type.byteCount > buffer.count {
          throw Broken(what: "an entry leaves the file")
        }
      }
    }
  }

  private static func json() throws -> FuzzTarget {
    let mutator = ByteMutator(words: jsonWords)
    let texts = try fixtures("expected.safetensors", "state_dict.safetensors").map { bytes in
      Array(bytes[8..<8 + (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }])
    }
    let more = #"{"a":[1,-2.5e3,true,false,null,"\u00e4\ud83d\ude00\n"],"b":{"c":{}}}"#
    return FuzzTarget(name: "json", corpus: texts + [Array(more.utf8)]) {
      mutator.mutate(&$0, &$1, other: $2)
    } read: { bytes in
      let value = try bytes.withUnsafeBytes { try JSONValue(parsing: $0) }
      // What was read is written so that it is read again.
      guard try JSONValue(parsing: value.text()) == value else { throw Broken(what: "written and read differently") }
    }
  }
}
