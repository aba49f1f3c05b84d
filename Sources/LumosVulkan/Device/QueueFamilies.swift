import CVulkan
import LumosTensor

/// The families of queues from which the engine takes its queues.
struct QueueFamilies: Sendable {
  /// What a device says of a family.
  struct Family: Sendable, Hashable {
    let flags: UInt32
    let queueCount: Int
    let timestampBits: Int

    func has(_ flag: VkQueueFlagBits) -> Bool { flags & flag.rawValue != 0 }
  }

  /// Family of the queue that computes.
  let compute: UInt32
  /// Valid bits of a timestamp on it.
  let timestampBits: Int
  /// Family of the queue that copies, and which of its queues that is. The computing queue itself where
  /// `hasTransferQueue` is false.
  let transfer: UInt32
  let transferIndex: UInt32
  let transferTimestampBits: Int
  /// Whether copies have a queue of their own.
  let hasTransferQueue: Bool

  /// - Throws: `LumosError(.noDevice)` if the device has no queue that computes.
  init(_ instance: VulkanInstance, _ device: VkPhysicalDevice, _ name: String) throws {
    let families = try enumerate(
      "vkGetPhysicalDeviceQueueFamilyProperties", filler: VkQueueFamilyProperties()
    ) { count, families in
      instance.functions.getPhysicalDeviceQueueFamilyProperties(device, count, families)
      return VK_SUCCESS
    }
    self = try Self(
      families.map {
        Family(flags: $0.queueFlags, queueCount: Int($0.queueCount), timestampBits: Int($0.timestampValidBits))
      }, name)
  }

  /// The engine computes on a family without graphics if there is one, since a long dispatch on the graphics queue
  /// stalls the desktop and meets its shorter watchdog. It copies on a family that does nothing else (the copy engines
  /// of discrete GPUs), else on a second queue of the computing family, else on the very queue that computes.
  init(_ families: [Family], _ name: String) throws {
    let computing = families.indices.filter { families[$0].has(VK_QUEUE_COMPUTE_BIT) && families[$0].queueCount > 0 }
    let timed = computing.filter { families[$0].timestampBits > 0 }
    let dedicated = timed.first { !families[$0].has(VK_QUEUE_GRAPHICS_BIT) }
    guard let index = dedicated ?? timed.first ?? computing.first else {
      throw LumosError(.noDevice, "the device has no compute queue", at: name)
    }
    compute = UInt32(index)
    timestampBits = families[index].timestampBits
    // Video engines announce transfers as well, and are left alone where there is something better.
    let copying = families.indices.filter {
      families[$0].has(VK_QUEUE_TRANSFER_BIT) && families[$0].queueCount > 0 && !families[$0].has(VK_QUEUE_COMPUTE_BIT)
        && !families[$0].has(VK_QUEUE_GRAPHICS_BIT)
    }
    let known = VK_QUEUE_TRANSFER_BIT.rawValue | VK_QUEUE_SPARSE_BINDING_BIT.rawValue
    let copier = copying.first { families[$0].flags & ~known == 0 } ?? copying.first
    transfer = UInt32(copier ?? index)
    transferTimestampBits = families[copier ?? index].timestampBits
    transferIndex = copier == nil && families[index].queueCount > 1 ? 1 : 0
    hasTransferQueue = copier != nil || transferIndex == 1
  }

  /// How many queues of each family are opened.
  var counts: [(family: UInt32, count: Int)] {
    transfer == compute ? [(compute, hasTransferQueue ? 2 : 1)] : [(compute, 1), (transfer, 1)]
  }
}
