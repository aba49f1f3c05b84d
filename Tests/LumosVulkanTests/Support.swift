import Glibc
import LumosGraph
import LumosOps
import LumosTensor
import Testing

@testable import LumosVulkan

/// Devices for tests. Software Vulkan must be there: a machine without it fails these tests rather than skip them.
enum TestDevice {
  static let name = "llvmpipe"

  /// A fresh device without a pipeline cache on disk, with the validation layer where it is installed.
  static func open(_ edit: (inout VulkanDevice.Options) -> Void = { _ in }) throws -> VulkanDevice {
    var options = VulkanDevice.Options()
    options.cacheDirectory = nil
    options.checked = false
    options.validated = true
    edit(&options)
    return try VulkanDevice(.named(name), options: options)
  }
}

/// Weights by name.
struct TestWeights: WeightSource {
  var tensors: [String: Tensor] = [:]

  func type(ofWeight name: String) -> TensorType? { tensors[name]?.type }
  func weight(_ name: String) throws -> Tensor {
    guard let tensor = tensors[name] else { throw GraphBuilder.Failure.missingWeight(name) }
    return tensor
  }
}

/// `count` numbers that differ from each other.
func ramp(_ count: Int, from start: Float = 0) -> [Float] { (0..<count).map { start + Float($0) } }

/// Runs `body` with a new folder, which is removed afterwards.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  var template = Array("/tmp/lumosx-vulkan-XXXXXX".utf8CString)
  let path = try #require(
    template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!).map { String(cString: $0) } })
  defer {
    for file in files(in: path) { unlink(path + "/" + file) }
    rmdir(path)
  }
  try body(path)
}

/// Names of the files in a folder.
func files(in folder: String) -> [String] {
  guard let directory = opendir(folder) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

/// The `LumosError` that `body` throws.
func lumosError(_ body: () throws -> Void) -> LumosError? {
  do { try body() } catch { return error as? LumosError }
  return nil
}
