import LumosTensor
import Testing

@testable import LumosVulkan

@Suite struct MemoryTests {
  @Test("Small allocations share blocks, large ones do not, and all memory comes back")
  func counting() throws {
    let device = try TestDevice.open()
    do {
      let pool = MemoryPool(device, checked: false)
      let small = try (0..<10).map { try pool.allocate(1000 + $0, "small \($0)") }
      #expect(pool.use.liveAllocations == 1)
      #expect(small.allSatisfy { $0.address % UInt64(MemoryPool.alignment) == 0 })
      #expect(Set(small.map(\.offset)).count == 10)
      do {
        let large = try pool.allocate(8 << 20, "large")
        #expect(large.byteCount == 8 << 20 && pool.use.liveAllocations == 2)
      }
      #expect(pool.use.liveAllocations == 1)
      #expect(pool.use.peakBytes == (8 << 20) + (1 << 20))
      #expect(device.memoryUse == pool.use)
    }
    #expect(device.memoryUse.liveAllocations == 0 && device.memoryUse.liveBytes == 0)
    #expect(device.memoryUse.peakBytes == (8 << 20) + (1 << 20))
  }

  @Test("Too much is refused with the bytes asked for and what there is")
  func outOfMemory() throws {
    let device = try TestDevice.open()
    let pool = MemoryPool(device, checked: false)
    let error = try #require(lumosError { _ = try pool.allocate(1 << 45, "the arena") })
    #expect(error.kind == .tryAgain)
    #expect(error.description.contains("the arena asks for 35184372088832 bytes"))
    #expect(error.description.contains("in use by this program") && error.description.contains("on the device"))
    #expect(device.memoryUse.liveAllocations == 0)
  }

  @Test("Bytes travel both ways, mapped and staged, in pieces and at odd offsets", arguments: [false, true])
  func transfers(staged: Bool) throws {
    let device = try TestDevice.open { $0.stagesAllTransfers = staged }
    let pool = MemoryPool(device, checked: false)
    let count = (33 << 20) / 4 + 3  // more than the staging buffer holds
    let allocation = try pool.allocate(count * 4 + 64, "test")
    #expect((allocation.block.mapped == nil) == staged)
    try device.transfers.fill(allocation.all, with: 0x0102_0304)
    let tensor = Tensor(ramp(count), [count])
    let place = allocation.range(6..<6 + count * 4)
    try device.transfers.upload(tensor, to: place)
    let back = try device.transfers.download(place, as: tensor.type)
    #expect(back.floats() == tensor.floats())
    let whole = try device.transfers.download(allocation.all, as: TensorType([count * 4 + 64], .u8))
    let bytes = whole.withUnsafeBytes { Array($0) }
    #expect(Array(bytes[..<6]) == [4, 3, 2, 1, 4, 3])
    #expect(Array(bytes[(6 + count * 4)..<(8 + count * 4)]) == [2, 1])
    #expect(device.validationMessages.isEmpty)
  }

  @Test("Fills of any length and offset repeat the word from their first byte", arguments: [false, true])
  func fills(staged: Bool) throws {
    let device = try TestDevice.open { $0.stagesAllTransfers = staged }
    let pool = MemoryPool(device, checked: false)
    let allocation = try pool.allocate(32, "test")
    try device.transfers.fill(allocation.all, with: 0)
    try device.transfers.fill(allocation.range(4..<14), with: 0x0403_0201)
    try device.transfers.fill(allocation.range(17..<19), with: 0x0403_0201)
    let tensor = try device.transfers.download(allocation.all, as: TensorType([32], .u8))
    let bytes = tensor.withUnsafeBytes { Array($0.prefix(20)) }
    #expect(bytes == [0, 0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 0, 0, 0, 1, 2, 0])
    #expect(device.validationMessages.isEmpty)
  }

  @Test("A write beside an allocation is found and named, on either side", arguments: [false, true])
  func redZones(staged: Bool) throws {
    let device = try TestDevice.open { $0.stagesAllTransfers = staged }
    let pool = MemoryPool(device, checked: true)
    let first = try pool.allocate(1001, "the weights")
    let second = try pool.allocate(64, "the arena")
    try pool.verifyRedZones()
    #expect(first.redZones.count == 2)

    let past = DeviceRange(block: first.block, offset: first.offset + 1001 + 4, byteCount: 4)
    try device.transfers.fill(past, with: 0)
    let error = try #require(lumosError { try pool.verifyRedZones() })
    #expect(error.kind == .internalDefect)
    #expect(error.what == "a kernel wrote 5 bytes past the end of the weights (1001 bytes)")
    try RedZones.mark(first, device.transfers)
    try pool.verifyRedZones()

    let before = DeviceRange(block: second.block, offset: second.offset - 8, byteCount: 4)
    try device.transfers.fill(before, with: 0)
    let other = try #require(lumosError { try pool.verifyRedZones() })
    #expect(other.what == "a kernel wrote 5 bytes before the start of the arena (64 bytes)")
  }

  @Test("Guards and poison are NaN in every float type; guards differ, and arithmetic does not preserve them")
  func patterns() {
    func isNaN(_ half: UInt16) -> Bool { Float16(bitPattern: half).isNaN && BFloat16.float(half).isNaN }
    #expect(Float(bitPattern: RedZones.poisonPattern).isNaN && isNaN(0xffff))
    var seen: Set<UInt32> = []
    for seed in 0..<63 {
      let bytes = (0..<4).map { RedZones.guardByte($0, seed: seed) }
      let word = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
      #expect(Float(bitPattern: word).isSignalingNaN && isNaN(UInt16(word & 0xffff)))
      seen.insert(word)
    }
    #expect(seen.count == 63)
  }
}
