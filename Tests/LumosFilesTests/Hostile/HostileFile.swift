import LumosTensor
import Testing

@testable import LumosFiles

/// A checkpoint that must be refused.
struct HostileFile: Sendable, CustomTestStringConvertible {
  /// Formats, by what opens them.
  enum Format: String, Sendable {
    case pytorch, distributed, safetensors
  }

  let format: Format
  let name: String
  /// A part of the message.
  let fragment: String
  /// The file `x`, or the files of a folder; made when they are needed, since some are large.
  let files: @Sendable () -> [(name: String, bytes: [UInt8])]

  var testDescription: String { "\(format.rawValue): \(name)" }

  init(
    _ format: Format, _ name: String, _ fragment: String, _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]
  ) {
    (self.format, self.name, self.fragment, files) = (format, name, fragment, { [("x", bytes())] })
  }

  init(
    folder name: String, _ fragment: String,
    _ files: @autoclosure @escaping @Sendable () -> [(name: String, bytes: [UInt8])]
  ) {
    (format, self.name, self.fragment, self.files) = (.distributed, name, fragment, files)
  }

  /// Opens the case in a folder that holds its files.
  func open(in folder: String) throws(LumosError) {
    switch format {
    case .pytorch: _ = try PyTorchFile(folder + "/x")
    case .distributed: _ = try DistributedCheckpoint(folder)
    case .safetensors: _ = try SafetensorsFile(folder + "/x")
    }
  }

  static let all = archives + wideArchives + pickles + bombs + tensors + folders + headers
}

// MARK: Zip archives

extension HostileFile {
  /// A right file after a change of its archive.
  private static func archive(
    _ name: String, _ fragment: String, _ change: @escaping @Sendable (inout ZipBuilder) -> Void
  ) -> HostileFile {
    HostileFile(
      .pytorch, name, fragment,
      {
        var zip = ZipBuilder.torch(PickleBuilder.file())
        change(&zip)
        return zip.bytes()
      }())
  }

  private static let archives: [HostileFile] = [
    HostileFile(.pytorch, "nothing", "no file that torch.save wrote", []),
    HostileFile(.pytorch, "four bytes", "no zip archive", ZipArchive.signature),
    HostileFile(.pytorch, "text", "no file that torch.save wrote", Array("hello, world, this is no checkpoint".utf8)),
    HostileFile(
      .pytorch, "before version 1.6", "before version 1.6",
      PyTorchArchive.legacySignature + Array(repeating: 0, count: 99)),
    HostileFile(.pytorch, "cut off", "cut off", Array(ZipBuilder.torch(PickleBuilder.file()).bytes().dropLast(30))),
    HostileFile(
      .pytorch, "last byte gone", "cut off", Array(ZipBuilder.torch(PickleBuilder.file()).bytes().dropLast())),
    HostileFile(
      .pytorch, "64 KiB of zeros at the end", "no directory",
      ZipBuilder.torch(PickleBuilder.file()).bytes() + Array(repeating: 0, count: 70_000)),
    archive("no pickle", "without data.pkl") { $0.entries.removeFirst() },
    archive("two pickles", "2 entries data.pkl") { $0.entries.append(.init("b/data.pkl", PickleBuilder.file())) },
    archive("a TorchScript program", "TorchScript") { $0.entries.append(.init("a/constants.pkl", [])) },
    archive("other byte order", "other way round") { $0.entries[1].data = Array("big".utf8) },
    archive("compressed", "compressed (method 8)") { $0.entries[2].method = 8 },
    archive("encrypted", "encrypted") { $0.entries[2].flags = 1 },
    archive("another disk", "lies in another file") { $0.entries[2].disk = 1 },
    archive("several disks", "several files") { $0.disk = 1 },
    archive("entry twice", "occurs twice") { $0.entries.append($0.entries[2]) },
    archive("name with ..", "leads out of the archive") { $0.entries[2].name = Array("a/../../etc/passwd".utf8) },
    archive("absolute name", "leads out of the archive") { $0.entries[2].name = Array("/etc/passwd".utf8) },
    archive("name with backslash", "leads out of the archive") { $0.entries[2].name = Array(#"a\data"#.utf8) },
    archive("name with NUL", "leads out of the archive") { $0.entries[2].name = Array("a/data/0\0".utf8) },
    archive("name of 600 bytes", "600 bytes") { $0.entries[2].name = Array(repeating: 97, count: 600) },
    archive("no name", "0 bytes") { $0.entries[2].name = [] },
    archive("name not UTF-8", "not UTF-8") { $0.entries[2].name = [0x61, 0xff] },
    archive("names disagree", "disagree") { $0.entries[2].localName = Array("a/data/1".utf8) },
    archive("flags disagree", "disagree") { $0.entries[2].localFlags = 0x800 },
    archive("sizes disagree", "disagree about its size") { $0.entries[2].localSize = 23 },
    archive("packed size of its own", "24 bytes take 23") { $0.entries[2].packed = 23 },
    archive("size beyond the archive", "disagree about its size") { $0.entries[2].size = 1 << 30 },
    archive("size beyond the archive, twice", "do not fit") {
      ($0.entries[2].size, $0.entries[2].localSize) = (1 << 30, 1 << 30)
    },
    archive("size over the next entry", "shares bytes") {
      ($0.entries[2].size, $0.entries[2].localSize) = (60, 60)
    },
    archive("offset beyond the archive", "no header") { $0.entries[2].offset = 1 << 31 },
    archive("offset into the directory", "no header") { $0.entries[2].offset = UInt32($0.bytes().count - 40) },
    archive("offset of another entry", "disagree") { $0.entries[2].offset = 0 },
    archive("two entries in one place", "shares bytes") {
      $0.entries.append(.init("a/data/1", $0.entries[2].data))
      // The later header inside the data of the former.
      var inner = ZipBuilder.Entry("a/data/1", [7])
      inner.localName = inner.name
      let header = Array(ZipBuilder([inner]).bytes().prefix(39))
      $0.entries[2].data = header
      var before = $0
      before.entries = Array($0.entries[...1])
      let start = UInt32(before.bytes().count - directory(of: before))
      $0.entries[4] = inner
      $0.entries[4].offset = start + 30 + 8
    },
    archive("header without signature", "no header") { $0.entries[2].localSignature = 0 },
    archive("directory without signature", "directory is damaged") { $0.directorySignature = 0 },
    archive("too few entries", "belong to no entry") { $0.count = 3 },
    archive("too many entries", "5 entries do not fit") { $0.count = 5 },
    archive("65534 entries claimed", "do not fit into a directory") { $0.count = 65534 },
    archive("directory too long", "does not end at") { $0.directorySize = 4000 },
    archive("directory beyond the file", "does not end at") { $0.directoryStart = 0x7fff_ffff },
    archive("bytes after the directory", "does not end at") { $0.gap = [1, 2, 3] },
    archive("comment that is not there", "no directory") { $0.commentLength = 9 },
    archive("extra field beyond its end", "extra fields are damaged") { $0.entries[2].extra = [9, 9, 200, 0] },
    archive("half an extra field", "extra fields are damaged") { $0.entries[2].localExtra = [1, 0, 8] },
  ]

  /// Bytes that the directory and the last record of an archive take.
  private static func directory(of zip: ZipBuilder) -> Int {
    zip.entries.reduce(22) { $0 + 46 + $1.name.count + $1.extra.count }
  }

  private static func wide(
    _ name: String, _ fragment: String, _ wide: @escaping @Sendable (_ at: Int, _ size: Int, _ start: Int) -> [UInt8]
  ) -> HostileFile {
    archive(name, fragment) { $0.wide = wide }
  }

  /// Archives with sizes of 64 bits.
  private static let wideArchives: [HostileFile] = [
    wide("zip64: record beyond the file", "zip64") {
      ZipBuilder.wideEnd(at: $0, size: $1, start: $2, count: 4, record: 1 << 40)
    },
    wide("zip64: record at 2^64 - 1", "zip64") {
      ZipBuilder.wideEnd(at: $0, size: $1, start: $2, count: 4, record: .max)
    },
    wide("zip64: record of another length", "zip64") {
      ZipBuilder.wideEnd(at: $0, size: $1, start: $2, count: 4, length: 1 << 62)
    },
    wide("zip64: 2^63 entries", "disagree") {
      ZipBuilder.wideEnd(at: $0, size: $1, start: $2, count: 1 << 63)
    },
    wide("zip64: 2^40 entries", "do not fit into a directory") {
      ZipBuilder.wideEnd(at: $0, size: $1, start: $2, count: 1 << 40)
    },
    wide("zip64: directory of 2^62 bytes", "does not end at") { at, _, start in
      ZipBuilder.wideEnd(at: at, size: 1 << 62, start: start, count: 4)
    },
    archive("zip64: sizes missing", "extra fields are damaged") {
      $0.entries[2].size = .max
      $0.entries[2].extra = [1, 0, 0, 0]
    },
    archive("zip64: sizes twice", "sizes twice") {
      $0.entries[2].extra = [1, 0, 0, 0, 1, 0, 0, 0]
    },
    archive("zip64: size of 2^64 - 1", "is stored, but") {
      $0.entries[2].size = .max
      $0.entries[2].extra = [1, 0, 16, 0] + little(UInt64.max) + little(UInt64.max)
    },
    archive("zip64: offset of 2^64 - 1", "begins beyond the end") {
      $0.entries[2].offset = .max
      $0.entries[2].extra = [1, 0, 8, 0] + little(UInt64.max)
    },
    archive("zip64: offset of 2^63 - 1", "no header") {
      $0.entries[2].offset = .max
      $0.entries[2].extra = [1, 0, 8, 0] + little(UInt64.max >> 1)
    },
  ]
}
