import CVulkan
import LumosTensor
import Synchronization

/// The Khronos validation layer, if it is installed and wanted, and what it said.
///
/// Core and synchronisation validation are on. The layer sees no hazards through device addresses; those are the
/// business of `HazardChecker`.
final class ValidationLog: Sendable {
  static let layer = "VK_LAYER_KHRONOS_validation"
  static let extensions = [VK_EXT_DEBUG_UTILS_EXTENSION_NAME, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME]

  /// `LUMOSX_VALIDATION=1` asks for validation and `=0` declines; unset, debug builds ask for it.
  static var isWanted: Bool {
    if let value = environment("LUMOSX_VALIDATION") { return value != "0" }
    #if DEBUG
      return true
    #else
      return false
    #endif
  }

  /// Whether the layer, with the extensions used here, is installed.
  static func isInstalled(_ loader: VulkanLoader) throws -> Bool {
    let layers = try enumerate("vkEnumerateInstanceLayerProperties", filler: VkLayerProperties()) {
      loader.functions.enumerateInstanceLayerProperties($0, $1)
    }
    guard layers.contains(where: { text(of: $0.layerName) == layer }) else { return false }
    var offered: Set<String> = []
    for provider in [nil, layer] {
      let found = try enumerate("vkEnumerateInstanceExtensionProperties", filler: VkExtensionProperties()) {
        loader.functions.enumerateInstanceExtensionProperties(provider, $0, $1)
      }
      offered.formUnion(found.map { text(of: $0.extensionName) })
    }
    return offered.isSuperset(of: extensions)
  }

  private let collected = Mutex<[String]>([])

  /// Warnings and errors so far, in order.
  var messages: [String] { collected.withLock { $0 } }

  fileprivate func append(_ message: String) { collected.withLock { $0.append(message) } }

  /// Structures that make `vkCreateInstance` itself validated and switch synchronisation validation on.
  func instanceChain(_ arena: CArena) -> UnsafeMutableRawPointer? {
    var chain: UnsafeMutableRawPointer?
    _ = arena.chain(messengerInfo, onto: &chain)
    let features = VkValidationFeaturesEXT.make {
      $0.enabledValidationFeatureCount = 1
      $0.pEnabledValidationFeatures = UnsafePointer(
        arena.array([VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT]))
    }
    _ = arena.chain(features, onto: &chain)
    return chain
  }

  /// Lets the layer report to this log until the messenger is destroyed. The log must outlive the messenger.
  func makeMessenger(_ instance: VkInstance, _ source: FunctionSource) throws -> VkDebugUtilsMessengerEXT? {
    let create: PFN_vkCreateDebugUtilsMessengerEXT = try source("vkCreateDebugUtilsMessengerEXT")
    var messenger: VkDebugUtilsMessengerEXT?
    var info = messengerInfo
    try check(create(instance, &info, nil, &messenger), "vkCreateDebugUtilsMessengerEXT")
    return messenger
  }

  private var messengerInfo: VkDebugUtilsMessengerCreateInfoEXT {
    .make {
      $0.messageSeverity =
        VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT.rawValue
        | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT.rawValue
      $0.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT.rawValue
      $0.pUserData = Unmanaged.passUnretained(self).toOpaque()
      $0.pfnUserCallback = { _, _, data, user in
        if let user, let message = data?.pointee.pMessage {
          Unmanaged<ValidationLog>.fromOpaque(user).takeUnretainedValue().append(String(cString: message))
        }
        return 0
      }
    }
  }
}
