import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// What the attention lowering decides without a device: tiles, work list, slices, operands.
@Suite struct AttentionLoweringTests {
  static let profiles: [DeviceProfile] = [
    .minimum,
    // lavapipe, Intel, NVIDIA, AMD.
    DeviceProfile(
      subgroupSize: 8, sharedMemoryBytes: 32768, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 65535),
    DeviceProfile(
      subgroupSize: 32, sharedMemoryBytes: 65536, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 65535),
    DeviceProfile(
      subgroupSize: 32, sharedMemoryBytes: 49152, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 2_147_483_647),
  ]

  @Test(arguments: profiles) func everyHeadSizeHasATileThatFits(_ device: DeviceProfile) throws {
    for size in 1...512 {
      let tiles = AttentionTile.all(headSize: size, device)
      #expect(try AttentionTile(headSize: size, device) == tiles.first && Set(tiles.map(\.name)).count == tiles.count)
      for tile in tiles { check(tile, size, device) }
    }
  }

  private func check(_ tile: AttentionTile, _ size: Int, _ device: DeviceProfile) {
    let columns = tile.invocations / (tile.queries / tile.rows)
    #expect(tile.invocations <= device.maxWorkgroupInvocations && tile.sharedBytes <= device.sharedMemoryBytes)
    // What the kernel's index arithmetic takes for granted.
    #expect(tile.queries % tile.rows == 0 && tile.invocations % (tile.queries / tile.rows) == 0)
    #expect(tile.keys % columns == 0 && tile.keys % 4 == 0 && tile.invocations % tile.queries == 0)
    #expect(tile.keys % tile.valueKeys == 0 && tile.valueKeys % 4 == 0)
    #expect(tile.staged >= (tile.queries + tile.keys) * (tile.slice + 1))
    #expect(tile.staged >= tile.valueKeys * ((size + 3) / 4))
  }

  @Test("Tiles of the kernel on matrix units fit the device and the kernel's arithmetic")
  func matrixTiles() throws {
    for (m, n, k, subgroup) in [(16, 16, 16, 32), (16, 16, 16, 64), (8, 16, 16, 16), (8, 16, 16, 32), (8, 8, 8, 8)] {
      for kibibytes in [32, 48, 64] {
        var device = Self.profiles[3]
        device.subgroupSize = subgroup
        device.sharedMemoryBytes = kibibytes << 10
        device.matrixShapes = [.init(m: m, n: n, k: k, input: .f16)]
        for size in [32, 64, 96, 128] {
          let tiles = AttentionMatrixTile.all(headSize: size, dtype: .f16, device)
          #expect(!tiles.isEmpty, "\(m) x \(n) x \(k), \(subgroup) lanes, \(kibibytes) KiB, \(size) channels")
          for tile in tiles {
            #expect(tile.invocations <= 1024 && tile.sharedBytes <= kibibytes << 10)
            let lanes = subgroup / m
            #expect(lanes * m == subgroup && tile.keys % (8 * lanes) == 0 && size % k == 0 && size % n == 0)
            #expect(tile.keys % k == 0 && tile.keys % n == 0 && size % min(size, tile.keys) == 0)
            // Factors of a fragment's rows have room where its scores were.
            #expect(n <= tile.keys)
          }
        }
        for size in [0, 16, 40, 160, 384] {
          #expect(AttentionMatrixTile(headSize: size, dtype: .f16, device) == nil)
        }
        #expect(AttentionMatrixTile(headSize: 64, dtype: .bf16, device) == nil)
      }
    }
    // The model's heads on NVIDIA: 128 queries share a step of 32 keys.
    var device = Self.profiles[3]
    device.matrixShapes = [.init(m: 16, n: 16, k: 16, input: .f16)]
    let tile = try #require(AttentionMatrixTile(headSize: 128, dtype: .f16, device))
    #expect(tile.queries == 128 && tile.keys == 32 && tile.invocations == 256)
  }

  @Test func theVariantFollowsTheDeviceAndTheTypes() throws {
    var device = Self.profiles[3]
    device.matrixShapes = [.init(m: 16, n: 16, k: 16, input: .bf16)]
    func kernels(_ dtype: DType, size: Int = 64, _ bias: Attention.Bias = .none) throws -> [String] {
      let op = Attention(heads: 2, scale: 1, spans: [.init(queries: 0..<9, keys: 0..<9)], bias: bias)
      let qkv = Array(repeating: TensorType([9, 2 * size], dtype), count: 3)
      return try lower(op, qkv + (bias == .none ? [] : [.init([32, 2], .bf16)]), device).map(\.kernel)
    }
    #expect(try kernels(.bf16) == ["Attention.matrix.none.bf16"])
    #expect(try kernels(.bf16, .relativePosition(.init())) == ["Attention.matrix.relativePosition.bf16"])
    #expect(try kernels(.f16) == ["Attention.tiles.none"])
    #expect(try kernels(.f32) == ["Attention.tiles.none"])
    #expect(try kernels(.bf16, size: 40) == ["Attention.tiles.none"])
    device.forcedVariants = ["Attention": "tiles"]
    #expect(try kernels(.bf16) == ["Attention.tiles.none"])
  }

  @Test func aHeadTooWideIsRefused() {
    #expect(throws: LumosError.self) { try AttentionTile(headSize: 4096, .minimum) }
  }

  @Test(arguments: [1, 2, 5, 32, 64, 1000]) func everyQueryHasOneTileOfItsSpan(_ size: Int) {
    let spans: [Attention.Span] = [
      .init(queries: 3..<4, keys: 0..<71), .init(queries: 4..<9, keys: 70..<71), .init(queries: 20..<57, keys: 7..<60),
      .init(queries: 60..<66, keys: 9..<9), .init(queries: 66..<79, keys: 1..<3),
    ]
    let work = Attention(heads: 1, scale: 1, spans: spans).workList(queries: 83, tileQueries: size)
    var next = 0
    for tile in work {
      #expect(tile.queryStart == next && tile.queryEnd > next && tile.queryEnd - tile.queryStart <= size)
      next = tile.queryEnd
      let span = spans.first { $0.queryStart <= tile.queryStart && tile.queryStart < $0.queryEnd }
      if let span {
        #expect(tile.queryEnd <= span.queryEnd && tile.keyStart == span.keyStart && tile.keyEnd == span.keyEnd)
      } else {
        #expect(tile.keyStart == tile.keyEnd)
        #expect(!spans.contains { $0.queryStart < tile.queryEnd && tile.queryStart < $0.queryEnd })
      }
    }
    #expect(next == 83)
  }

  @Test(arguments: profiles) func longAttentionIsSlicedAndCovered(_ device: DeviceProfile) throws {
    let long = try #require(OpSuite.cases(of: "Attention", purpose: .benchmark).first)
    let op = try #require(long.op as? Attention)
    let dispatches = try lower(op, long.inputs.map(\.type), device)
    let tiles = op.workList(queries: 43680, tileQueries: Int(dispatches[0].specialization[2])).count
    var next = 0
    for dispatch in dispatches {
      guard case .uint(let first) = dispatch.push[8], case .uint(let groups) = dispatch.push[9] else {
        Issue.record("first and groups have moved")
        return
      }
      // One expectation for all three: there are thousands of dispatches.
      let isInside = dispatch.grid.x <= device.maxWorkgroupCount && dispatch.grid.x * dispatch.grid.y >= Int(groups)
      guard Int(first) == next && dispatch.overlapsPrevious == (first > 0) && isInside else {
        Issue.record("the slice from \(first) on follows \(next) and has the grid \(dispatch.grid)")
        return
      }
      next += Int(groups)
    }
    #expect(next == tiles * 12)
    // Slices end before the workgroup that would exceed the limit.
    let flops = op.flops(long.inputs.map(\.type))
    let limit = DispatchLimit.flops(device)
    let largest = 4 * 128 * Int(dispatches[0].specialization[2]) * 43680
    #expect(dispatches.count >= flops / max(limit, largest))
    // Two neighbours together exceed the limit, or they would be one.
    #expect(dispatches.count <= 2 * flops / limit + 1)
  }

  @Test func noDispatchReadsAnEmptyBias() throws {
    let cells = RelationCells(firstToken: 13, images: 0, height: 6, width: 10)
    let op = Attention(
      heads: 2, scale: 1, spans: [.init(queries: 0..<13, keys: 0..<5)], bias: .relation(cells))
    let types = [TensorType([13, 8], .f32), .init([5, 8], .f32), .init([5, 8], .f32), .init([0, 2, 5], .f32)]
    let dispatches = try lower(op, types, .minimum)
    #expect(dispatches.map(\.kernel) == ["Attention.tiles.none"])
    #expect(!dispatches[0].push.contains(.input(3)))
  }

  @Test func nothingToWriteIsNoDispatch() throws {
    let op = Attention(heads: 2, scale: 1, spans: [])
    let types = [TensorType([0, 8], .f32), .init([5, 8], .f32), .init([5, 8], .f32)]
    #expect(try lower(op, types, .minimum).isEmpty)
  }

  @Test func pushConstantsFit() throws {
    for type in [Attention.name, "RelationBias", "PooledQueries", "Rotary", "SolverStep"] {
      for item in OpSuite.cases(of: type) {
        let op = try #require(item.op as? any VulkanLowering)
        for dispatch in try lower(op, item.inputs.map(\.type), .minimum) {
          let bytes = dispatch.push.reduce(0) { total, word in
            switch word {
            case .uint, .float: total + 4
            default: total + 8
            }
          }
          #expect(bytes <= 128, "\(item.title)")
        }
      }
    }
  }

  private func lower(
    _ op: any VulkanLowering, _ inputs: [TensorType], _ device: DeviceProfile
  ) throws -> [Dispatch] {
    try op.lower(LoweredTypes(inputs: inputs, outputs: op.outputTypes(inputs)), device)
  }
}
