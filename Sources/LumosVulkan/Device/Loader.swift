import CVulkan
import Glibc
import LumosTensor

/// The system's Vulkan loader, opened at run time so that a program starts, and explains itself, where there is none.
///
/// The library stays open for the life of the process: drivers keep threads that must not lose their code.
struct VulkanLoader: Sendable {
  /// Where the loader is looked for. `LUMOSX_VULKAN_LOADER` names another file.
  static var defaultLibrary: String { environment("LUMOSX_VULKAN_LOADER") ?? "libvulkan.so.1" }

  /// The entry point that gives all others.
  let getInstanceProcAddr: PFN_vkGetInstanceProcAddr
  /// Functions that need no instance.
  let functions: GlobalFunctions

  /// - Throws: `LumosError(.noDevice)` if there is no such library or it is no Vulkan loader.
  init(library: String = defaultLibrary) throws {
    guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "unknown reason"
      throw LumosError(
        .noDevice, "the Vulkan loader cannot be opened (\(reason))", at: library,
        advice: "install it with the graphics driver (Debian and Ubuntu: apt install libvulkan1 mesa-vulkan-drivers; "
          + "NVIDIA: the driver brings its own part), or run with --device cpu")
    }
    guard let symbol = dlsym(handle, "vkGetInstanceProcAddr") else {
      throw LumosError(.noDevice, "this library is not a Vulkan loader", at: library, advice: "install libvulkan1")
    }
    let getInstanceProcAddr = unsafeBitCast(symbol, to: PFN_vkGetInstanceProcAddr.self)
    self.getInstanceProcAddr = getInstanceProcAddr
    functions = try GlobalFunctions(FunctionSource(library) { getInstanceProcAddr(nil, $0) })
  }
}

/// An environment variable, or nil if it is not set or empty.
func environment(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}

/// Finds entry points by name.
struct FunctionSource {
  private let place: String
  private let find: (UnsafePointer<CChar>) -> PFN_vkVoidFunction?

  init(_ place: String, _ find: @escaping (UnsafePointer<CChar>) -> PFN_vkVoidFunction?) {
    self.place = place
    self.find = find
  }

  /// The entry point `name`, whose C type is `Function`.
  /// - Throws: `LumosError(.noDevice)` if the driver lacks it, although the Vulkan version that it claims has it.
  func callAsFunction<Function>(_ name: String, as type: Function.Type = Function.self) throws -> Function {
    guard let function = optional(name, as: type) else {
      throw LumosError(.noDevice, "the driver lacks the function \(name)", at: place, advice: "update the driver")
    }
    return function
  }

  /// The entry point `name` of an extension, or nil.
  func optional<Function>(_ name: String, as type: Function.Type = Function.self) -> Function? {
    find(name).map { unsafeBitCast($0, to: Function.self) }
  }
}
