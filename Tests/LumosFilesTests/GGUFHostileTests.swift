import LumosTensor
import Testing

@testable import LumosFiles

/// GGUF files that break a promise: each is refused, with its reason, before anything is read through it.
struct GGUFHostileTests {
  /// Bytes of a GGUF file in the making.
  struct File: Sendable {
    var bytes: [UInt8] = Array("GGUF".utf8)

    func u32(_ values: UInt32...) -> File { values.reduce(self) { $0.number($1) } }
    func u64(_ values: UInt64...) -> File { values.reduce(self) { $0.number($1) } }
    func text(_ text: String) -> File { u64(UInt64(text.utf8.count)).raw(Array(text.utf8)) }
    func raw(_ more: [UInt8]) -> File { File(bytes: bytes + more) }

    private func number(_ value: some FixedWidthInteger) -> File {
      raw(withUnsafeBytes(of: value.littleEndian) { Array($0) })
    }
    /// Version, tensors and metadata entries.
    static func head(tensors: UInt64 = 0, entries: UInt64 = 0, version: UInt32 = 3) -> File {
      File().u32(version).u64(tensors, entries)
    }
    /// An entry of the list of tensors.
    func tensor(_ name: String, _ extents: [UInt64], _ type: UInt32, at offset: UInt64) -> File {
      extents.reduce(text(name).u32(UInt32(extents.count))) { $0.u64($1) }.u32(type).u64(offset)
    }
    /// Padding, and `count` bytes of data.
    func data(_ count: Int) -> File { raw([UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32 + count)) }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let file: File
    let reason: String

    init(_ name: String, _ file: File, _ reason: String) {
      self.name = name
      self.file = file
      self.reason = reason
    }

    var testDescription: String { name }
  }

  private static let most = UInt64.max
  private static func one(_ extents: [UInt64], _ type: UInt32 = 0, at offset: UInt64 = 0, data: Int = 64) -> File {
    File.head(tensors: 1).tensor("t", extents, type, at: offset).data(data)
  }
  private static func entry(_ key: String = "k") -> File { File.head(entries: 1).text(key) }

  static let cases: [Case] = [
    Case("empty", File(bytes: []), "too few"),
    Case("magic alone", File(), "too few"),
    Case("another magic", File(bytes: Array("GGML".utf8)).u32(3).u64(0, 0), "does not begin"),
    Case("version 1", File.head(version: 1), "version 1"),
    Case("version 4", File.head(version: 4), "version 4"),
    Case("big-endian", File.head(version: 3 << 24), "big-endian"),
    Case("2^63 tensors", File.head(tensors: 1 << 63), "do not fit"),
    Case("2^64 - 1 metadata entries", File.head(entries: most), "do not fit"),
    Case("one tensor too many", File.head(tensors: 2).tensor("t", [1], 0, at: 0).text("uuuuu").u32(1), "ends within"),
    Case("key past the end", File.head(entries: 1).u64(1000).raw(Array(repeating: 65, count: 99)), "past the end"),
    Case("key length 2^64 - 1", File.head(entries: 1).u64(most).u32(0, 0, 0), "past the end"),
    Case("empty key", entry("").u32(4, 1), "is empty"),
    Case("key that is no UTF-8", File.head(entries: 1).u64(2).raw([0xc3, 0x28]).u32(4, 1), "not UTF-8"),
    Case("key twice", File.head(entries: 2).text("k").u32(4, 1).text("k").u32(4, 2), "comes twice"),
    Case("unknown value type", entry().u32(13).u64(0), "unknown type, 13"),
    Case("value cut off", entry("key").u32(10).raw([0]), "ends within"),
    Case("truth value 2", entry().u32(7).raw([2, 0, 0]), "neither true nor false"),
    Case("integer beyond 2^63", entry().u32(10).u64(1 << 63), "more than 2^63"),
    Case("text past the end", entry().u32(8).u64(1 << 40), "past the end"),
    Case("array count wraps", entry().u32(9, 10).u64(1 << 61).u64(0), "do not fit"),
    Case("array of unknown type", entry().u32(9, 99).u64(1), "unknown type, 99"),
    Case("strings of an array past the end", entry().u32(9, 8).u64(1).u64(most), "past the end"),
    Case(
      "arrays in arrays", (0..<8).reduce(entry().u32(9)) { file, _ in file.u32(9).u64(1) }.u32(0).u64(0).data(64),
      "nests arrays"),
    Case("alignment 0", entry("general.alignment").u32(4, 0), "power of two"),
    Case("alignment 48", entry("general.alignment").u32(4, 48), "power of two"),
    Case("alignment 2^31", entry("general.alignment").u32(4, 1 << 31), "power of two"),
    Case("alignment is a text", entry("general.alignment").u32(8).text("32"), "power of two"),
    Case("name past the end", File.head(tensors: 1).u64(1 << 50).data(64), "past the end"),
    Case("empty name", File.head(tensors: 1).tensor("", [1], 0, at: 0).data(64), "is empty"),
    Case(
      "name of 70000 bytes", File.head(tensors: 1).text(String(repeating: "n", count: 70000)).data(64), "70000 bytes"),
    Case(
      "name twice", File.head(tensors: 2).tensor("t", [1], 0, at: 0).tensor("t", [1], 0, at: 32).data(64),
      "comes twice"),
    Case("2^32 - 1 axes", File.head(tensors: 1).text("t").u32(.max).data(64), "axes"),
    Case("nine axes", one([1, 1, 1, 1, 1, 1, 1, 1, 1]), "axes"),
    Case("extent 0", one([4, 0]), "extent of 0"),
    Case("negative extent", one([4, UInt64(bitPattern: -4)]), "extent of"),
    Case("product wraps to 0", one([1 << 32, 1 << 32]), "overflow"),
    Case("product wraps to 4", one([1 << 62, 4]), "overflow"),
    Case("bytes wrap", one([1 << 61]), "overflow"),
    Case("bytes of blocks wrap", one([1 << 61], 8), "overflow"),
    Case("Q2_K", one([256], 10), "type Q2_K"),
    Case("IQ4_XS", one([256], 23), "type IQ4_XS"),
    Case("type 1000", one([1], 1000), "number 1000"),
    Case("rows of half a block", one([16, 2], 8), "no whole blocks"),
    Case("rows of half a K block", one([128, 2], 12), "no whole blocks"),
    Case("blocks without axes", one([], 8), "no whole blocks"),
    Case("offset not aligned", one([1], at: 4), "no multiple"),
    Case("offset past the end", one([1], at: 1 << 20), "leave the"),
    Case("offset 2^64 - 32", one([1], at: most - 31), "leave the"),
    Case("one byte too few", one([17], data: 67), "leave the"),
    Case("one block too few", one([64], 8, data: 67), "leave the"),
    Case("ends before its data", File.head(tensors: 1).tensor("t", [1], 0, at: 0), "before its data"),
    Case(
      "overlap", File.head(tensors: 2).tensor("a", [9], 0, at: 0).tensor("b", [1], 0, at: 32).data(64), "overlaps"),
    Case(
      "one inside another",
      File.head(tensors: 3).tensor("a", [1], 0, at: 32).tensor("b", [32], 0, at: 0).tensor("c", [1], 0, at: 128)
        .data(192), "overlaps"),
    Case(
      "original shape of another size",
      File.head(tensors: 1, entries: 1).text("comfy.gguf.orig_shape.t").u32(9, 5).u64(2).u32(2, 3)
        .tensor("t", [4], 0, at: 0).data(64), "orig_shape"),
    Case(
      "original shape that splits blocks",
      File.head(tensors: 1, entries: 1).text("comfy.gguf.orig_shape.t").u32(9, 5).u64(2).u32(2, 16)
        .tensor("t", [32], 8, at: 0).data(64), "orig_shape"),
    Case(
      "negative original shape",
      File.head(tensors: 1, entries: 1).text("comfy.gguf.orig_shape.t").u32(9, 5).u64(2)
        .u32(UInt32(bitPattern: -2), UInt32(bitPattern: -2)).tensor("t", [4], 0, at: 0).data(64), "orig_shape"),
    Case(
      "original shape is a text",
      File.head(tensors: 1, entries: 1).text("comfy.gguf.orig_shape.t").u32(8).text("2, 2")
        .tensor("t", [4], 0, at: 0).data(64), "orig_shape"),
  ]

  @Test(arguments: cases)
  func refuses(_ one: Case) throws {
    let error = try failure { try one.file.bytes.withUnsafeBytes { try GGUFHeader($0, path: "x.gguf") } }
    #expect(error.kind == .badInput)
    #expect(error.place?.hasPrefix("x.gguf") == true)
    #expect(error.what.contains(one.reason), "\(error)")
  }

  /// The frame of the cases is sound: what they are made of opens when nothing is wrong with it.
  @Test func acceptsWhatIsRight() throws {
    let file = Self.File.head(tensors: 2, entries: 2).text("general.alignment").u32(4, 32)
      .text("comfy.gguf.orig_shape.a").u32(9, 5).u64(2).u32(2, 2)
      .tensor("a", [4], 0, at: 0).tensor("b", [32, 2], 8, at: 32).data(100)
    let header = try file.bytes.withUnsafeBytes { try GGUFHeader($0, path: "x.gguf") }
    #expect(header.entries.map(\.type) == [TensorType([2, 2], .f32), TensorType([2, 32], .q8_0)])
    #expect(header.entries.map(\.byteOffset) == [file.bytes.count - 100, file.bytes.count - 68])
    let empty = try Self.File.head(version: 2).bytes.withUnsafeBytes { try GGUFHeader($0, path: "x") }
    #expect(empty.entries.isEmpty)
  }

  /// Every prefix and every changed byte of a sound file is either refused or keeps its tensors inside the file.
  @Test func damagedFilesStayInside() throws {
    let sound = Self.File.head(tensors: 2, entries: 2).text("general.alignment").u32(4, 32).text("s").u32(9, 8).u64(2)
      .text("x").text("yz").tensor("a", [4], 0, at: 0).tensor("b", [32, 2], 8, at: 32).data(100).bytes
    var (refused, accepted) = (0, 0)
    func check(_ bytes: [UInt8]) {
      bytes.withUnsafeBytes { buffer in
        do {
          let header = try GGUFHeader(buffer, path: "x")
          accepted += 1
          #expect(header.entries.allSatisfy { $0.byteOffset + $0.type.byteCount <= buffer.count })
        } catch { refused += 1 }
      }
    }
    for count in 0..<sound.count { check(Array(sound.prefix(count))) }
    for index in 0..<sound.count - 100 {
      for value: UInt8 in [0, 1, 2, 7, 8, 9, 127, 128, 255] {
        var bytes = sound
        bytes[index] = value
        check(bytes)
      }
    }
    #expect(refused > 1000 && accepted > 300, "\(refused) \(accepted)")
  }
}
