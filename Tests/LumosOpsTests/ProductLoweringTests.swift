import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// How products are cut into tiles and slices; needs no device.
@Suite struct ProductLoweringTests {
  static let gpu = DeviceProfile(
    subgroupSize: 32, sharedMemoryBytes: 49152, maxWorkgroupInvocations: 1024, maxWorkgroupCount: 65535)
  static let profiles = [gpu, .minimum]

  @Test func tilesFitTheLeastDeviceAndTheShaderTheirLayout() {
    for device in Self.profiles {
      for rows in [1, 5, 33, 64, 500, 40_000, 5_000_000] {
        for columns in [1, 3, 16, 17, 96, 100, 192, 384, 1536, 8960] {
          for inner in [1, 3, 4, 5, 8, 9, 16, 384] {
            let tile = ProductTile(rows: rows, columns: columns, inner: inner, device)
            #expect(tile.depth * (tile.rows + tile.columns + 4) * 4 <= 16384)
            #expect(128 % tile.lanes == 0 && tile.columns % tile.lanes == 0 && tile.rows % (128 / tile.lanes) == 0)
            #expect(tile.rows * tile.depth % 128 == 0)
          }
        }
      }
    }
  }

  @Test func theModelsWidthsWasteNothing() {
    for columns in [96, 192, 384, 1536, 8960] {
      let tile = ProductTile(rows: 32760, columns: columns, inner: 384, Self.gpu)
      #expect(columns % tile.columns == 0 && tile.rows == 64, "\(columns) columns in tiles of \(tile.columns)")
    }
    #expect(ProductTile(rows: 400_000, columns: 3, inner: 96, Self.gpu).columns == 4)
  }

  /// Rows of a slice of Linear, from the addresses and numbers in its push constants. Slices of a part go to scratch memory.
  private func rows(_ dispatch: Dispatch, width: Int, depth: Int) throws -> Range<Int> {
    let written: Int? =
      switch dispatch.push[3] {
      case .output(0, let offset): offset
      case .scratchOut(let range) where dispatch.grid.z > 1: range.lowerBound
      default: nil
      }
    guard case .input(0, let read) = dispatch.push[0], case .uint(let count) = dispatch.push[6], let written else {
      throw OpError("Linear", "push constants in another order")
    }
    #expect(read % (depth * 4) == 0 && read / depth == written / width)
    return read / (depth * 4)..<read / (depth * 4) + Int(count)
  }

  @Test(arguments: [(43680, 1536, 8960), (43680, 8960, 1536), (5, 256384, 4096), (300_000_000, 8, 8), (7, 3, 5)])
  func slicesOfLinearCoverEveryRowOnce(_ rowCount: Int, _ depth: Int, _ width: Int) throws {
    let inputs = [TensorType([rowCount, depth], .f32), TensorType([width, depth], .bf16)]
    let types = LoweredTypes(inputs: inputs, outputs: try Linear().outputTypes(inputs))
    let dispatches = try Linear().lower(types, Self.gpu)
    let isInParts = dispatches.last?.kernel == "Linear.sum"
    #expect(isInParts == (rowCount == 5))
    var next = 0
    for dispatch in isInParts ? dispatches.dropLast() : dispatches[...] {
      let slice = try rows(dispatch, width: width, depth: depth)
      #expect(slice.lowerBound == next)
      #expect(slice.count * max(width, depth) <= Int(Int32.max))
      #expect(2 * slice.count * width * depth <= 100_000_000_000)
      #expect(dispatch.grid.x <= 65535 && dispatch.grid.y <= 65535)
      #expect(dispatch.grid.x * Int(dispatch.specialization[1]) >= width)
      #expect(dispatch.grid.y * Int(dispatch.specialization[0]) >= slice.count)
      #expect(dispatch.overlapsPrevious == (next > 0))
      next = slice.upperBound
    }
    #expect(next == rowCount)
  }

  @Test func slicesOfLinearTakeTheirRowsOfTheResidualAndTheWholeGate() throws {
    let (rowCount, depth, width) = (43680, 8960, 1536)
    let op = Linear(epilogue: .gatedAdd(gateRow: 4))
    let inputs: [TensorType] = [
      .init([rowCount, depth], .f32), .init([width, depth], .bf16), .init([rowCount, width], .f32),
      .init([6, width], .f32),
    ]
    let dispatches = try op.lower(.init(inputs: inputs, outputs: try op.outputTypes(inputs)), Self.gpu)
    #expect(dispatches.count > 1)
    for dispatch in dispatches {
      let first = try rows(dispatch, width: width, depth: depth).lowerBound
      #expect(dispatch.push[2] == .null)
      #expect(dispatch.push[4] == .input(2, offset: first * width * 4))
      #expect(dispatch.push[5] == .input(3, offset: 4 * width * 4))
    }
  }

  /// Every row of every layer once, whatever the number of layers and of rows.
  @Test(arguments: [(1, 5), (2, 43680), (3, 43680), (4, 700), (60, 512), (5, 3)])
  func dispatchesOfMultiLinearCoverEveryLayerOnce(_ count: Int, _ rowCount: Int) throws {
    let (depth, width) = (1536, 1600)
    let op = MultiLinear(count: count)
    let inputs =
      [TensorType([rowCount, depth], .f32)] + Array(repeating: TensorType([width, depth], .f16), count: count)
      + Array(repeating: TensorType([width], .f32), count: count)
    let dispatches = try op.lower(.init(inputs: inputs, outputs: try op.outputTypes(inputs)), Self.gpu)
    var done = [Int](repeating: 0, count: count)
    for (index, dispatch) in dispatches.enumerated() {
      #expect(dispatch.push.count == 14)
      guard case .input(0, let read) = dispatch.push[0], case .uint(let made) = dispatch.push[10] else {
        throw OpError("MultiLinear", "push constants in another order")
      }
      var layers = 0
      for place in 0..<3 {
        guard case .input(let weight, 0) = dispatch.push[1 + place] else {
          #expect(dispatch.push[4 + place] == .null && dispatch.push[7 + place] == .null)
          continue
        }
        let layer = weight - 1
        layers += 1
        #expect(dispatch.push[4 + place] == .input(1 + count + layer))
        #expect(dispatch.push[7 + place] == .output(layer, offset: done[layer] * width * 4))
        #expect(read == done[layer] * depth * 4)
        done[layer] += Int(made)
      }
      #expect(layers > 0 && 2 * Int(made) * width * depth * layers <= 100_000_000_000)
      let isVector = dispatch.kernel.hasPrefix("MultiLinear.vector")
      #expect(isVector == (rowCount <= 4) && layers == (isVector ? dispatch.grid.z : dispatch.grid.x))
      #expect(dispatch.overlapsPrevious == (index > 0))
    }
    #expect(done == Array(repeating: rowCount, count: count))
  }

  @Test func slicesOfConvolutionsCoverEveryPositionOnce() throws {
    let op = Conv3D(padding: Conv3D.Padding(leading: 1, trailing: 1))
    let inputs = [
      TensorType([4, 480, 832, 96], .f32), TensorType([96, 3, 3, 3, 96], .f16), TensorType([96], .f32),
      TensorType([2, 480, 832, 96], .f32),
    ]
    let types = LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs))
    let dispatches = try op.lower(types, Self.gpu)
    #expect(dispatches.count == 8)
    var next: UInt32 = 0
    for dispatch in dispatches {
      #expect(dispatch.push[16] == .uint(next))
      guard case .uint(let end) = dispatch.push[17] else { throw OpError("Conv3D", "push constants in another order") }
      #expect(dispatch.grid.y * Int(dispatch.specialization[0]) >= Int(end - next))
      next = end
    }
    #expect(next == 4 * 480 * 832)
  }

  @Test func whatAKernelCannotIndexIsRefused() throws {
    let inputs = [TensorType([1, 1 << 16], .f32), TensorType([1 << 15, 1 << 16], .f16)]
    let types = LoweredTypes(inputs: inputs, outputs: try Linear().outputTypes(inputs))
    #expect(throws: LumosError.self) { try Linear().lower(types, Self.gpu) }
    let op = Conv3D(padding: Conv3D.Padding(leading: 0, trailing: 0))
    let wide = [TensorType([1, 1, 1 << 16, 1], .f32), TensorType([1, 1, 1, 1, 1], .f32), TensorType([1], .f32)]
    let wideTypes = LoweredTypes(inputs: wide, outputs: try op.outputTypes(wide))
    #expect(throws: LumosError.self) { try op.lower(wideTypes, Self.gpu) }
    // Half as wide is wide enough where pixels are doubled.
    let doubling = Conv3D(padding: Conv3D.Padding(leading: 0, trailing: 0), upsamples: true)
    let half = [TensorType([1, 1, 1 << 15, 1], .f32)] + wide.dropFirst()
    let halfTypes = LoweredTypes(inputs: half, outputs: try doubling.outputTypes(half))
    #expect(throws: LumosError.self) { try doubling.lower(halfTypes, Self.gpu) }
    #expect(throws: Never.self) {
      try op.lower(LoweredTypes(inputs: half, outputs: try op.outputTypes(half)), Self.gpu)
    }
  }
}
