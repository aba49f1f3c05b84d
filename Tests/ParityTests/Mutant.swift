import Foundation
import LumosOpSuite
import LumosOps
import LumosTensor

@testable import LumosVulkan
@testable import ShaderCompiler

/// A kernel or its lowering, broken on purpose, and a case that must show it.
struct Mutant: Sendable, CustomStringConvertible {
  /// How it is broken.
  enum Change: Sendable {
    /// In the op's shader sources and those that all ops share, one text replaced by another. The text must occur
    /// exactly once; a mutant that no longer applies fails its test.
    case source(String, by: String)
    /// In the words of one kernel of the pack, for kernels that the linked compiler cannot make.
    case kernel(String, @Sendable ([UInt32]) -> [UInt32])
    /// In what the lowering gives.
    case dispatches(@Sendable ([Dispatch]) -> [Dispatch])
  }

  /// How the check must see it: what `ParityResult.failure` begins with.
  enum Symptom: Sendable {
    case error, notANumber, infinite, guardViolation
    /// Any of the first three: what is read was never written, and may be whatever memory held.
    case wrongNumbers

    /// Whether `result` failed in this way and no other.
    func shows(in result: ParityResult) -> Bool {
      guard !result.pass, let failure = result.failure else { return false }
      return beginnings.contains { failure.hasPrefix($0) }
    }

    private var beginnings: [String] {
      switch self {
      case .error: ["NMSE"]
      case .notANumber: ["NaN"]
      case .infinite: ["infinity"]
      case .guardViolation: ["wrote outside its operands"]
      case .wrongNumbers: ["NMSE", "NaN", "infinity"]
      }
    }
  }

  let description: String
  let opCase: OpCase
  let symptom: Symptom
  let change: Change
  /// Whether its operands lie off their alignment, as in the checks of right kernels.
  let misaligned: Bool

  init(
    _ description: String, _ op: any OpDescriptor, _ inputs: [OpCase.Input],
    symptom: Symptom = .error, misaligned: Bool = true, _ change: Change
  ) {
    self.description = description
    opCase = OpCase(description, op, inputs)
    self.symptom = symptom
    self.change = change
    self.misaligned = misaligned
  }

  /// Makes a runner run the broken kernel in place of the right one.
  func apply(to runner: inout OpRunner) throws {
    switch change {
    case .dispatches(let edit): runner.editing = edit
    case .kernel(let name, let edit):
      guard let words = VulkanDevice.kernel(name), edit(words) != words else {
        throw CompileFailure("\(name): error: there is no such kernel, or nothing to break in it")
      }
      runner.kernelOverrides = [name: edit(words)]
    case .source(let text, let replacement):
      runner.kernelOverrides = try Self.compile(opCase.op.name, replacing: text, by: replacement)
    }
  }

  /// All kernels of an op, from sources in which `text` is replaced.
  private static func compile(
    _ op: String, replacing text: String, by replacement: String
  ) throws -> [String: [UInt32]] {
    var files = try sources.get().files.filter { $0.key.hasPrefix("Common/") || $0.key.hasPrefix(op + "/") }
    let places = files.flatMap { path, source in source.ranges(of: text).map { _ in path } }
    guard places.count == 1, let path = places.first, let source = files[path] else {
      throw CompileFailure("Shaders/\(op): error: \"\(text)\" occurs in \(places); a mutant needs one place")
    }
    files[path] = source.replacing(text, with: replacement)
    let kernels = try ShaderCompiler.compile(ShaderSources(files: files), takesPrebuilt: false)
    return Dictionary(uniqueKeysWithValues: kernels.map { ($0.name, $0.words) })
  }

  private static let sources = Result {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Shaders")
    let files = try FileManager.default.subpathsOfDirectory(atPath: root.path)
      .filter { !$0.hasPrefix(".") && ($0.hasSuffix(".comp") || $0.hasSuffix(".glsl") || $0.hasSuffix(".json")) }
    return try ShaderSources(folder: root.path, files: files.map { root.appending(path: $0).path })
  }
}

extension Array<Dispatch> {
  /// The dispatches with the first one changed.
  func changingFirst(_ change: (inout Dispatch) -> Void) -> [Dispatch] {
    var dispatches = self
    if !dispatches.isEmpty { change(&dispatches[0]) }
    return dispatches
  }

  /// The dispatches with the last one changed.
  func changingLast(_ change: (inout Dispatch) -> Void) -> [Dispatch] {
    var dispatches = self
    if !dispatches.isEmpty { change(&dispatches[dispatches.count - 1]) }
    return dispatches
  }
}

extension Dispatch {
  /// Exchanges two words of the push constants.
  mutating func exchange(_ a: PushWord, _ b: PushWord) {
    push = push.map { $0 == a ? b : $0 == b ? a : $0 }
  }
}
