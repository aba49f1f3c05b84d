import LumosTensor
import Testing

@testable import LumosFiles

struct SafetensorsTests {
  // MARK: Reading

  @Test func readsTensorsAsViews() throws {
    let folder = try ScratchFolder()
    let header = #"""
      {"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},
      "a":{"dtype":"I32","shape":[2,1],"data_offsets":[3,11]},
      "flag":{"dtype":"BOOL","shape":[1],"data_offsets":[11,12]},
      "scalar":{"dtype":"BF16","shape":[],"data_offsets":[12,14]},
      "none":{"dtype":"F64","shape":[4,0],"data_offsets":[14,14]}}
      """# + "   "
    let file = try SafetensorsFile(try folder.write(safetensors(header, dataCount: 14), to: "x.safetensors"))
    #expect(file.names == ["b", "a", "flag", "scalar", "none"])
    #expect(file.metadata == ["format": "pt"])
    #expect(file.type(of: "a") == TensorType([2, 1], .i32))
    #expect(file.tensor("a")?.integers() == [0x0605_0403, 0x0a09_0807])
    #expect(file.tensor("b")?.integers() == [0, 1, 2])
    #expect(file.type(of: "flag") == TensorType([1], .u8))
    #expect(file.tensor("scalar")?.floats() == [BFloat16.float(0x0d0c)])
    #expect(file.tensor("none")?.count == 0)
    #expect(file.tensor("c") == nil)
    #expect(try failure { try file.requireTensor("c") }.what == "has no tensor c")
  }

  @Test func viewsOutliveTheFileValue() throws {
    let folder = try ScratchFolder()
    let header = #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#
    let path = try folder.write(safetensors(header, dataCount: 4), to: "x")
    let tensor = try SafetensorsFile(path).tensor("a")
    #expect(tensor?.integers() == [0, 1, 2, 3])
  }

  // MARK: Refusing

  private func refusal(_ bytes: [UInt8]) throws -> LumosError {
    try failure { try bytes.withUnsafeBytes { try SafetensorsHeader(file: $0, path: "x.safetensors") } }
  }

  @Test(arguments: [
    (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}"#, 4, "header byte 52", "expected ',' or '}'"),
    (#" {}"#, 0, "header byte 0", "'{'"),
    (#"{}x"#, 0, "header byte 2", "after the end"),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#, 4,
      "header byte 53", "twice"
    ),
    (#"{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}}"#, 4, "tensor a", "I8 is not supported"),
    (#"{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}"#, 4, "tensor a", "f32 is not supported"),
    (#"{"a":{"shape":[4],"data_offsets":[0,4]}}"#, 4, "tensor a", "no dtype"),
    (#"{"a":{"dtype":"U8","data_offsets":[0,4]}}"#, 4, "tensor a", "no shape"),
    (#"{"a":{"dtype":"U8","shape":[4]}}"#, 4, "tensor a", "data_offsets"),
    (#"{"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}"#, 4, "tensor a", "sizes"),
    (#"{"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}"#, 4, "tensor a", "sizes"),
    (#"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, 4, "tensor a", "overflows"),
    (#"{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,4]}}"#, 4, "tensor a", "overflows"),
    (#"{"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, 4, "tensor a", "sizes"),
    (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}"#, 4, "tensor a", "data_offsets"),
    (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#, 4, "tensor a", "outside"),
    (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}}"#, 4, "tensor a", "outside"),
    (#"{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}}"#, 4, "tensor a", "outside"),
    (#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,4]}}"#, 4, "tensor a", "which needs 3"),
    (#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#, 4, "tensor a", "belong to no tensor"),
    (#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, 4, "data byte 2", "after the last tensor"),
    (
      #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#, 4,
      "tensor b", "inside another tensor"
    ),
    (#"{"a":[]}"#, 0, "tensor a", "a list"),
    (#"{"__metadata__":{"n":1}}"#, 0, "__metadata__.n", "not a string"),
    (#"{"__metadata__":[]}"#, 0, "__metadata__", "not an object"),
  ])
  func refuses(header: String, dataCount: Int, place: String, reason: String) throws {
    let error = try refusal(safetensors(header, dataCount: dataCount))
    #expect(error.kind == .badInput)
    #expect(error.place == "x.safetensors, \(place)")
    #expect(error.what.contains(reason), "\(error)")
  }

  @Test func refusesImpossibleLengths() throws {
    #expect(try refusal([1, 2, 3]).what.contains("3 bytes long"))
    #expect(try refusal([]).kind == .badInput)
    #expect(
      try refusal(safetensors("{}", dataCount: 0, claimedLength: 1 << 30)).what.contains("longer than the format"))
    #expect(try refusal(safetensors("{}", dataCount: 0, claimedLength: .max)).what.contains("longer than the format"))
    #expect(try refusal(safetensors("{}", dataCount: 0, claimedLength: 3)).what.contains("does not fit"))
    #expect(try refusal(safetensors("", dataCount: 0)).place == "x.safetensors, header byte 0")
    var invalid = safetensors(#"{"a":1}"#, dataCount: 0)
    invalid[10] = 0xff
    #expect(try refusal(invalid).place == "x.safetensors, header byte 2")
  }

  /// A truncated download, at every length.
  @Test func refusesEveryTruncation() throws {
    let header = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
    let whole = safetensors(header, dataCount: 8)
    for count in 0..<whole.count { #expect(try refusal(Array(whole.prefix(count))).kind == .badInput) }
  }

  /// Thousands of damaged headers: each is refused, or describes tensors that tile the file exactly.
  @Test func damagedHeadersNeverLeaveTheFile() {
    let header = #"""
      {"__metadata__":{"k":"v"},"x.weight":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},
      "y":{"dtype":"I64","shape":[1],"data_offsets":[12,20]},"z":{"dtype":"U8","shape":[0],"data_offsets":[20,20]}}
      """#
    let original = safetensors(header, dataCount: 20)
    let tokens = ["{", "}", "[", "]", ":", ",", "\"", "0", "9", "-", "1e9", "\\u", "null", "4294967296", "\u{0}", "é"]
    var random = SplitMix64(state: 20_261_124)
    var refused = 0
    let rounds = 6000
    for _ in 0..<rounds {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
        case 2: bytes.removeSubrange(at..<min(at + 3, bytes.count))
        case 3: bytes.insert(contentsOf: Array(tokens.randomElement(using: &random)!.utf8), at: at)
        default: bytes.insert(contentsOf: bytes[at..<min(at + 9, bytes.count)], at: at)
        }
        if bytes.isEmpty { bytes = [0] }
      }
      bytes.withUnsafeBytes { buffer in
        do {
          let parsed = try SafetensorsHeader(file: buffer, path: "x")
          let total = parsed.entries.values.reduce(0) { $0 + $1.type.byteCount }
          #expect(parsed.entries.count == parsed.names.count)
          #expect(parsed.entries.values.allSatisfy { $0.byteOffset + $0.type.byteCount <= buffer.count })
          let length = Int(UInt64(littleEndian: buffer.loadUnaligned(as: UInt64.self)))
          #expect(8 + length + total == buffer.count)
        } catch {
          #expect((error as? LumosError)?.kind == .badInput)
          refused += 1
        }
      }
    }
    // Harmless changes (inside the data, or in a name) exist, but most damage is seen.
    #expect(refused > rounds / 2 && refused < rounds)
  }

  // MARK: Writing

  @Test func writtenTensorsComeBack() throws {
    let folder = try ScratchFolder()
    let path = "\(folder.path)/out.safetensors"
    let bytes = Tensor([3], .u8) { $0.copyBytes(from: [7, 8, 9]) }
    let floats = Tensor([1, -2.5, .infinity, 0.1], [2, 2])
    let tensors = [("bytes", bytes), ("größe", floats), ("half", floats.converted(to: .f16))]
    try SafetensorsWriter.write(tensors, metadata: ["b": "2", "a": "\"1\"\n"], to: path)
    #expect(folder.listing == ["out.safetensors"])
    let file = try SafetensorsFile(path)
    #expect(file.names == ["größe", "half", "bytes"])
    #expect(file.metadata == ["a": "\"1\"\n", "b": "2"])
    for (name, tensor) in tensors {
      let read = try file.requireTensor(name)
      #expect(read.type == tensor.type)
      #expect(read.doubles() == tensor.doubles())
      // Aligned to their elements.
      read.withUnsafeBytes { #expect(UInt(bitPattern: $0.baseAddress) % UInt(tensor.dtype.byteCount) == 0) }
    }
  }

  @Test func anEmptyFileIsValid() throws {
    let folder = try ScratchFolder()
    try SafetensorsWriter.write([], to: "\(folder.path)/e")
    #expect(try SafetensorsFile("\(folder.path)/e").names.isEmpty)
    #expect(try folder.contents(of: "e") == safetensors("{}      ", dataCount: 0))
  }
}

/// A small generator with a fixed sequence (Steele, Lea, Flood 2014).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
