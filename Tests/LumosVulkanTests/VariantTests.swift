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

  @Test(
    "Attention exchanges numbers within subgroups where there are no matrix units for it, on a processor only if asked")
  func subgroups() throws {
    func kernels(_ size: Int, _ type: DType, _ device: DeviceProfile) throws -> [String] {
      let inputs = [DType](repeating: type, count: 3).map { TensorType([9, 2 * size], $0) }
      let op = Attention(heads: 2, scale: 1, spans: [.init(queries: 0..<9, keys: 0..<9)])
      return try op.lower(.init(inputs: inputs, outputs: op.outputTypes(inputs)), device).map(\.kernel)
    }
    var device = Self.device
    #expect(try kernels(64, .f32, device) == ["Attention.tiles.none"])
    device.exchangesWithinSubgroups = true
    for size in [4, 40, 64, 128] { #expect(try kernels(size, .f32, device) == ["Attention.subgroups.none"]) }
    for size in [5, 132, 512] { #expect(try kernels(size, .f16, device) == ["Attention.tiles.none"]) }
    device.matrixShapes = [.init(m: 16, n: 16, k: 16, input: .f16)]
    #expect(try kernels(64, .f16, device) == ["Attention.matrix.none.f16"])
    #expect(try kernels(64, .bf16, device) == ["Attention.subgroups.none"])
    #expect(try kernels(40, .f16, device) == ["Attention.subgroups.none"])
    device.forcedVariants = ["Attention": "subgroups"]
    #expect(try kernels(64, .f16, device) == ["Attention.subgroups.none"])
    #expect(try kernels(512, .f16, device) == ["Attention.tiles.none"])
    device.forcedVariants = [:]
    device.subgroupSize = 8
    #expect(try kernels(64, .f32, device) == ["Attention.tiles.none"])
    device.subgroupSize = 32
    // Too little shared memory, too few invocations.
    device.sharedMemoryBytes = 16 << 10
    #expect(try kernels(64, .f32, device) == ["Attention.tiles.none"])
    (device.sharedMemoryBytes, device.maxWorkgroupInvocations) = (48 << 10, 64)
    #expect(AttentionSubgroupTile(headSize: 64, device) == nil)
  }

  @Test("Tiles of subgroups fit the device and its shared memory")
  func subgroupTiles() throws {
    var device = Self.device
    device.exchangesWithinSubgroups = true
    for kibibytes in [24, 32, 48, 64] {
      device.sharedMemoryBytes = kibibytes << 10
      for size in stride(from: 4, through: 128, by: 4) {
        let tile = try #require(AttentionSubgroupTile(headSize: size, device))
        let constants = tile.specialization.map(Int.init)
        let (keys, rows, slice, valueKeys, staged) =
          (constants[2], constants[3], constants[4], constants[5], constants[6])
        #expect(constants[0] == 128 && keys % 8 == 0 && rows == 4 && keys % valueKeys == 0 && valueKeys % 4 == 0)
        #expect(staged >= (64 + keys) * (slice + 1) && staged >= valueKeys * size / 4)
        #expect(16 * staged + 16 * 64 * (keys / 4 + 1) == tile.sharedBytes && tile.sharedBytes <= kibibytes << 10)
      }
    }
  }

  @Test("Subgroups count where they exchange numbers and are pinned")
  func exchange() {
    var device = DeviceSelectionTests.device(0, "GPU", .discrete)
    (device.limits.subgroupSize, device.limits.minSubgroupSize, device.limits.maxSubgroupSize) = (32, 32, 32)
    #expect(!device.profile.exchangesWithinSubgroups)
    device.features.subgroupShuffle = true
    #expect(device.profile.exchangesWithinSubgroups)
    device.limits.minSubgroupSize = 16
    #expect(!device.profile.exchangesWithinSubgroups)
    device.features.subgroupSizeControl = true
    device.features.computeFullSubgroups = true
    #expect(device.profile.exchangesWithinSubgroups)
    for size in [1, 4, 48, 256] {
      device.limits.subgroupSize = size
      #expect(!device.profile.exchangesWithinSubgroups, "\(size)")
    }
  }

  @Test("Matrices of whole workgroups are for those who ask, and for measurements: no rule takes them")
  func workgroups() throws {
    func kernels(_ rows: Int, _ x: DType, _ weight: DType, _ device: DeviceProfile) throws -> [Dispatch] {
      let inputs = [TensorType([rows, 640], x), TensorType([96, 640], weight)]
      return try Linear().lower(.init(inputs: inputs, outputs: Linear().outputTypes(inputs)), device)
    }
    var device = Self.device
    let steps = DeviceProfile.MatrixShape(m: 32, n: 32, k: 16, input: .f16)
    device.workgroupShapes = [
      .init(steps: steps, invocations: 128, largestSide: 1024),
      .init(steps: steps, invocations: 256, largestSide: 1024),
    ]
    // Without matrix units the sums are made in parts.
    #expect(try kernels(300, .f16, .f16, device).map(\.kernel) == ["Linear.tiles.f16", "Linear.sum"])
    device.matrixShapes = [.init(m: 16, n: 16, k: 16, input: .f16)]
    #expect(try kernels(300, .f16, .f16, device).map(\.kernel) == ["Linear.matrix.f16"])
    device.forcedVariants = ["Linear": "workgroup"]
    let forced = try kernels(300, .f16, .f16, device)
    #expect(forced.map(\.kernel) == ["Linear.workgroup.f16"] && VulkanDevice.kernel(forced[0].kernel) != nil)
    #expect(VulkanDevice.kernel("Linear.workgroup.bf16") != nil)
    // Weights of another type are not rounded on the way.
    #expect(try kernels(300, .f16, .bf16, device).map(\.kernel) == ["Linear.matrix.f16"])
    #expect(try kernels(300, .bf16, .bf16, device).map(\.kernel) == ["Linear.tiles.bf16", "Linear.sum"])

    let types = LoweredTypes(
      inputs: [TensorType([300, 640], .f16), TensorType([96, 640], .f16)], outputs: [TensorType([300, 96], .f32)])
    device.forcedVariants = [:]
    let key = try #require(Linear().tuningKey(types))
    let choices = Linear().choices(types, device).filter { $0.variant == "workgroup" }
    #expect(choices.count >= 12 && Set(choices).count == choices.count)
    for choice in choices {
      device.tuning.set(choice, seconds: 1, for: key)
      let made = try Linear().lower(types, device.tuned(for: Linear(), types))
      let constants = made[0].specialization.map(Int.init)
      #expect(made[0].kernel == "Linear.workgroup.f16" && [128, 256].contains(constants[0]))
      #expect(constants[1] % 32 == 0 && constants[2] % 32 == 0 && constants[1] * constants[2] <= 128 * constants[0])
      #expect(made[0].grid.x == ceilingDivide(96, constants[2]) && made[0].grid.y == ceilingDivide(300, constants[1]))
      #expect(choice.tile?.hasPrefix("\(constants[1])x\(constants[2]) by \(constants[0])") == true)
    }
    device.workgroupShapes = [.init(steps: steps, invocations: 256, largestSide: 32)]
    #expect(WorkgroupTile.all(dtype: .f16, device).isEmpty)
  }

  @Test("Flexible products count where a workgroup computes them, with sums in float32, in types that shaders have")
  func flexibleShapes() {
    var device = DeviceSelectionTests.device(0, "GPU", .discrete)
    device.limits.maxWorkgroupInvocations = 512
    device.limits.maxMatrixDimension = 1024
    func shape(_ type: String, scope: String, _ invocations: Int, c: String = "f32") -> DeviceDescription.FlexibleShape
    {
      .init(
        steps: .init(m: 32, n: 16, k: 16, a: type, b: type, c: c, result: c, scope: scope),
        workgroupInvocations: invocations)
    }
    device.flexibleShapes = [
      shape("f16", scope: "workgroup", 256), shape("f16", scope: "subgroup", 0), shape("bf16", scope: "workgroup", 256),
      shape("f16", scope: "workgroup", 1024), shape("f16", scope: "workgroup", 128, c: "f16"),
    ]
    (device.features.cooperativeMatrix, device.features.vulkanMemoryModel) = (true, true)
    device.features.shaderFloat16 = true
    #expect(device.profile.workgroupShapes == [])
    device.features.cooperativeMatrix2 = true
    let half = DeviceProfile.WorkgroupShape(
      steps: .init(m: 32, n: 16, k: 16, input: .f16), invocations: 256, largestSide: 1024)
    #expect(device.profile.workgroupShapes == [half])
    (device.features.bfloat16, device.features.bfloat16CooperativeMatrix) = (true, true)
    #expect(device.profile.workgroupShapes.map(\.steps.input) == [.f16, .bf16])
    device.features.vulkanMemoryModel = false
    #expect(device.profile.workgroupShapes == [])
  }

  @Test("Products are made in parts where they are few tiles of long sums, and only then")
  func parts() throws {
    var device = Self.device
    device.matrixShapes = [.init(m: 16, n: 16, k: 16, input: .f16)]
    device.flopsPerDispatch = .max
    func parts(_ rows: Int, _ depth: Int, _ width: Int, _ x: DType) throws -> [Int] {
      let inputs = [TensorType([rows, depth], x), TensorType([width, depth], .f16), TensorType([width], .bf16)]
      let types = LoweredTypes(inputs: inputs, outputs: try Linear(dtype: .f16).outputTypes(inputs))
      let dispatches = try Linear(dtype: .f16).lower(types, device)
      let (count, bytes) = (dispatches[0].grid.z, dispatches.scratchByteCount)
      #expect(bytes == (count > 1 ? count * rows * width * 4 : 0) && bytes <= 128 << 20)
      #expect(dispatches.last?.kernel == (count > 1 ? "Linear.sum" : dispatches[0].kernel))
      return dispatches.map(\.grid.z)
    }
    for x: DType in [.f16, .f32] {
      #expect(try parts(43_680, 8960, 1536, x) == [1])
      #expect(try parts(2048, 1536, 8960, x) == [1] && parts(1872, 8960, 1536, x) == [1])
      #expect(try parts(64, 255, 64, x) == [1])
      #expect(try parts(16, 8960, 16, x) == [8, 1])
      #expect(try parts(64, 4096, 1536, x)[0] > 1)
    }
    // All parts have something to do.
    for depth in stride(from: 512, to: 9000, by: 31) {
      for count in InnerParts.counts(rows: 8, columns: 8, inner: depth, for: ProductTile.innerParts) {
        #expect((count - 1) * InnerParts.depth(depth, count) < depth)
        #expect(count * InnerParts.depth(depth, count) >= depth)
      }
    }
    #expect(InnerParts.counts(rows: 4096, columns: 4096, inner: 8192, for: ProductTile.innerParts) == [1])
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
    #expect(
      unknownName.kind == .usage && unknownName.description.contains("matrix, tiles, vector, workgroup"),
      "\(unknownName)")
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

  @Test("The capabilities of kernels that take full subgroups are found among a module's first instructions only")
  func capability() {
    let header: [UInt32] = [0x0723_0203, 0x0001_0500, 0, 1, 0]
    #expect(Pipelines.takesFullSubgroups(header + [0x0002_0011, 1, 0x0002_0011, 6022, 0x0003_000e, 0, 1]))
    #expect(!Pipelines.takesFullSubgroups(header + [0x0002_0011, 1, 0x0003_000e, 0, 1, 0x0002_0011, 6022]))
    #expect(Pipelines.takesFullSubgroups(header + [0x0002_0011, 1, 0x0002_0011, 65]))
    #expect(!Pipelines.takesFullSubgroups(header + [0x0002_0011, 61]))
    #expect(!Pipelines.takesFullSubgroups(header + [0x0002_0011]))
    #expect(!Pipelines.takesFullSubgroups([]))
  }
}
