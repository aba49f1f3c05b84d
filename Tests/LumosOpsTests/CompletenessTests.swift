import Glibc
import LumosKernels
import LumosOpSuite
import LumosOps
import LumosReference
import LumosTensor
import LumosVulkan
import Testing

/// One op, six places, and no seventh.
struct CompletenessTests {
  static let names = OpCatalog.all.map { $0.name }

  /// The repository's root, from this file's place in it.
  static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")

  /// Names of the entries of a folder, hidden ones left out.
  static func entries(_ folder: String) -> Set<String> {
    guard let handle = opendir("\(root)/\(folder)") else { return [] }
    defer { closedir(handle) }
    var names: Set<String> = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.insert(name) }
    }
    return names
  }

  static func type(_ name: String) throws -> any OpDescriptor.Type {
    try #require(OpCatalog.all.first { $0.name == name })
  }

  @Test("The catalogue is sorted and names every op once")
  func catalogue() {
    #expect(Self.names == Self.names.sorted { $0.lowercased() < $1.lowercased() })
    #expect(Set(Self.names).count == Self.names.count)
    for type in OpCatalog.all { #expect(type.name == "\(type)") }
  }

  @Test("An op has a reference, a lowering and cases", arguments: names)
  func conformances(name: String) throws {
    let type = try Self.type(name)
    #expect(type is any ReferenceKernel.Type, "\(name) has no CPU reference")
    #expect(type is any VulkanLowering.Type, "\(name) has no Vulkan lowering")
    #expect(!OpSuite.cases(of: name, purpose: .parity).isEmpty, "\(name) has no parity cases")
    #expect(!OpSuite.cases(of: name, purpose: .benchmark).isEmpty, "\(name) has no benchmark cases")
  }

  @Test("An op's files carry its name", arguments: names)
  func files(name: String) {
    let paths = [
      "Sources/LumosOps/Ops/\(name).swift", "Sources/LumosReference/Ops/\(name)+Reference.swift",
      "Sources/LumosVulkan/Ops/\(name)+Vulkan.swift", "Sources/LumosOpSuite/Cases/\(name)+Cases.swift",
      "Shaders/\(name)/\(name).comp", "Shaders/\(name)/\(name).variants.json", "Docs/Kernels/\(name).md",
    ]
    let missing = paths.filter { access("\(Self.root)/\($0)", R_OK) != 0 }
    #expect(missing == [])
    #expect(KernelPack.names.contains { $0 == name || $0.hasPrefix(name + ".") }, "no kernel of \(name) in the pack")
  }

  @Test("There is no shader, reference, lowering or case file without an op")
  func strays() {
    let ops = Set(Self.names)
    #expect(Self.entries("Shaders").subtracting(ops) == ["Common", "Peaks", "Prebuilt.pack"])
    #expect(Self.entries("Sources/LumosOps/Ops") == Set(ops.map { $0 + ".swift" }))
    for (folder, suffix) in [
      ("Sources/LumosReference/Ops", "Reference"), ("Sources/LumosVulkan/Ops", "Vulkan"),
      ("Sources/LumosOpSuite/Cases", "Cases"),
    ] {
      // `NAME+Suffix.swift`, or `NAME+Suffix+Part.swift` where one file would be too long.
      for file in Self.entries(folder) {
        let parts = file.dropLast(".swift".count).split(separator: "+").map(String.init)
        #expect(parts.count >= 2 && ops.contains(parts[0]) && parts[1] == suffix, "\(folder)/\(file) belongs to no op")
      }
    }
    for kernel in KernelPack.names {
      // The loops of `lumosx-bench peaks` are no ops.
      #expect(kernel.hasPrefix("Peaks.") || ops.contains(where: kernel.hasPrefix), "kernel \(kernel) belongs to no op")
    }
  }

  @Test("Titles of cases are unique, as inputs and reports are named by them")
  func titles() {
    let titles = (OpSuite.cases(purpose: .parity) + OpSuite.cases(purpose: .benchmark)).map(\.title)
    let repeated = Dictionary(grouping: titles) { $0 }.filter { $1.count > 1 }.keys.sorted()
    #expect(repeated == [])
  }
}
