import LumosTensor

@testable import LumosFiles

// MARK: Pickles

extension HostileFile {
  private typealias P = PickleBuilder

  /// A right archive with this pickle.
  static func pickle(
    _ name: String, _ fragment: String, _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]
  ) -> HostileFile {
    HostileFile(.pytorch, name, fragment, ZipBuilder.torch(bytes()).bytes())
  }

  /// A pickle of a few instructions.
  private static func code(_ name: String, _ fragment: String, _ code: [UInt8]) -> HostileFile {
    pickle(name, fragment, [0x80, 2] + code)
  }

  private static func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

  static let pickles: [HostileFile] = [
    pickle("an empty pickle", "no pickle", []),
    pickle("protocol 1", "protocol 2 to 5", [0x80, 1, 0x2e]),
    pickle("protocol 6", "protocol 2 to 5", [0x80, 6, 0x2e]),
    pickle("second protocol 9", "protocol 2 to 5", [0x80, 2, 0x80, 9, 0x2e]),
    pickle(
      "os.system", "calls os.system",
      P.pickle(P.call(P.global("os", "system"), [P.text("touch /tmp/pwned")]))),
    pickle("builtins.eval", "calls builtins.eval", P.pickle(P.call(P.global("builtins", "eval"), [P.text("1")]))),
    pickle("__builtin__.exec", "calls __builtin__.exec", P.pickle(P.global("__builtin__", "exec"))),
    pickle("torch.load", "calls torch.load", P.pickle(P.call(P.global("torch", "load"), [P.text("y")]))),
    pickle(
      "subprocess.Popen by STACK_GLOBAL", "calls subprocess.Popen",
      [0x80, 4] + P.text("subprocess") + P.text("Popen") + [0x93, 0x2e]),
    pickle(
      "a name with dots", "calls torch.Size.__class__",
      [0x80, 4] + P.text("torch") + P.text("Size.__class__") + [0x93, 0x2e]),
    pickle("numpy's arrays", "calls numpy", P.pickle(P.global("numpy.core.multiarray", "_reconstruct"))),
    pickle(
      "STACK_GLOBAL of numbers", "something else than text", [0x80, 4] + P.integer(1) + P.integer(2) + [0x93, 0x2e]),
    code("INST", "INST", ascii("(ios\nsystem\n.")),
    code("OBJ", "OBJ", ascii("(ctorch\nSize\no.")),
    code("GET by text", "GET", ascii("g0\n.")),
    code("PERSID", "PERSID", ascii("P0\n.")),
    code("EXT1", "EXT1", [0x82, 1, 0x2e]),
    code("NEWOBJ_EX", "NEWOBJ_EX", [0x92, 0x2e]),
    code("NEXT_BUFFER", "NEXT_BUFFER", [0x97, 0x2e]),
    code("an unknown instruction", "unknown instruction 0xff", [0xff, 0x2e]),
    code("no end", "ends within an instruction", ascii("N")),
    code("nothing left", "not there", ascii(".")),
    code("values left over", "left over", ascii("NN.")),
    code("a mark left over", "left over", ascii("(N.")),
    code("too many values taken", "not there", [0x87, 0x2e]),
    code("a mark that is not there", "a mark that is not there", ascii("t.")),
    code("a value below the mark", "not there", ascii("N(0.")),
    code("a memo that is not there", "memo 7 is not there", ascii("h") + [7, 0x2e]),
    code("memo 2^32 - 1", "out of order", ascii("Nr") + little(UInt32.max) + ascii(".")),
    code("text of 2^32 - 1 bytes", "ends within an instruction", ascii("X") + little(UInt32.max) + ascii("a.")),
    code("text of 2^64 - 1 bytes", "ends within an instruction", [0x8d] + little(UInt64.max) + ascii("a.")),
    code("bytes of 2^63 - 1", "ends within an instruction", [0x8e] + little(UInt64.max >> 1) + ascii("a.")),
    code("a frame beyond the end", "frame leaves the pickle", [0x95] + little(UInt64.max) + ascii("N.")),
    code("text not UTF-8", "not UTF-8", ascii("X") + little(UInt32(1)) + [0xff, 0x2e]),
    code(
      "an integer of 200 bytes", "larger than any size", [0x8a, 200] + Array(repeating: 1, count: 200) + ascii(".")),
    code("an integer of -1 bytes", "larger than any size", [0x8b] + little(Int32(-1)) + ascii(".")),
    code("an integer of 2^31 - 1 bytes", "larger than any size", [0x8b] + little(Int32.max) + ascii(".")),
    code("a name without end", "name has no end", ascii("c") + Array(repeating: 97, count: 5000)),
    code("a call of text", "no function", P.text("os.system") + ascii(")R.")),
    code("a call of a dtype", "calls", P.global("torch", "float32") + ascii(")R.")),
    code("arguments that are no tuple", "no function", P.global("torch", "Size") + ascii("NR.")),
    code("an instance of torch.Size", "makes an instance of", P.global("torch", "Size") + [0x29, 0x81, 0x2e]),
    code("an item of a tuple", "something else than a list", ascii("))a.")),
    code("a key of a list", "something else than a dictionary", ascii("]NNs.")),
    code("a key without a value", "without a value", ascii("}(Nu.")),
    code("a state of a tuple", "without one", ascii(")Nb.")),
    code("a persistent id of text", "not described by its type", P.text("0") + ascii("Q.")),
    code("a list that contains itself", "no dictionary of tensors", ascii("]q") + [0] + ascii("h") + [0] + ascii("a.")),
    code(
      "wrappers that contain each other", "no dictionary of tensors",
      ascii("}q") + [0] + P.text("model") + ascii("h") + [0] + ascii("s.")),
    pickle("no tensor at all", "no dictionary of tensors", P.pickle(P.dictionary([("w", P.integer(1))]))),
  ]

  /// Small files that would like to be large in memory, or to take long.
  static let bombs: [HostileFile] = [
    code("a million marks", "marks", Array(repeating: 0x28, count: 1_000_000)),
    code("a million values", "piles up more than", Array(repeating: 0x4e, count: 1_000_000)),
    code("a million lists in each other", "piles up more than", Array(repeating: 0x5d, count: 1_000_000)),
    code(
      "tuples in each other without end", "more than 400000 values", [0x4e] + Array(repeating: 0x85, count: 2_000_000)),
    code(
      "doubling tuples", "more than 400000 values",
      [0x4e] + Array(repeatElement([0x32, 0x86], count: 2_000_000).joined())),
    code(
      "tensors without end", "more than 400000 values",
      {
        // One tensor's arguments are remembered, and rebuilt again and again.
        let arguments = P.tuple([
          P.storage(), P.integer(0), P.integers([2, 3]), P.integers([3, 1]), P.no,
          P.call(P.global("collections", "OrderedDict"), []),
        ])
        let again: [UInt8] = ascii("h") + [0] + ascii("h") + [1] + ascii("R0")
        return P.global("torch._utils", "_rebuild_tensor_v2") + ascii("q") + [0] + ascii("0") + arguments + ascii("q")
          + [1] + ascii("0") + Array(repeatElement(again, count: 1_000_000).joined())
      }()),
    code(
      "objects without end", "more than 400000 values",
      P.global(P.metadata, "MetadataIndex") + ascii("q") + [0]
        + Array(repeatElement(ascii("h") + [0] + [0x29, 0x81, 0x30], count: 400_000).joined())),
    code(
      "a far memo", "out of order",
      {
        // The memo's number is within the length of the pickle, but far beyond what was remembered.
        var code = P.text(String(repeating: "a", count: 8_000_000))
        code += ascii("r") + little(UInt32(7_999_999)) + ascii(".")
        return code
      }()),
    pickle("a pickle of 17 MiB", "longer than a checkpoint's", [0x80, 2] + Array(repeating: 0x4e, count: 17 << 20)),
    HostileFile(
      .pytorch, "65 000 entries", "without data.pkl",
      ZipBuilder((0..<65_000).map { ZipBuilder.Entry("a/data/\($0)", []) }).bytes()),
    HostileFile(
      .pytorch, "wrappers that are their own wrappers", "no dictionary of tensors",
      ZipBuilder.torch(
        [0x80, 2] + ascii("}q") + [0]
          + P.dictionary(PyTorchFile.wrappers.map { ($0, ascii("h") + [0]) })
          + Array(repeatElement([0x29, 0x30, 0x4e, 0x30, 0x4e, 0x30], count: 50_000).joined()) + ascii("0.")
      ).bytes()),
  ]

  static let tensors: [HostileFile] = [
    tensor("a storage that is missing", "not in the file", P.tensor(P.storage(key: "1"))),
    tensor("a storage outside", "not in the file", P.tensor(P.storage(key: "../../x"))),
    tensor("a storage of 2^62 elements", "too few", P.tensor(P.storage(count: 1 << 62))),
    tensor("a storage of -1 elements", "too few", P.tensor(P.storage(count: -1))),
    tensor("a storage one element too large", "too few", P.tensor(P.storage(count: 7))),
    tensor("a storage of an unknown type", "calls torch.QInt8Storage", P.tensor(P.storage("QInt8Storage"))),
    tensor("complex numbers", "complex64 is not supported", P.tensor(P.storage("ComplexFloatStorage", count: 3))),
    tensor("a tensor larger than its storage", "leave its 6", P.tensor(sizes: [2, 4], strides: [4, 1])),
    tensor("an offset beyond the storage", "leave its 6", P.tensor(offset: 1)),
    tensor("an offset of -1", "negative", P.tensor(offset: -1)),
    tensor("an offset of 2^63 - 1", "leave its 6", P.tensor(offset: .max)),
    tensor("a negative size", "negative", P.tensor(sizes: [-2, 3])),
    tensor("a negative stride", "negative", P.tensor(strides: [-3, 1])),
    tensor("sizes that overflow", "overflow", P.tensor(sizes: [1 << 32, 1 << 32])),
    tensor(
      "sizes that overflow behind a zero", "overflow", P.tensor(sizes: [0, 1 << 40, 1 << 40], strides: [1, 1, 1])),
    tensor("strides that overflow", "leave its 6", P.tensor(strides: [.max, .max])),
    tensor("one element a thousand million times", "repeat", P.tensor(sizes: [1000, 1_000_000], strides: [0, 0])),
    tensor("sizes and strides of different ranks", "sizes and strides", P.tensor(sizes: [2, 3], strides: [1])),
    tensor(
      "17 axes", "at most 16", P.tensor(sizes: [Int](repeating: 1, count: 17), strides: [Int](repeating: 1, count: 17))),
    tensor(
      "sizes of text", "sizes and strides",
      P.call(
        P.global("torch._utils", "_rebuild_tensor_v2"),
        [P.storage(), P.integer(0), P.tuple([P.text("2")]), P.integers([1]), P.no, P.none])),
    tensor(
      "a tensor without a storage", "no storage",
      P.call(
        P.global("torch._utils", "_rebuild_tensor_v2"),
        [P.none, P.integer(0), P.integers([2]), P.integers([1]), P.no, P.none])),
    tensor(
      "a parameter of text", "something else than a tensor",
      P.call(P.global("torch._utils", "_rebuild_parameter"), [P.text("x"), P.no, P.none])),
    tensor(
      "a tensor of too few parts", "with 1 arguments",
      P.call(P.global("torch._utils", "_rebuild_tensor_v2"), [P.storage()])),
    pickle("one name twice", "twice", P.pickle(P.dictionary([("w", P.tensor()), ("w", P.tensor())]))),
  ]

  private static func tensor(_ name: String, _ fragment: String, _ tensor: [UInt8]) -> HostileFile {
    pickle(name, fragment, P.file(tensor))
  }
}
