import LumosTensor

@testable import LumosFiles

// MARK: Folders of torch.distributed.checkpoint, and safetensors

extension HostileFile {
  private typealias P = PickleBuilder

  /// A file of one tensor, as each piece is saved.
  static func part(_ tensor: [UInt8] = P.tensor()) -> [UInt8] { ZipBuilder.torch(P.pickle(tensor)).bytes() }

  /// A folder with this description and one file with one piece.
  private static func folder(
    _ name: String, _ fragment: String, _ description: @autoclosure @escaping @Sendable () -> [UInt8],
    part: [UInt8] = part()
  ) -> HostileFile {
    HostileFile(folder: name, fragment, [(".metadata", description()), ("__0_0.distcp", part)])
  }

  /// A right description but for this tensor and these pieces.
  private static func folder(
    _ name: String, _ fragment: String, tensor: [UInt8]? = nil, piece: ([UInt8], [UInt8])? = nil, part: [UInt8] = part()
  ) -> HostileFile {
    folder(
      name, fragment,
      P.folder(
        [("w", tensor ?? P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])]))],
        [piece ?? P.piece(length: part.count)]), part: part)
  }

  static let folders: [HostileFile] = [
    HostileFile(folder: "no description", "no .metadata", [("__0_0.distcp", part())]),
    HostileFile(folder: "an empty description", "no pickle", [(".metadata", [])]),
    HostileFile(
      folder: "a missing file", "holds a piece of w",
      [
        (
          ".metadata",
          P.folder([("w", P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])]))], [P.piece(length: 9)])
        )
      ]),
    folder(
      "os.system in the description", "calls os.system", P.pickle(P.call(P.global("os", "system"), [P.text("x")]))),
    folder(
      "containers without end in the description", "containers, and 2000003 bytes are too few",
      [0x80, 2, 0x4e] + Array(repeating: 0x85, count: 2_000_000)),
    folder("a description of nothing", "describes no folder", P.pickle(P.none)),
    folder("a description that is a tensor", "describes no folder", P.file()),
    folder("no tensors", "describes no weights", P.folder([], [])),
    folder(
      "an optimizer alone", "describes no weights",
      P.folder([("optimizer.w", P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])]))], [])),
    folder(
      "a tensor twice", "twice",
      P.folder(
        Array(repeating: ("w", P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])])), count: 2),
        [P.piece(length: part().count)])),
    folder(
      "a piece in two places", "in two places",
      P.folder(
        [("w", P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])]))],
        [P.piece(length: part().count), P.piece(offset: 1, length: 3)])),
    folder("a piece outside the folder", "no file of the folder", piece: P.piece(file: "../x", length: 9)),
    folder("a piece in /etc", "no file of the folder", piece: P.piece(file: "/etc/passwd", length: 9)),
    folder("a piece with NUL", "no file of the folder", piece: P.piece(file: "__0_0.distcp\0", length: 9)),
    folder("a piece in the folder itself", "no file of the folder", piece: P.piece(file: ".", length: 9)),
    folder("a piece in the description", "no file that torch.save wrote", piece: P.piece(file: ".metadata", length: 9)),
    folder("a piece beyond its file", "cut off", piece: P.piece(length: 1 << 40)),
    folder("a piece at 2^63 - 1", "cut off", piece: P.piece(offset: .max, length: .max)),
    folder("a piece at -1", "without file, offset and length", piece: P.piece(offset: -1, length: 9)),
    folder("a piece of -1 bytes", "without file, offset and length", piece: P.piece(length: -1)),
    folder("a piece of 9 bytes", "no zip archive", piece: P.piece(length: 9)),
    folder("a piece that is nowhere", "is nowhere", piece: P.piece("v", length: 9)),
    folder("a piece that is a number", "something else than a tensor", part: part(P.integer(4))),
    folder("a piece that calls os.system", "calls os.system", part: part(P.call(P.global("os", "system"), []))),
    folder("a piece of another size", "is f32[3, 2]", part: part(P.tensor(sizes: [3, 2], strides: [2, 1]))),
    folder("a piece of another type", "is i32[2, 3]", part: part(P.tensor(P.storage("IntStorage")))),
    folder(
      "pieces that overlap", "overlap",
      tensor: P.described([2, 3], chunks: [P.chunk([0, 0], [1, 3]), P.chunk([0, 0], [1, 3])])),
    folder(
      "pieces with a hole", "3 elements, not the 6", tensor: P.described([2, 3], chunks: [P.chunk([0, 0], [1, 3])])),
    folder("a piece beyond its tensor", "leaves", tensor: P.described([2, 3], chunks: [P.chunk([1, 0], [2, 3])])),
    folder(
      "a piece at 2^63 - 1 of its tensor", "leaves",
      tensor: P.described([2, 3], chunks: [P.chunk([.max, 0], [2, 3])])),
    folder("a piece of another rank", "leaves", tensor: P.described([2, 3], chunks: [P.chunk([0], [6])])),
    folder("a size that overflows", "overflows", tensor: P.described([1 << 32, 1 << 32], chunks: [])),
    folder("a negative size", "negative", tensor: P.described([-2, 3], chunks: [])),
    folder("a type that is none", "not supported", tensor: P.described([2, 3], type: "complex64", chunks: [])),
    folder(
      "513 pieces", "513 pieces",
      tensor: P.described([2, 3], chunks: Array(repeating: P.chunk([0, 0], [2, 3]), count: 513))),
    folder("a piece without a name", "without a name", piece: (P.none, P.none)),
    folder(
      "a thousand tensors in one piece", "shares bytes",
      P.folder(
        (0..<1000).map { ("w\($0)", P.described([2, 3], chunks: [P.chunk([0, 0], [2, 3])])) },
        (0..<1000).map { P.piece("w\($0)", length: part().count) })),
    folder(
      "a hundred thousand pieces with one long index", "without a name",
      {
        // The description of an index has 100 000 members, and is remembered.
        let long = P.dictionary((0..<100_000).map { ("\($0)", P.none) } + [("fqn", P.text("w"))])
        let index = P.object("MetadataIndex", state: long) + Array("q".utf8) + [0]
        let again = (Array("h".utf8) + [0], P.none)
        return P.folder(
          [("w", P.described([2, 3], chunks: []))], [(index, P.none)] + Array(repeating: again, count: 100_000))
      }()),
    folder(
      "many tensors that share their pieces", "is nowhere",
      {
        let chunks = (0..<512).map { P.chunk([$0, 0], [1, 3]) }
        let first = P.described([512, 3], chunks: chunks) + Array("q".utf8) + [0]
        return P.folder(
          [("w", first)] + (0..<100_000).map { ("w\($0)", Array("h".utf8) + [0]) }, [])
      }()),
  ]

  // MARK: Safetensors

  private static func header(_ name: String, _ fragment: String, _ text: String, data: Int = 4) -> HostileFile {
    HostileFile(.safetensors, name, fragment, safetensors(text, dataCount: data))
  }

  static let headers: [HostileFile] = [
    HostileFile(.safetensors, "seven bytes", "7 bytes long", Array(repeating: 0, count: 7)),
    HostileFile(
      .safetensors, "a header of 2^64 - 1 bytes", "longer than the format allows",
      safetensors("{}", dataCount: 0, claimedLength: .max)),
    HostileFile(
      .safetensors, "a header beyond the file", "does not fit",
      safetensors("{}", dataCount: 0, claimedLength: 99_999_999)),
    header("a hundred thousand brackets", "deep", #"{"a":"# + String(repeating: "[", count: 100_000)),
    header("a name twice", "twice", #"{"a":{},"a":{}}"#),
    header(
      "bytes that overflow", "overflow", #"{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,4]}}"#),
    header(
      "offsets beyond the file", "outside", #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,9223372036854775807]}}"#),
    header(
      "a zero that hides an overflow", "overflow",
      #"{"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}"#),
  ]
}
