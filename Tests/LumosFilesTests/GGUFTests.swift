import Foundation
import LumosTensor
import Testing

@testable import LumosFiles

/// Files by the gguf package (Tools/fixtures/make_gguf.py), and ours.
struct GGUFTests {
  private static func fixture(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/gguf/\(name)").path
  }

  private func bytes(_ tensor: Tensor) -> [UInt8] { tensor.withUnsafeBytes(Array.init) }

  // MARK: Blocks

  @Test(arguments: DType.blocks)
  func widensToTheLastBit(_ dtype: DType) throws {
    let file = try GGUFFile(Self.fixture("blocks.gguf"))
    let blocks = try file.requireTensor(dtype.rawValue)
    #expect(blocks.type == TensorType([3, 512], dtype))
    let expected = try file.requireTensor(dtype.rawValue + ".expected")
    #expect(expected.type == TensorType([3, 512], .f32))
    // Bit patterns: the sign of zero counts.
    let differences = zip(blocks.floats(), expected.floats()).enumerated().filter { $1.0.bitPattern != $1.1.bitPattern }
    #expect(differences.isEmpty, "\(differences.prefix(3))")
    #expect(Set(expected.floats()).count > 400)
    // Rows by themselves.
    #expect(blocks.rows(1..<2).floats() == Array(expected.floats()[512..<1024]))
  }

  @Test(arguments: [DType.q8_0, .q4_0, .q5_0])
  func quantisesToTheLastBit(_ dtype: DType) throws {
    let file = try GGUFFile(Self.fixture("blocks.gguf"))
    let quantised = try file.requireTensor("x").converted(to: dtype)
    let expected = try file.requireTensor(dtype.rawValue + ".of_x")
    #expect(bytes(quantised) == bytes(expected))
  }

  // MARK: Reading

  @Test func readsEveryKind() throws {
    let file = try GGUFFile(Self.fixture("kinds.gguf"))
    #expect(file.format == "GGUF")
    #expect(file.names == ["f32", "f16", "bf16", "float64", "int32", "int64", "conv"])
    let values = (0..<24).map { Float($0) / 8 }
    for (name, dtype) in [("f32", DType.f32), ("f16", .f16), ("bf16", .bf16), ("float64", .f64)] {
      #expect(file.type(of: name) == TensorType([2, 3, 4], dtype))
      #expect(try file.requireTensor(name).floats() == values)
    }
    for (name, dtype) in [("int32", DType.i32), ("int64", .i64)] {
      #expect(file.type(of: name) == TensorType([2, 3, 4], dtype))
      #expect(try file.requireTensor(name).integers() == (0..<24).map { $0 / 8 as Int })
    }
    #expect(file.type(of: "conv") == TensorType([2, 4, 1, 2, 2], .f32))
    #expect(try file.requireTensor("conv").floats() == (0..<32).map(Float.init))
    #expect(file.type(of: "none") == nil)
    #expect(try failure { try file.requireTensor("none") }.what == "has no tensor none")
    let read = try Tensor([2], .f32) { target in try file.read("conv", bytes: 12..<20, into: target) }
    #expect(read.floats() == [3, 4])

    let metadata = file.metadata
    #expect(metadata["general.architecture"] == .text("wan"))
    #expect(metadata["general.alignment"] == .integer(64))
    let integers = [
      "uint8": 200, "int8": -100, "uint16": 60000, "int16": -30000, "uint32": 4_000_000_000, "int32": -2_000_000_000,
      "uint64": 9_000_000_000_000_000_000, "int64": -9_000_000_000_000_000_000,
    ]
    for (key, value) in integers { #expect(metadata["k.\(key)"]?.integer == value, "\(key)") }
    #expect(metadata["k.float32"] == .number(0.5) && metadata["k.float64"] == .number(0.1))
    #expect(metadata["k.bool"] == .boolean(true) && metadata["k.string"]?.text == "größe")
    #expect(metadata["k.strings"] == .array(count: 3, integers: nil))
    #expect(metadata["k.integers"] == .array(count: 2, integers: [3, -4]))
    #expect(metadata["k.many"] == .array(count: 1000, integers: nil))
    #expect(metadata["k.floats"] == .array(count: 2, integers: nil))
  }

  // MARK: Writing

  @Test func writesWhatGGUFWrites() throws {
    let folder = try ScratchFolder()
    let x = Tensor((0..<96).map(Float.init), [3, 32])
    try GGUFWriter.write(
      [
        .init("first", Tensor((0..<5).map(Float.init), [5])), .init("second", x.converted(to: .q8_0)),
        .init("third", x.converted(to: .f16).reshaped([2, 3, 16])),
      ],
      metadata: [
        "general.architecture": .text("wan"), "general.flag": .boolean(true), "general.name": .text("tiny"),
        "general.quantization_version": .integer(2), "general.value": .number(0.25),
      ], to: folder.path + "/written.gguf")
    let expected = try MappedFile(Self.fixture("written.gguf")).withUnsafeBytes { Array($0) }
    #expect(try folder.contents(of: "written.gguf") == expected)
  }

  @Test func readsWhatItWrites() throws {
    let folder = try ScratchFolder()
    let path = folder.path + "/x.gguf"
    let x = Tensor((0..<1024).map { Float($0 % 37) - 18 }, [2, 512])
    var tensors = DType.blocks.map { ($0.rawValue, x.converted(to: $0)) }
    tensors.append(("conv", x.reshaped([2, 8, 4, 4, 4])))
    tensors.append(("scalar", Tensor([Float(5)], [])))
    try GGUFWriter.write(tensors.map { GGUFWriter.Item($0, $1) }, to: path)
    let file = try GGUFFile(path)
    #expect(file.names == tensors.map(\.0))
    for (name, tensor) in tensors {
      #expect(file.type(of: name) == tensor.type)
      #expect(try bytes(file.requireTensor(name)) == bytes(tensor))
    }
    #expect(file.metadata["comfy.gguf.orig_shape.conv"] == .array(count: 5, integers: [2, 8, 4, 4, 4]))
    let error = try failure { try GGUFWriter.write([.init("u", Tensor([4], .u8))], to: path) }
    #expect(error.what == "GGUF has no type u8")
    let long = try failure { try GGUFWriter.write([], metadata: ["n": .integer(-1)], to: path) }
    #expect(long.what == "metadata n cannot be written")
    // Neither has harmed the file.
    #expect(try GGUFFile(path).names == tensors.map(\.0) && folder.listing == ["x.gguf"])
  }
}
