import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// Which variant of an op is taken.
@Suite struct VariantTests {
  static let device = DeviceProfile(
    subgroupSize: 32, sharedMemoryBytes: 48 << 10, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 65535)

  /// Kernels of a linear layer of `rows` rows, where `forced` is wanted.
  static func kernels(rows: Int, forced: [String: String]) throws -> [String] {
    var device = device
    device.forcedVariants = forced
    let inputs = [TensorType([rows, 64], .f32), TensorType([32, 64], .f32)]
    return try Linear().lower(.init(inputs: inputs, outputs: Linear().outputTypes(inputs)), device).map(\.kernel)
  }

  @Test("The rules choose, unless somebody wants another variant that can run")
  func choice() throws {
    #expect(try Self.kernels(rows: 1, forced: [:]) == ["Linear.vector.f32"])
    #expect(try Self.kernels(rows: 1, forced: ["Linear": "tiles"]) == ["Linear.tiles.f32"])
    #expect(try Self.kernels(rows: 1, forced: ["MultiLinear": "tiles"]) == ["Linear.vector.f32"])
    #expect(try Self.kernels(rows: 9, forced: ["Linear": "vector"]) == ["Linear.tiles.f32"])
  }

  @Test("Half types are multiplied by matrix units where there are some, on a processor only if asked")
  func matrices() throws {
    func kernels(_ rows: Int, _ x: DType, _ device: DeviceProfile) throws -> [String] {
      let inputs = [TensorType([rows, 64], x), TensorType([96, 64], .f32)]
      return try Linear().lower(.init(inputs: inputs, outputs: Linear().outputTypes(inputs)), device).map(\.kernel)
    }
    var device = Self.device
    device.matrixShapes = [.init(m: 16, n: 16, k: 16, input: .f16)]
    #expect(try kernels(9, .f16, device) == ["Linear.matrix.f16"])
    #expect(try kernels(9, .bf16, device) == ["Linear.tiles.f32"])
    #expect(try kernels(9, .f32, device) == ["Linear.tiles.f32"])
    #expect(try kernels(4, .f16, device) == ["Linear.vector.f32"])
    device.forcedVariants = ["Linear": "matrix"]
    #expect(try kernels(4, .f16, device) == ["Linear.matrix.f16"])
    #expect(try kernels(4, .f32, device) == ["Linear.vector.f32"])
    device.subgroupSize = 8
    #expect(try kernels(9, .f16, device) == ["Linear.matrix.f16"])
    device.forcedVariants = [:]
    #expect(try kernels(9, .f16, device) == ["Linear.tiles.f32"])
  }

  @Test("Tiles of matrix products fit the device, whole fragments to a share and whole words to an invocation")
  func matrixTiles() throws {
    let shapes = [(16, 16, 16, 32), (16, 16, 16, 64), (8, 16, 16, 32), (8, 16, 16, 16), (8, 8, 8, 8), (16, 8, 16, 32)]
    for (m, n, k, subgroup) in shapes {
      for kibibytes in [32, 48, 64] {
        var device = Self.device
        device.subgroupSize = subgroup
        device.sharedMemoryBytes = kibibytes << 10
        device.matrixShapes = [.init(m: m, n: n, k: k, input: .bf16)]
        for (rows, columns) in [(1, 1), (17, 40), (300, 100), (100, 3000), (43_680, 1536)] {
          let tile = try #require(MatrixTile(rows: rows, columns: columns, dtype: .bf16, device))
          #expect(tile.shareRows % m == 0 && tile.shareColumns % n == 0 && MatrixTile.depth % k == 0)
          #expect(tile.rows % tile.shareRows == 0 && tile.columns % tile.shareColumns == 0)
          let shares = tile.rows / tile.shareRows * (tile.columns / tile.shareColumns)
          #expect(tile.invocations == shares * subgroup && tile.invocations <= 1024)
          // A row of a tile is four words of eight factors; of the left tile each invocation loads as many words as
          // any other.
          #expect(tile.rows * 4 % tile.invocations == 0)
          #expect(tile.buffers * (tile.rows + tile.columns) * 80 <= kibibytes << 10)
          #expect(shares * m * (tile.shareColumns + 4) * 4 <= kibibytes << 10)
        }
      }
    }
    #expect(MatrixTile(rows: 64, columns: 64, dtype: .f16, Self.device) == nil)
  }

  @Test("The tile grows with the result, and the largest product of the device is taken")
  func matrixRules() throws {
    var device = Self.device
    device.matrixShapes = [
      .init(m: 16, n: 8, k: 8, input: .f16), .init(m: 16, n: 16, k: 16, input: .f16),
      .init(m: 32, n: 32, k: 16, input: .f16), .init(m: 16, n: 16, k: 16, input: .bf16),
    ]
    let large = try #require(MatrixTile(rows: 43_680, columns: 1536, dtype: .f16, device))
    #expect(large.shape == .init(m: 16, n: 16, k: 16, input: .f16))
    #expect([large.rows, large.columns, large.invocations, large.buffers] == [128, 128, 128, 2])
    let small = try #require(MatrixTile(rows: 512, columns: 1536, dtype: .f16, device))
    #expect(small.rows * small.columns < large.rows * large.columns)
  }

  @Test("What a device can run are names that its op has, and every op has one")
  func names() throws {
    for case let op as any VulkanLowering.Type in OpCatalog.all {
      #expect(!op.variantNames.isEmpty && Set(op.variantNames).count == op.variantNames.count)
    }
    for rows in [1, 4, 5] {
      let types = LoweredTypes(
        inputs: [.init([rows, 8], .f32), .init([4, 8], .f32)], outputs: [.init([rows, 4], .f32)])
      #expect(Set(Linear().variants(types, Self.device)).isSubset(of: Linear.variantNames))
    }
  }

  @Test("Text names variants of ops; what does not exist is refused with what does")
  func parsing() throws {
    #expect(try DeviceProfile.variantChoices("") == [:])
    #expect(
      try DeviceProfile.variantChoices("Linear=tiles,MultiLinear=vector")
        == ["Linear": "tiles", "MultiLinear": "vector"])
    func failure(_ text: String) -> LumosError? { lumosError { _ = try DeviceProfile.variantChoices(text) } }
    let unknownOp = try #require(failure("Softmax=tiles"))
    #expect(unknownOp.kind == .usage && unknownOp.description.contains("Linear, MultiLinear"), "\(unknownOp)")
    let unknownName = try #require(failure("Linear=tiles,Linear=fast"))
    #expect(unknownName.kind == .usage && unknownName.description.contains("matrix, tiles, vector"), "\(unknownName)")
    for text in ["Linear", "Linear=", "=tiles", "Linear=tiles=vector"] { #expect(failure(text)?.kind == .usage) }
  }

  @Test("Matrix products count where subgroups are pinned, sums are float32 and the type exists in shaders")
  func matrixShapes() {
    func shape(_ m: Int, _ a: String, _ c: String = "f32", scope: String = "subgroup") -> DeviceDescription.MatrixShape
    {
      .init(m: m, n: 16, k: 16, a: a, b: a, c: c, result: c, scope: scope)
    }
    var device = DeviceSelectionTests.device(0, "GPU", .discrete)
    device.matrixShapes = [
      shape(16, "f16"), shape(8, "f16", "f16"), shape(16, "bf16"), shape(16, "s8", "s32"),
      shape(4, "f16", scope: "workgroup"),
    ]
    (device.limits.minSubgroupSize, device.limits.maxSubgroupSize) = (16, 32)
    device.features.cooperativeMatrix = true
    device.features.vulkanMemoryModel = true
    device.features.shaderFloat16 = true
    #expect(device.profile.matrixShapes == [])
    device.features.subgroupSizeControl = true
    device.features.computeFullSubgroups = true
    let half = DeviceProfile.MatrixShape(m: 16, n: 16, k: 16, input: .f16)
    #expect(device.profile.matrixShapes == [half])
    device.features.bfloat16 = true
    device.features.bfloat16CooperativeMatrix = true
    #expect(device.profile.matrixShapes.map(\.input) == [.f16, .bf16])
    device.features.shaderFloat16 = false
    #expect(device.profile.matrixShapes.map(\.input) == [.bf16])
    device.features.vulkanMemoryModel = false
    #expect(device.profile.matrixShapes == [])
  }

  @Test("The capability of matrix kernels is found among a module's first instructions only")
  func capability() {
    let header: [UInt32] = [0x0723_0203, 0x0001_0500, 0, 1, 0]
    #expect(Pipelines.multipliesMatrices(header + [0x0002_0011, 1, 0x0002_0011, 6022, 0x0003_000e, 0, 1]))
    #expect(!Pipelines.multipliesMatrices(header + [0x0002_0011, 1, 0x0003_000e, 0, 1, 0x0002_0011, 6022]))
    #expect(!Pipelines.multipliesMatrices(header + [0x0002_0011]))
    #expect(!Pipelines.multipliesMatrices([]))
  }
}
