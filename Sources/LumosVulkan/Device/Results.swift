import CVulkan
import LumosTensor

extension VkResult {
  /// The constant's name in the specification, or the number of one that this program does not know.
  var name: String {
    switch self {
    case VK_NOT_READY: "VK_NOT_READY"
    case VK_TIMEOUT: "VK_TIMEOUT"
    case VK_INCOMPLETE: "VK_INCOMPLETE"
    case VK_ERROR_OUT_OF_HOST_MEMORY: "VK_ERROR_OUT_OF_HOST_MEMORY"
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: "VK_ERROR_OUT_OF_DEVICE_MEMORY"
    case VK_ERROR_INITIALIZATION_FAILED: "VK_ERROR_INITIALIZATION_FAILED"
    case VK_ERROR_DEVICE_LOST: "VK_ERROR_DEVICE_LOST"
    case VK_ERROR_MEMORY_MAP_FAILED: "VK_ERROR_MEMORY_MAP_FAILED"
    case VK_ERROR_LAYER_NOT_PRESENT: "VK_ERROR_LAYER_NOT_PRESENT"
    case VK_ERROR_EXTENSION_NOT_PRESENT: "VK_ERROR_EXTENSION_NOT_PRESENT"
    case VK_ERROR_FEATURE_NOT_PRESENT: "VK_ERROR_FEATURE_NOT_PRESENT"
    case VK_ERROR_INCOMPATIBLE_DRIVER: "VK_ERROR_INCOMPATIBLE_DRIVER"
    case VK_ERROR_TOO_MANY_OBJECTS: "VK_ERROR_TOO_MANY_OBJECTS"
    case VK_ERROR_UNKNOWN: "VK_ERROR_UNKNOWN"
    default: "VkResult \(rawValue)"
    }
  }
}

/// Throws unless `result` is success. Memory and device loss are failures that a person can do something about; what is
/// left is a defect of this program or of the driver.
/// - Parameters:
///   - call: the entry point, for the message: `"vkCreateBuffer"`.
///   - place: the device, buffer or kernel concerned.
func check(_ result: VkResult, _ call: String, at place: String? = nil) throws {
  switch result {
  case VK_SUCCESS: return
  case VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_TOO_MANY_OBJECTS:
    throw LumosError(
      .tryAgain, "\(call) ran out of memory (\(result.name))", at: place,
      advice: "close other programs that use the device, or ask for fewer frames or a smaller size")
  case VK_ERROR_DEVICE_LOST: throw LumosError.deviceLost(in: call, at: place)
  case VK_ERROR_INCOMPATIBLE_DRIVER, VK_ERROR_INITIALIZATION_FAILED:
    throw LumosError(
      .noDevice, "\(call) failed with \(result.name)", at: place,
      advice: "check the graphics driver with vulkaninfo (package vulkan-tools)")
  default: throw LumosError(.internalDefect, "\(call) failed with \(result.name)", at: place)
  }
}

extension LumosError {
  /// The driver has given the device up: a reset, a removed card, a kernel that ran too long.
  static func deviceLost(in call: String, at place: String?, fault: String? = nil) -> LumosError {
    LumosError(
      .tryAgain, "device lost in \(call)" + (fault.map { ": \($0)" } ?? ""), at: place,
      advice: "run again; if it happens each time, look for the reason in the kernel log (dmesg) and update the driver")
  }
}

/// Calls one of Vulkan's two-step enumerations: how many, then the elements. It asks again while the set grows.
func enumerate<Element>(
  _ call: String, filler: Element, _ body: (UnsafeMutablePointer<UInt32>, UnsafeMutablePointer<Element>?) -> VkResult
) throws -> [Element] {
  while true {
    var count: UInt32 = 0
    try check(body(&count, nil), call)
    if count == 0 { return [] }
    var elements = [Element](repeating: filler, count: Int(count))
    let result = elements.withUnsafeMutableBufferPointer { body(&count, $0.baseAddress) }
    if result == VK_INCOMPLETE { continue }
    try check(result, call)
    return Array(elements.prefix(Int(count)))
  }
}
