import CVulkan
import LumosTensor

/// A Vulkan instance: the door to the drivers. Owns the validation messenger.
final class VulkanInstance: @unchecked Sendable {
  let loader: VulkanLoader
  let handle: VkInstance
  let functions: InstanceFunctions
  /// What the validation layer has said; nil where it is off or not installed.
  let validation: ValidationLog?
  private let messenger: VkDebugUtilsMessengerEXT?

  /// - Parameters:
  ///   - library: file name of the loader.
  ///   - validated: whether to switch the validation layer on where it is installed.
  /// - Throws: `LumosError(.noDevice)` if there is no loader, no driver, or only Vulkan 1.0.
  init(library: String = VulkanLoader.defaultLibrary, validated: Bool = ValidationLog.isWanted) throws {
    let loader = try VulkanLoader(library: library)
    var version: UInt32 = 0
    try check(loader.functions.enumerateInstanceVersion(&version), "vkEnumerateInstanceVersion", at: library)
    guard APIVersion(version) >= APIVersion(1, 2) else {
      throw LumosError(
        .noDevice, "the Vulkan loader is of version \(APIVersion(version)), 1.2 is needed", at: library,
        advice: "update the package libvulkan1")
    }
    let layered = try validated && ValidationLog.isInstalled(loader)
    let log = layered ? ValidationLog() : nil

    var created: VkInstance?
    try CArena.with { arena in
      let application = VkApplicationInfo.make {
        $0.pApplicationName = arena.string("LumosX")
        $0.pEngineName = arena.string("LumosX")
        $0.apiVersion = APIVersion(1, 3).rawValue
      }
      let create = VkInstanceCreateInfo.make {
        $0.pApplicationInfo = UnsafePointer(arena.pointer(application))
        guard let log else { return }
        $0.pNext = UnsafeRawPointer(log.instanceChain(arena))
        $0.enabledLayerCount = 1
        $0.ppEnabledLayerNames = UnsafePointer(arena.strings([ValidationLog.layer]))
        $0.enabledExtensionCount = UInt32(ValidationLog.extensions.count)
        $0.ppEnabledExtensionNames = UnsafePointer(arena.strings(ValidationLog.extensions))
      }
      try check(loader.functions.createInstance(arena.pointer(create), nil, &created), "vkCreateInstance", at: library)
    }
    guard let handle = created else { throw LumosError(.noDevice, "vkCreateInstance gave no instance", at: library) }
    let source = FunctionSource(library) { loader.getInstanceProcAddr(handle, $0) }
    self.loader = loader
    self.handle = handle
    functions = try InstanceFunctions(source)
    validation = log
    messenger = try log?.makeMessenger(handle, source)
  }

  deinit {
    let source = FunctionSource("") { [loader, handle] in loader.getInstanceProcAddr(handle, $0) }
    if let messenger {
      let destroy: PFN_vkDestroyDebugUtilsMessengerEXT? = source.optional("vkDestroyDebugUtilsMessengerEXT")
      destroy?(handle, messenger, nil)
    }
    functions.destroyInstance(handle, nil)
  }

  /// All devices that the drivers offer, in their order.
  func physicalDevices() throws -> [VkPhysicalDevice] {
    let found: [VkPhysicalDevice?]
    do {
      found = try enumerate("vkEnumeratePhysicalDevices", filler: nil) {
        functions.enumeratePhysicalDevices(handle, $0, $1)
      }
    } catch let error as LumosError where error.kind == .noDevice {
      // A loader without any driver reports an initialisation failure: the same as no device.
      return []
    }
    return found.compactMap { $0 }
  }
}

/// A Vulkan version.
struct APIVersion: Comparable, CustomStringConvertible {
  /// As Vulkan packs it: variant, major, minor, patch.
  let rawValue: UInt32

  init(_ rawValue: UInt32) { self.rawValue = rawValue }
  init(_ major: UInt32, _ minor: UInt32) { rawValue = major << 22 | minor << 12 }

  static func < (a: APIVersion, b: APIVersion) -> Bool { a.rawValue < b.rawValue }

  var description: String { "\(rawValue >> 22 & 0x7f).\(rawValue >> 12 & 0x3ff).\(rawValue & 0xfff)" }
}
