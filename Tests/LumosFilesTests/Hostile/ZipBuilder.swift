/// Zip archives byte by byte, right or wrong in any single field.
struct ZipBuilder {
  /// One entry; what is nil is written as it should be.
  struct Entry {
    var name: [UInt8]
    var data: [UInt8]
    var flags: UInt16 = 0
    var method: UInt16 = 0
    /// What the directory says.
    var size: UInt32?
    var packed: UInt32?
    var offset: UInt32?
    var disk: UInt16 = 0
    var extra: [UInt8] = []
    /// What the entry's own header says.
    var localName: [UInt8]?
    var localFlags: UInt16?
    var localSize: UInt32?
    var localExtra: [UInt8] = []
    var localSignature: UInt32 = 0x0403_4b50

    init(_ name: String, _ data: [UInt8]) { (self.name, self.data) = (Array(name.utf8), data) }

    /// Whether it is called as the pickle of a file is.
    var isPickle: Bool { name.suffix(8).elementsEqual("data.pkl".utf8) }
  }

  var entries: [Entry]
  /// What the last record says, where it lies.
  var count: UInt16?
  var directorySize: UInt32?
  var directoryStart: UInt32?
  var disk: UInt16 = 0
  var commentLength: UInt16 = 0
  var directorySignature: UInt32 = 0x0201_4b50
  /// Bytes between the directory and the last record.
  var gap: [UInt8] = []
  /// Makes the records of 64 bits from where they begin, the size of the directory and where it begins.
  var wide: ((_ at: Int, _ size: Int, _ start: Int) -> [UInt8])?

  init(_ entries: [Entry]) { self.entries = entries }

  /// A file as torch.save writes it: a pickle, and one storage of `data`.
  static func torch(_ pickle: [UInt8], data: [UInt8] = [UInt8](repeating: 1, count: 24)) -> ZipBuilder {
    ZipBuilder([
      Entry("a/data.pkl", pickle), Entry("a/byteorder", Array("little".utf8)), Entry("a/data/0", data),
      Entry("a/version", Array("3\n".utf8)),
    ])
  }

  func bytes() -> [UInt8] {
    var bytes: [UInt8] = []
    var offsets: [Int] = []
    for entry in entries {
      offsets.append(bytes.count)
      bytes += little(entry.localSignature)
      bytes += little(UInt16(0)) + little(entry.localFlags ?? entry.flags)
      bytes += little(entry.method) + little(UInt32(0)) + little(UInt32(0))
      let size = entry.localSize ?? UInt32(entry.data.count)
      bytes += little(size) + little(size)
      let name = entry.localName ?? entry.name
      bytes += little(UInt16(name.count)) + little(UInt16(entry.localExtra.count))
      bytes += name
      bytes += entry.localExtra
      bytes += entry.data
    }
    let start = bytes.count
    for (entry, offset) in zip(entries, offsets) {
      bytes += little(directorySignature) + little(UInt16(0)) + little(UInt16(0)) + little(entry.flags)
      bytes += little(entry.method) + little(UInt32(0)) + little(UInt32(0))
      bytes += little(entry.packed ?? entry.size ?? UInt32(entry.data.count))
      bytes += little(entry.size ?? UInt32(entry.data.count))
      bytes += little(UInt16(entry.name.count)) + little(UInt16(entry.extra.count)) + little(UInt16(0))
      bytes += little(entry.disk) + little(UInt16(0)) + little(UInt32(0))
      bytes += little(entry.offset ?? UInt32(offset))
      bytes += entry.name
      bytes += entry.extra
    }
    let size = bytes.count - start
    if let wide { bytes += wide(bytes.count, size, start) }
    bytes += gap
    bytes += little(UInt32(0x0605_4b50)) + little(disk) + little(disk)
    let written = count ?? (wide == nil ? UInt16(truncatingIfNeeded: entries.count) : .max)
    bytes += little(written) + little(written)
    bytes += little(directorySize ?? (wide == nil ? UInt32(size) : .max))
    bytes += little(directoryStart ?? (wide == nil ? UInt32(start) : .max))
    bytes += little(commentLength)
    return bytes
  }

  /// The two records that end a directory of 64 bits.
  static func wideEnd(
    at: Int, size: Int, start: Int, count: UInt64, length: UInt64 = 44, record: UInt64? = nil, disks: UInt32 = 1
  ) -> [UInt8] {
    var bytes = little(UInt32(0x0606_4b50)) + little(length) + little(UInt32(0)) + little(UInt32(0)) + little(UInt32(0))
    bytes += little(count) + little(count) + little(UInt64(size)) + little(UInt64(start))
    bytes += little(UInt32(0x0706_4b50)) + little(UInt32(0)) + little(record ?? UInt64(at)) + little(disks)
    return bytes
  }
}

/// A number as bytes, least significant first.
func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
