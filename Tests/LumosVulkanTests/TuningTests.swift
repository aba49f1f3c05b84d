import LumosOpSuite
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// Kernels chosen by measurement.
@Suite struct TuningTests {
  /// A profile with matrix units.
  static let device: DeviceProfile = {
    var device = VariantTests.device
    device.matrixShapes = [.init(m: 16, n: 16, k: 16, input: .f16)]
    return device
  }()

  /// A linear layer of `rows` rows with f16 factors.
  static func types(rows: Int) -> LoweredTypes {
    LoweredTypes(
      inputs: [TensorType([rows, 64], .f16), TensorType([96, 64], .f16)], outputs: [TensorType([rows, 96], .f32)])
  }

  /// Kernel, rows and columns of the tile that a layer of `rows` rows gets.
  static func chosen(rows: Int, _ device: DeviceProfile) throws -> [String] {
    let types = types(rows: rows)
    return try Linear().lower(types, device.tuned(for: Linear(), types)).map { dispatch in
      let at = dispatch.kernel.hasPrefix("Linear.matrix") ? 4 : 0
      return "\(dispatch.kernel) \(dispatch.specialization[at])x\(dispatch.specialization[at + 1])"
    }
  }

  @Test("A measured choice replaces that of the rules, for its sizes")
  func choice() throws {
    let key = try #require(Linear().tuningKey(Self.types(rows: 1000)))
    #expect(key == "Linear f16 x f16, 64 -> 96, rows<=1024")
    #expect(key == Linear().tuningKey(Self.types(rows: 513)) && key != Linear().tuningKey(Self.types(rows: 512)))
    #expect(Linear().tuningKey(Self.types(rows: 4097)) == Linear().tuningKey(Self.types(rows: 43_680)))
    #expect(Linear().tuningKey(Self.types(rows: 4096)) != Linear().tuningKey(Self.types(rows: 4097)))
    let rules = try Self.chosen(rows: 1000, Self.device)
    #expect(rules.count == 1 && rules[0].hasPrefix("Linear.matrix.f16"))

    var device = Self.device
    device.tuning.set(.init(variant: "tiles", tile: "32x16"), seconds: 1, for: key)
    #expect(try Self.chosen(rows: 1000, device) == ["Linear.tiles.f16 32x16"])
    #expect(try Self.chosen(rows: 1500, device) == Self.chosen(rows: 1500, Self.device))
    // What somebody asks for goes before what was measured.
    device.forcedVariants["Linear"] = "matrix"
    #expect(try Self.chosen(rows: 1000, device) == rules)
    device.forcedVariants["Linear"] = "tiles"
    #expect(try Self.chosen(rows: 1000, device) == ["Linear.tiles.f16 32x16"])

    device = Self.device
    for tile in MatrixTile.all(dtype: .f16, device) {
      device.tuning.set(.init(variant: "matrix", tile: tile.name), seconds: 1, for: key)
      #expect(try Self.chosen(rows: 1000, device) == ["Linear.matrix.f16 \(tile.rows)x\(tile.columns)"])
    }
    // What the device cannot make (any longer) is left to the rules.
    for odd in [KernelChoice(variant: "matrix", tile: "12x34/5x6"), .init(variant: "tiles"), .init(variant: "magic")] {
      device.tuning.set(odd, seconds: 1, for: key)
      #expect(try Self.chosen(rows: 1000, device) == rules, "\(odd)")
    }
  }

  @Test("Of few long sums the tuner measures parts as well, and a choice of parts is made")
  func parts() throws {
    func types(_ rows: Int) -> LoweredTypes {
      LoweredTypes(
        inputs: [TensorType([rows, 2048], .f16), TensorType([96, 2048], .f16)], outputs: [TensorType([rows, 96], .f32)])
    }
    let choices = Set(Linear().choices(types(300), Self.device))
    for (variant, tile) in [("matrix", "64x64/32x32"), ("tiles", "64x96")] {
      #expect(choices.contains(.init(variant: variant, tile: tile)))
      for count in variant == "matrix" ? [2, 4] : [2, 4, 8] {
        let choice = KernelChoice(variant: variant, tile: "\(tile) in \(count)")
        #expect(choices.contains(choice))
        var device = Self.device
        // The same entry holds for fewer rows.
        for rows in [300, 257] {
          device.tuning.set(choice, seconds: 1, for: try #require(Linear().tuningKey(types(rows))))
          let dispatches = try Linear().lower(types(rows), device.tuned(for: Linear(), types(rows)))
          #expect(dispatches.map(\.grid.z) == [count, 1])
          #expect(TuningTable(text: device.tuning.text) == device.tuning)
        }
      }
    }
    #expect(!choices.contains(.init(variant: "tiles", tile: "64x96 in 16")))
    #expect(!Linear().choices(types(8192), Self.device).contains { $0.tile?.contains(" in ") == true })
    #expect(InnerParts.parse("64x96 in 4") == ("64x96", 4) && InnerParts.parse("64x96 in 3") == ("64x96 in 3", 1))
  }

  @Test("Tiles that only measurements choose are never those of the rules")
  func largeTiles() throws {
    let all = Set(MatrixTile.all(dtype: .f16, Self.device).map(\.name))
    #expect(all.isSuperset(of: ["256x128/64x64", "128x256/64x64", "128x128/64x64"]))
    for rows in [64, 1000, 43_680] {
      for columns in [96, 1536, 8960] {
        let tile = try #require(MatrixTile(rows: rows, columns: columns, dtype: .f16, Self.device))
        #expect(tile.rows <= 128 && tile.columns <= 128)
      }
    }
  }

  private static func key(_ op: some VulkanLowering, _ inputs: [TensorType]) throws -> String {
    op.tuningKey(LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs))) ?? "none"
  }

  @Test("Keys of all tunable ops tell apart what is made differently")
  func keys() throws {
    let weight = TensorType([24, 8], .f16)
    let layers: [TensorType] = [TensorType([300, 8], .bf16), weight, weight, weight]
    #expect(try Self.key(MultiLinear(count: 3), layers) == "MultiLinear bf16 x f16, 8 -> 3 x 24, rows<=512")
    let frames = [TensorType([1, 8, 8, 4], .f32), TensorType([6, 1, 3, 3, 4], .f32), TensorType([6], .f32)]
    let padding = Conv3D.Padding(leading: 1, trailing: 1)
    #expect(try Self.key(Conv3D(padding: padding), frames) == "Conv3D f32 x f32, 4 -> 6 by 1x3x3, rows<=64")
    #expect(
      try Self.key(Conv3D(padding: padding, upsamples: true), frames)
        == "Conv3D f32 x f32, 4 -> 6 by 1x3x3 doubled, rows<=256")
    #expect(
      try Self.key(Conv3D(stride: .init(space: 2), padding: padding), frames)
        == "Conv3D f32 x f32, 4 -> 6 by 1x3x3 every 2, rows<=16")
    #expect(try Self.key(Elementwise(.add), [TensorType([4], .f32), TensorType([4], .f32)]) == "none")
  }

  @Test("A table survives as text; what is no table, or no line of one, is left out")
  func text() throws {
    var table = TuningTable()
    table.set(.init(variant: "matrix", tile: "128x96/64x48"), seconds: 0.00125, for: "b, rows<=2")
    table.set(.init(variant: "vector"), seconds: 3e-7, for: "a")
    #expect(TuningTable(text: table.text) == table && TuningTable(text: TuningTable().text) == TuningTable())
    #expect(TuningTable(text: "") == nil && TuningTable(text: "LumosX tuning 2\n") == nil)
    for line in [
      "c\tmatrix\t-", "c\tmatrix\t-\tfast", "c\tmatrix\t-\tnan", "c\tmatrix\t-\t-1", "c\tm\t-\t1\t2", "\u{0}",
    ] {
      #expect(TuningTable(text: table.text + line + "\n") == table, "\(line)")
    }
  }

  @Test("Every choice is measured on the device, wrong results do not count, and the best is kept for the next time")
  func measuring() throws {
    let op = Linear()
    let opCase = OpCase("tuned", op, [.init([70, 40]), .init([48, 40]), .init([48])])
    let inputs = opCase.makeInputs()
    func agree(_ a: [Tensor], _ b: [Tensor]) -> Bool {
      zip(a, b).allSatisfy { Comparison(actual: $0, expected: $1).verdict(bound: 1e-12) == .pass }
    }
    try withTemporaryFolder { folder in
      let device = try TestDevice.open { $0.cacheDirectory = folder }
      #expect(device.profile.tuning == TuningTable())
      let tuner = Tuner(device, runs: 1)
      let result = try #require(try tuner.measure(op, inputs, agrees: agree))
      #expect(result.key == "Linear f32 x f32, 40 -> 48, rows<=128")
      #expect(result.timings.map { $0.choice.description } == ProductTile.names.map { "tiles \($0)" })
      #expect(result.timings.allSatisfy { ($0.seconds ?? 0) > 0 })
      let best = try #require(result.best)
      #expect(result.timings.allSatisfy { ($0.seconds ?? 0) >= best.seconds })

      let doubtful = try #require(try tuner.measure(op, inputs, agrees: { _, _ in false }))
      #expect(doubtful.timings.filter { $0.seconds != nil }.map { $0.choice } == [result.timings[0].choice])
      // Kept under the sizes that it stands for.
      let large = Tuner.Evaluation(
        op, [TensorType([5000, 40], .f32), TensorType([48, 40], .f32), TensorType([48], .f32)])
      #expect(try tuner.measure(op, inputs, for: large, agrees: agree)?.key == "Linear f32 x f32, 40 -> 48, rows>4096")
      // One way only.
      let sum = OpCase("sum", Elementwise(.add), [.init([9]), .init([9])])
      #expect(try tuner.measure(sum.op, sum.makeInputs(), agrees: agree) == nil)

      let path = try #require(try tuner.save([result]))
      #expect(path.hasPrefix(folder + "/tuning-"))
      let next = try TestDevice.open { $0.cacheDirectory = folder }
      #expect(next.profile.tuning.entries[result.key]?.choice == best.choice)
      #expect(VulkanDevice.tuning(of: next.description, in: folder) == next.profile.tuning)
      let run = try OpRunner(next).run(op, inputs)
      #expect(run.kernels == ["Linear.tiles.f32"] && run.guardViolations.isEmpty)
      // Another measurement joins the first.
      _ = try tuner.save([.init(key: "other", timings: [.init(choice: best.choice, seconds: 1)])])
      #expect(VulkanDevice.tuning(of: next.description, in: folder).entries.count == 2)
      #expect(device.validationMessages.isEmpty && next.validationMessages.isEmpty)
    }
  }

  @Test("A table that cannot be written is an error that says where; without a cache folder there is none")
  func unwritable() throws {
    let device = try TestDevice.open { $0.cacheDirectory = "/proc/lumosx" }
    do {
      _ = try Tuner(device).save([])
      Issue.record("nothing was thrown")
    } catch let error as LumosError {
      #expect(error.kind == .cannotWrite && error.place?.hasPrefix("/proc/lumosx/tuning-") == true)
    }
    #expect(try Tuner(try TestDevice.open()).save([]) == nil)
  }
}
