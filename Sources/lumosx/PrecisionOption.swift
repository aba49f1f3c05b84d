import ArgumentParser
import LumosGraph
import LumosReference
import LumosVulkan

/// The `--precision` option.
struct PrecisionOptions: ParsableArguments {
  /// What may be asked for.
  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case single, half

    /// The precision.
    var value: Precision {
      switch self {
      case .single: .single
      case .half: .half(.f16)
      }
    }
  }

  @Option(
    help: ArgumentHelp(
      "single: everything in float32. half: factors of products and remembered frames in f16.",
      discussion: "Default: half on a GPU, single on the CPU and on software Vulkan."))
  var precision: Choice?

  /// The precision asked for, or that of a class of devices.
  func resolved(for device: DeviceClass) -> Precision { precision?.value ?? device.precision }

  /// `backend` in the precision asked for, or in that of its device.
  func applied(to backend: any Backend) -> any Backend {
    if var vulkan = backend as? VulkanBackend {
      vulkan.precision = resolved(for: .of(vulkan.device.description))
      return vulkan
    }
    return precision == .half ? ReferenceBackend(precision: .half(.f16)) : backend
  }

  /// The precision that a backend computes in.
  static func precision(of backend: any Backend) -> Precision {
    (backend as? VulkanBackend)?.precision ?? (backend as? ReferenceBackend)?.precision ?? .single
  }
}
