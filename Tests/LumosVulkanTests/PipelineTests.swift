import Glibc
import LumosTensor
import Testing

@testable import LumosVulkan

@Suite struct PipelineTests {
  @Test("A pipeline is made once per kernel and specialisation")
  func cached() throws {
    let device = try TestDevice.open()
    let first = try device.pipelines.pipeline("Elementwise.add.f32")
    #expect(try device.pipelines.pipeline("Elementwise.add.f32") == first)
    #expect(try device.pipelines.pipeline("Elementwise.multiply.f32") != first)
    #expect(device.validationMessages.isEmpty)
  }

  @Test("A kernel that the pack lacks is a defect that names it")
  func missing() throws {
    let device = try TestDevice.open()
    let error = try #require(lumosError { _ = try device.pipelines.pipeline("Elementwise.divide.f32") })
    #expect(error.kind == .internalDefect && error.what == "the kernel pack has no kernel Elementwise.divide.f32")
  }

  @Test("Encoding survives; any change of a byte, cut or addition does not")
  func encoding() {
    let data = (0..<100).map { UInt8($0) }
    let bytes = DeviceCacheFile.encode(data)
    #expect(DeviceCacheFile.decode(bytes) == data)
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 0x10
      #expect(DeviceCacheFile.decode(changed) == nil, "byte \(index)")
    }
    #expect(DeviceCacheFile.decode(Array(bytes.dropLast())) == nil)
    #expect(DeviceCacheFile.decode(bytes + [0]) == nil)
    #expect(DeviceCacheFile.decode([]) == nil)
    #expect(DeviceCacheFile.decode(DeviceCacheFile.encode([])) == [])
  }

  @Test("The cache is written when the device closes, read again, and a damaged one is ignored")
  func file() throws {
    try withTemporaryFolder { folder in
      func open() throws -> VulkanDevice { try TestDevice.open { $0.cacheDirectory = folder } }
      do {
        let device = try open()
        _ = try device.pipelines.pipeline("Elementwise.add.f32")
        #expect(files(in: folder).isEmpty)
      }
      #expect(files(in: folder).count == 1)
      let file = DeviceCacheFile(directory: folder, device: try TestDevice.open().description, kind: .pipelines)
      #expect(files(in: folder) == [file.name])
      let data = try #require(file.read())
      #expect(data.count >= 32, "the driver's own header alone has 32 bytes")

      for damage in [[UInt8](repeating: 0xff, count: 4096), [], Array(DeviceCacheFile.encode(data).dropLast(3))] {
        let descriptor = Glibc.open(file.path, O_WRONLY | O_TRUNC)
        #expect(descriptor >= 0)
        #expect(damage.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == damage.count)
        close(descriptor)
        #expect(file.read() == nil)
        let device = try open()
        _ = try device.pipelines.pipeline("Elementwise.add.f32")
        #expect(device.validationMessages.isEmpty)
      }
      #expect(file.read() != nil, "the damaged file was replaced")
      // Data that pass our checks but are not the driver's are the driver's to refuse.
      #expect(file.write([UInt8](repeating: 7, count: 64)))
      _ = try open().pipelines.pipeline("Elementwise.add.f32")
    }
  }

  @Test("A folder that cannot be written is no failure")
  func unwritable() throws {
    let device = try TestDevice.open { $0.cacheDirectory = "/proc/lumosx" }
    _ = try device.pipelines.pipeline("Elementwise.add.f32")
    device.pipelineCache.save()
    #expect(
      !DeviceCacheFile(directory: "/proc/lumosx/deep", device: device.description, kind: .pipelines).write([1, 2, 3]))
    try withTemporaryFolder { folder in
      let file = DeviceCacheFile(directory: folder + "/a", device: device.description, kind: .pipelines)
      #expect(file.write([1, 2, 3]) && file.read() == [1, 2, 3])
      #expect(files(in: folder + "/a") == [file.name])
      unlink(file.path)
      rmdir(folder + "/a")
    }
  }
}
