import LumosTensor

/// The directory of a zip archive whose entries are stored as they are, which is how PyTorch writes its files.
///
/// Nothing is ever extracted: an entry is a range of bytes of the archive. Opening checks that the directory, the headers
/// before the entries and the length of the archive agree, and that no two entries share a byte.
/// Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (sections 4.3 and 4.5.3).
struct ZipArchive {
  /// Names in the order of the directory.
  private(set) var names: [String] = []
  /// The bytes of every entry, counted from the start of the archive.
  private(set) var ranges: [String: Range<Int>] = [:]

  /// More entries than any checkpoint has.
  static let mostEntries = 100_000
  /// Longest name in bytes.
  static let longestName = 512

  /// How archives begin.
  static let signature: [UInt8] = [0x50, 0x4b, 0x03, 0x04]

  /// Reads the directory of an archive that fills `bytes`.
  ///
  /// - Parameter place: what the bytes are, for errors.
  /// - Throws: `LumosError(.badInput)` with the entry and the reason.
  init(_ bytes: UnsafeRawBufferPointer, at place: String) throws(LumosError) {
    var reader = ZipDirectoryReader(bytes: bytes, place: place)
    let entries = try reader.entries()
    names.reserveCapacity(entries.count)
    var taken: [(range: Range<Int>, name: String)] = []
    taken.reserveCapacity(entries.count)
    for entry in entries {
      let data = try reader.data(of: entry)
      guard ranges.updateValue(data, forKey: entry.name) == nil else {
        throw reader.refusal("occurs twice", entry.name)
      }
      names.append(entry.name)
      taken.append((entry.offset..<data.upperBound, entry.name))
    }
    taken.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    for (former, latter) in zip(taken, taken.dropFirst()) where latter.range.lowerBound < former.range.upperBound {
      throw reader.refusal("shares bytes with entry \(former.name)", latter.name)
    }
  }
}

/// One entry as the directory describes it.
private struct ZipEntry {
  let name: String
  let nameBytes: Range<Int>
  let flags: UInt16
  let method: UInt16
  let size: Int
  /// Where its own header begins.
  let offset: Int
}

/// Reads the records of an archive; every access is checked against the bytes.
private struct ZipDirectoryReader {
  let bytes: UnsafeRawBufferPointer
  let place: String
  /// Where the directory begins: entries end before it.
  var directoryStart = 0

  func refusal(_ what: String, _ entry: String? = nil) -> LumosError {
    LumosError(
      .badInput, what, at: entry.map { "\(place), entry \($0)" } ?? place, advice: "fetch or save the file again")
  }

  // MARK: Numbers

  private func has(_ count: Int, at offset: Int) -> Bool {
    offset >= 0 && offset <= bytes.count && count <= bytes.count - offset
  }

  private func number<T: FixedWidthInteger>(_ offset: Int, as _: T.Type = T.self) -> T {
    T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  /// A size or offset of 64 bits; nil if it exceeds what a file can have.
  private func size(_ offset: Int) -> Int? { Int(exactly: number(offset, as: UInt64.self)) }

  // MARK: Directory

  mutating func entries() throws(LumosError) -> [ZipEntry] {
    guard has(22, at: 0), bytes.starts(with: ZipArchive.signature) else { throw refusal("is no zip archive") }
    let (end, count, size, start) = try endOfDirectory()
    guard start >= 0, size >= 0, start <= end, size == end - start else {
      throw refusal("directory of \(size) bytes at \(start) does not end at \(end): the file is cut off or damaged")
    }
    guard count <= size / 46 else { throw refusal("\(count) entries do not fit into a directory of \(size) bytes") }
    guard count <= ZipArchive.mostEntries else {
      throw refusal("\(count) entries are more than a checkpoint has (\(ZipArchive.mostEntries))")
    }
    directoryStart = start
    var entries: [ZipEntry] = []
    entries.reserveCapacity(count)
    var at = start
    for _ in 0..<count { entries.append(try entry(at: &at, end: end)) }
    guard at == end else { throw refusal("\(end - at) bytes of the directory belong to no entry") }
    return entries
  }

  /// Where the directory ends, and what the archive's last record says about it.
  private func endOfDirectory() throws(LumosError) -> (end: Int, count: Int, size: Int, start: Int) {
    // PyTorch writes no comment; other tools may.
    var at = bytes.count - 22
    let earliest = max(0, at - 0xffff)
    while !(number(at, as: UInt32.self) == 0x0605_4b50
      && Int(number(at + 20, as: UInt16.self)) == bytes.count - at - 22)
    {
      guard at > earliest else { throw refusal("has no directory: the file is cut off or no zip archive") }
      at -= 1
    }
    let disks = (number(at + 4, as: UInt16.self), number(at + 6, as: UInt16.self))
    let counts = (number(at + 8, as: UInt16.self), number(at + 10, as: UInt16.self))
    let (size, start) = (number(at + 12, as: UInt32.self), number(at + 16, as: UInt32.self))
    guard at >= 20, number(at - 20, as: UInt32.self) == 0x0706_4b50 else {
      guard disks == (0, 0), counts.0 == counts.1 else { throw refusal("is a part of an archive in several files") }
      return (at, Int(counts.0), Int(size), Int(start))
    }

    // Sizes of 64 bits.
    let locator = at - 20
    guard let record = self.size(locator + 8), has(56, at: record), record + 56 <= locator,
      number(record, as: UInt32.self) == 0x0606_4b50, let length = self.size(record + 4), length >= 44,
      length == locator - record - 12
    else { throw refusal("the end of its directory (zip64) is damaged") }
    guard number(locator + 4, as: UInt32.self) == 0, number(record + 16, as: UInt32.self) == 0,
      number(record + 20, as: UInt32.self) == 0,
      number(record + 24, as: UInt64.self) == number(record + 32, as: UInt64.self)
    else { throw refusal("is a part of an archive in several files") }
    guard let longCount = self.size(record + 32), let longSize = self.size(record + 40),
      let longStart = self.size(record + 48),
      counts.1 == .max || Int(counts.1) == longCount, size == .max || Int(size) == longSize,
      start == .max || Int(start) == longStart
    else { throw refusal("the two ends of its directory disagree") }
    return (record, longCount, longSize, longStart)
  }

  private func entry(at: inout Int, end: Int) throws(LumosError) -> ZipEntry {
    guard end - at >= 46, number(at, as: UInt32.self) == 0x0201_4b50 else {
      throw refusal("directory is damaged at byte \(at)")
    }
    let header = at
    let lengths = (28, 30, 32)
    let (nameCount, extraCount, commentCount) = (
      Int(number(header + lengths.0, as: UInt16.self)), Int(number(header + lengths.1, as: UInt16.self)),
      Int(number(header + lengths.2, as: UInt16.self))
    )
    guard nameCount + extraCount + commentCount <= end - header - 46 else {
      throw refusal("directory is damaged at byte \(header)")
    }
    let nameBytes = header + 46..<header + 46 + nameCount
    let name = try name(nameBytes)
    let (flags, method) = (number(header + 8, as: UInt16.self), number(header + 10, as: UInt16.self))
    // Encrypted, patched, strongly encrypted, headers masked.
    guard flags & 0x2061 == 0 else { throw refusal("is encrypted", name) }
    guard method == 0 else {
      throw LumosError(
        .badInput, "is compressed (method \(method)), so it cannot be read in place", at: "\(place), entry \(name)",
        advice: "save the file again with torch.save, or pack it without compression")
    }
    var sizes = SizesOfEntry(
      size: UInt64(number(header + 24, as: UInt32.self)), packed: UInt64(number(header + 20, as: UInt32.self)),
      offset: UInt64(number(header + 42, as: UInt32.self)))
    try widen(&sizes, by: nameBytes.upperBound..<nameBytes.upperBound + extraCount, name)
    guard number(header + 34, as: UInt16.self) == 0 else { throw refusal("lies in another file", name) }
    guard sizes.size == sizes.packed, let size = Int(exactly: sizes.size) else {
      throw refusal("is stored, but \(sizes.size) bytes take \(sizes.packed)", name)
    }
    guard let offset = sizes.offset.flatMap(Int.init(exactly:)) else {
      throw refusal("begins beyond the end of the file", name)
    }
    at = header + 46 + nameCount + extraCount + commentCount
    return ZipEntry(name: name, nameBytes: nameBytes, flags: flags, method: method, size: size, offset: offset)
  }

  /// Names lead nowhere, since nothing is extracted; those that would are refused all the same, for the next reader.
  private func name(_ range: Range<Int>) throws(LumosError) -> String {
    guard !range.isEmpty, range.count <= ZipArchive.longestName else {
      throw refusal("an entry's name has \(range.count) bytes (allowed: 1 to \(ZipArchive.longestName))")
    }
    guard let name = String(validating: bytes[range], as: UTF8.self) else {
      throw refusal("an entry's name is not UTF-8")
    }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard !name.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\\") }), name.utf8.first != UInt8(ascii: "/"),
      !parts.contains(".."), !parts.contains(".")
    else { throw refusal("leads out of the archive", name.debugDescription) }
    return name
  }

  // MARK: Sizes of 64 bits

  private struct SizesOfEntry {
    var size: UInt64
    var packed: UInt64
    var offset: UInt64?
  }

  /// Replaces sizes of 32 bits that say "see below" by those of the extra fields in `range`.
  private func widen(_ sizes: inout SizesOfEntry, by range: Range<Int>, _ name: String) throws(LumosError) {
    let narrow = UInt64(UInt32.max)
    var at = range.lowerBound
    var isWide = false
    while at < range.upperBound {
      guard range.upperBound - at >= 4 else { throw refusal("its extra fields are damaged", name) }
      let (kind, count) = (number(at, as: UInt16.self), Int(number(at + 2, as: UInt16.self)))
      at += 4
      guard count <= range.upperBound - at else { throw refusal("its extra fields are damaged", name) }
      if kind == 1 {
        guard !isWide else { throw refusal("has its sizes twice", name) }
        isWide = true
        var field = at
        func next(_ value: UInt64) throws(LumosError) -> UInt64 {
          guard value == narrow else { return value }
          guard at + count - field >= 8 else { throw refusal("its extra fields are damaged", name) }
          defer { field += 8 }
          return number(field, as: UInt64.self)
        }
        sizes.size = try next(sizes.size)
        sizes.packed = try next(sizes.packed)
        if let offset = sizes.offset { sizes.offset = try next(offset) }
      }
      at += count
    }
  }

  // MARK: Entries

  /// The bytes of an entry, after its own header, which must say what the directory says.
  func data(of entry: ZipEntry) throws(LumosError) -> Range<Int> {
    let at = entry.offset
    guard at >= 0, at < directoryStart, directoryStart - at >= 30,
      number(at, as: UInt32.self) == ZipDirectoryReader.header
    else { throw refusal("has no header at byte \(at)", entry.name) }
    let (nameCount, extraCount) = (Int(number(at + 26, as: UInt16.self)), Int(number(at + 28, as: UInt16.self)))
    guard nameCount + extraCount <= directoryStart - at - 30 else {
      throw refusal("its header leaves the archive", entry.name)
    }
    let start = at + 30 + nameCount + extraCount
    guard number(at + 6, as: UInt16.self) == entry.flags, number(at + 8, as: UInt16.self) == entry.method,
      bytes[at + 30..<at + 30 + nameCount].elementsEqual(bytes[entry.nameBytes])
    else { throw refusal("its header and the directory disagree", entry.name) }
    var sizes = SizesOfEntry(
      size: UInt64(number(at + 22, as: UInt32.self)), packed: UInt64(number(at + 18, as: UInt32.self)), offset: nil)
    try widen(&sizes, by: at + 30 + nameCount..<start, entry.name)
    // Written as a stream: the sizes follow the data, and are zero or absent here.
    let isStream = entry.flags & 8 != 0
    let isUnsaid = isStream && (sizes.size == 0 || sizes.size == UInt64(UInt32.max)) && sizes.packed == sizes.size
    guard isUnsaid || (sizes.size == UInt64(entry.size) && sizes.packed == sizes.size) else {
      throw refusal("its header and the directory disagree about its size", entry.name)
    }
    guard entry.size <= directoryStart - start else {
      throw refusal("\(entry.size) bytes do not fit into the archive", entry.name)
    }
    return start..<start + entry.size
  }

  private static let header: UInt32 = 0x0403_4b50
}
