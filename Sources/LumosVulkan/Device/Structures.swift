import CVulkan
import Glibc

/// A Vulkan structure that names its own type. `T.make { $0.x = … }` is the zeroed structure with `sType` set.
protocol VulkanStructure {
  init()
  static var structureType: UInt32 { get }
}

extension VulkanStructure {
  /// A zeroed structure with its type set and then edited by `body`.
  static func make(_ body: (inout Self) throws -> Void) rethrows -> Self {
    var structure = make()
    try body(&structure)
    return structure
  }

  /// A zeroed structure with its type set.
  static func make() -> Self {
    var structure = Self()
    // Every extensible structure begins with sType and pNext, whatever Swift type the header gives sType.
    withUnsafeMutableBytes(of: &structure) { $0.storeBytes(of: structureType, as: UInt32.self) }
    return structure
  }
}

/// Memory for the C structures, arrays and strings of one Vulkan call, which refer to each other by pointers.
///
/// It replaces a pyramid of `withUnsafePointer`: everything stays where it is until the arena goes away, so an arena
/// must outlive the call (`withExtendedLifetime`, or `CArena.with`).
final class CArena {
  private var blocks: [UnsafeMutableRawPointer] = []

  /// Calls `body` with an arena that lives until it returns.
  static func with<Result>(_ body: (CArena) throws -> Result) rethrows -> Result {
    let arena = CArena()
    return try withExtendedLifetime(arena) { try body(arena) }
  }

  /// A copy of `value` at a fixed place.
  func pointer<T>(_ value: T) -> UnsafeMutablePointer<T> {
    let pointer = UnsafeMutablePointer<T>.allocate(capacity: 1)
    pointer.initialize(to: value)
    blocks.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  /// A copy of `values` at a fixed place (room for one element when there are none).
  func array<T>(_ values: [T]) -> UnsafeMutablePointer<T> {
    let pointer = UnsafeMutablePointer<T>.allocate(capacity: max(values.count, 1))
    pointer.initialize(from: values, count: values.count)
    blocks.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  /// A C string.
  func string(_ text: String) -> UnsafePointer<CChar> {
    UnsafePointer(array(Array(text.utf8CString)))
  }

  /// An array of C strings.
  func strings(_ texts: [String]) -> UnsafeMutablePointer<UnsafePointer<CChar>?> {
    let pointer = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: max(texts.count, 1))
    for (index, text) in texts.enumerated() { (pointer + index).initialize(to: string(text)) }
    blocks.append(UnsafeMutableRawPointer(pointer))
    return pointer
  }

  /// Puts `structure` at a fixed place and in front of the chain `head`.
  func chain<T: VulkanStructure>(_ structure: T, onto head: inout UnsafeMutableRawPointer?) -> UnsafeMutablePointer<T> {
    let link = pointer(structure)
    UnsafeMutableRawPointer(link).storeBytes(of: head, toByteOffset: 8, as: UnsafeMutableRawPointer?.self)
    head = UnsafeMutableRawPointer(link)
    return link
  }

  deinit { for block in blocks { block.deallocate() } }
}

/// Text of a fixed-size C string member, up to its terminator.
func text<T>(of member: T) -> String {
  withUnsafeBytes(of: member) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

/// The elements of a fixed-size array member.
func elements<T, Element>(of member: T, as type: Element.Type, count: Int) -> [Element] {
  withUnsafeBytes(of: member) { Array($0.bindMemory(to: Element.self).prefix(count)) }
}
