import CVulkan
import LumosTensor
import Testing

@testable import LumosVulkan

@Suite struct DeviceSelectionTests {
  static func device(
    _ index: Int, _ name: String, _ kind: DeviceDescription.Kind, unusable reason: String? = nil
  ) -> DeviceDescription {
    DeviceDescription(
      index: index, name: name, vendor: "Test", vendorID: 1, deviceID: 2, kind: kind, driver: "test", driverInfo: "1",
      driverVersion: 1, apiVersion: "1.3.0", uuid: "00", heaps: [], features: .init(), limits: .init(),
      matrixShapes: [], unusableReason: reason)
  }

  static let all = [
    device(0, "llvmpipe (LLVM 15)", .cpu), device(1, "Intel Arc iGPU", .integrated),
    device(2, "Old Card", .discrete, unusable: "it lacks timeline semaphores"), device(3, "Virtio GPU", .virtual),
    device(4, "NVIDIA H200", .discrete), device(5, "NVIDIA H200", .discrete),
  ]

  @Test("auto prefers discrete to integrated to virtual, and never takes software or what cannot be used")
  func auto() throws {
    #expect(try DeviceSelection.auto.choose(from: Self.all)?.index == 4)
    #expect(try DeviceSelection.auto.choose(from: Array(Self.all.prefix(4)))?.index == 1)
    #expect(try DeviceSelection.auto.choose(from: [Self.all[0], Self.all[3]])?.index == 3)
    #expect(try DeviceSelection.auto.choose(from: [Self.all[0], Self.all[2]]) == nil)
    #expect(try DeviceSelection.auto.choose(from: []) == nil)
  }

  @Test("A name matches in part and in any case; software Vulkan can be named")
  func names() throws {
    #expect(try DeviceSelection.named("h200").choose(from: Self.all)?.index == 4)
    #expect(try DeviceSelection.named("LLVMPIPE").choose(from: Self.all)?.index == 0)
    #expect(try DeviceSelection.index(5).choose(from: Self.all)?.index == 5)
    #expect(try DeviceSelection.index(0).choose(from: Self.all)?.kind == .cpu)
  }

  @Test("What does not exist or cannot be used is refused with the list or the reason")
  func refusals() throws {
    let unknown = try #require(lumosError { _ = try DeviceSelection.named("radeon").choose(from: Self.all) })
    #expect(unknown.kind == .noDevice)
    #expect(unknown.description.contains("4: NVIDIA H200"))
    let index = try #require(lumosError { _ = try DeviceSelection.index(9).choose(from: Self.all) })
    #expect(index.description.contains("no device 9") && index.description.contains("1: Intel Arc iGPU"))
    let old = try #require(lumosError { _ = try DeviceSelection.named("old").choose(from: Self.all) })
    #expect(old.kind == .noDevice && old.description.contains("timeline semaphores"))
    let none = try #require(lumosError { _ = try DeviceSelection.index(0).choose(from: []) })
    #expect(none.description.contains("mesa-vulkan-drivers"))
  }

  @Test("Text becomes a selection")
  func parsing() {
    #expect(DeviceSelection("auto") == .auto)
    #expect(DeviceSelection("2") == .index(2))
    #expect(DeviceSelection("RTX 4090") == .named("RTX 4090"))
  }

  @Test("Every required feature that is missing is named")
  func requirements() {
    var features = DeviceDescription.Features()
    features.bufferDeviceAddress = true
    features.storageBuffer16BitAccess = true
    let missing = DeviceDescription.missingRequirements(version: APIVersion(1, 2), features, .init())
    #expect(missing == "it lacks timeline semaphores, scalar block layout")
    features.timelineSemaphore = true
    features.scalarBlockLayout = true
    #expect(DeviceDescription.missingRequirements(version: APIVersion(1, 2), features, .init()) == nil)
    #expect(
      DeviceDescription.missingRequirements(version: APIVersion(1, 1), features, .init())?.contains("1.1") == true)
  }
}

@Suite struct DeviceTests {
  @Test("A missing loader is explained, not crashed on")
  func missingLoader() throws {
    var options = VulkanDevice.Options()
    options.loaderLibrary = "libvulkan-that-does-not-exist.so.1"
    let error = try #require(lumosError { _ = try VulkanDevice(.auto, options: options) })
    #expect(error.kind == .noDevice)
    #expect(error.description.contains("libvulkan-that-does-not-exist") && error.description.contains("apt install"))
    #expect(lumosError { _ = try VulkanDevice.descriptions(loaderLibrary: options.loaderLibrary) }?.kind == .noDevice)
  }

  @Test("A library that is no Vulkan loader is refused")
  func wrongLibrary() throws {
    var options = VulkanDevice.Options()
    options.loaderLibrary = "libm.so.6"
    #expect(lumosError { _ = try VulkanDevice(.auto, options: options) }?.what == "this library is not a Vulkan loader")
  }

  @Test("Software Vulkan describes itself fully")
  func lavapipe() throws {
    let devices = try VulkanDevice.descriptions()
    let device = try #require(try DeviceSelection.named(TestDevice.name).choose(from: devices))
    #expect(device.kind == .cpu && device.isUsable && device.vendor == "Mesa")
    #expect(device.driver == "llvmpipe" && device.driverInfo.contains("Mesa"))
    #expect(device.uuid.utf8.count == 32)
    #expect(device.deviceLocalBytes > 1 << 28 && device.availableBytes > 0)
    #expect(device.limits.maxWorkgroupCount.count == 3 && device.profile.maxWorkgroupCount >= 65535)
    #expect(device.limits.pushConstantBytes >= 128 && device.limits.sharedMemoryBytes >= 16384)
    #expect(device.profile.subgroupSize >= 4)
  }

  @Test("The device opens, names itself, and leaves nothing behind")
  func opens() throws {
    let device = try TestDevice.open()
    #expect(device.title.contains("llvmpipe") && device.title.contains("Mesa"))
    #expect(device.memoryUse.liveAllocations == 0)
    #expect(device.validationMessages.isEmpty)
  }

  @Test("What the validation layer says is collected")
  func validation() throws {
    let device = try TestDevice.open()
    try #require(device.isValidated, "install the Vulkan validation layers (vulkan-validationlayers)")
    // A buffer without a size is against the rules.
    var create = VkBufferCreateInfo.make { $0.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT.rawValue }
    var buffer: VkBuffer?
    if device.context.vk.createBuffer(device.context.handle, &create, nil, &buffer) == VK_SUCCESS {
      device.context.vk.destroyBuffer(device.context.handle, buffer, nil)
    }
    #expect(device.validationMessages.contains { $0.contains("VUID-VkBufferCreateInfo-size-00912") })
    let silent = try TestDevice.open { $0.validated = false }
    #expect(!silent.isValidated && silent.validationMessages.isEmpty)
  }

  @Test("Memory types: the largest device heap, mapped only where that heap itself can be")
  func memoryTypes() {
    func type(_ index: Int, heap: Int, local: Bool, visible: Bool, cached: Bool = false) -> MemoryTypes.MemoryType {
      .init(index: index, heap: heap, flags: (local ? 1 : 0) | (visible ? 6 : 0) | (cached ? 8 : 0))
    }
    let card = MemoryTypes(
      all: [
        type(0, heap: 1, local: false, visible: true), type(1, heap: 1, local: false, visible: true, cached: true),
        type(2, heap: 0, local: true, visible: false), type(3, heap: 2, local: true, visible: true),
      ], heapBytes: [24 << 30, 64 << 30, 256 << 20])
    #expect(card.type(for: .device, allowed: .max)?.index == 2)
    #expect(card.type(for: .staging, allowed: .max)?.index == 1)
    #expect(card.type(for: .staging, allowed: 0b0001)?.index == 0)
    #expect(card.type(for: .device, allowed: 0b0011)?.index == 0)
    let resizable = MemoryTypes(
      all: card.all + [type(4, heap: 0, local: true, visible: true)], heapBytes: card.heapBytes)
    #expect(resizable.type(for: .device, allowed: .max)?.index == 4)
  }
}
