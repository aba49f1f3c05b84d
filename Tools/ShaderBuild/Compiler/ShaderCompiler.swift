import Dispatch
import Foundation

/// `ShaderCompiler SHADERS OUTPUT FILE...`: compiles every variant of every `.comp` among the files, which lie under
/// the folder SHADERS, and writes the Swift file OUTPUT that holds them all. Prebuilt ones come from
/// `SHADERS/Prebuilt.pack`, which must be among the files if there are any.
///
/// GLSL errors appear as `Shaders/Linear/Linear.comp:12: error: ...` and fail the build.
@main struct ShaderCompiler {
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard arguments.count >= 2 else {
      report("usage: ShaderCompiler SHADERS OUTPUT FILE...")
      exit(64)
    }
    do {
      let sources = try ShaderSources(folder: arguments[0], files: Array(arguments.dropFirst(2)))
      let kernels = try compile(sources)
      let pack = PackWriter(kernels: kernels, sourceHash: sources.hash)
      try Data(pack.swiftSource.utf8).write(to: URL(fileURLWithPath: arguments[1]), options: .atomic)
    } catch let failure as CompileFailure {
      failure.messages.forEach(report)
      exit(1)
    } catch {
      report("error: \(error)")
      exit(1)
    }
  }

  /// All variants of all shaders, by name; without prebuilt ones if they are not wanted.
  static func compile(_ sources: ShaderSources, takesPrebuilt: Bool = true) throws -> [CompiledKernel] {
    let all = try sources.variants()
    let prebuilt = takesPrebuilt ? try PrebuiltPack.kernels(all.filter(\.isPrebuilt), sources) : []
    let variants = all.filter { !$0.isPrebuilt }
    Glslang.start()
    defer { Glslang.stop() }
    let results = Results(count: variants.count)
    DispatchQueue.concurrentPerform(iterations: variants.count) { i in
      results.set(i, Result { try Glslang.compile(variants[i], sources) })
    }
    var kernels: [CompiledKernel] = []
    var messages: [String] = []
    for (variant, result) in zip(variants, results.values) {
      switch result {
      case .success(let words): kernels.append(CompiledKernel(name: variant.name, words: words))
      case .failure(let failure as CompileFailure):
        // Variants of one shader mostly fail alike: each message once, with the first variant that shows it.
        messages += failure.messages.filter { !messages.contains($0) }
      case .failure(let other): throw other
      case nil: throw CompileFailure("error: \(variant.name) was not compiled")
      }
    }
    if !messages.isEmpty { throw CompileFailure(messages) }
    return (kernels + prebuilt).sorted { $0.name < $1.name }
  }

  private static func report(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}

/// Messages that end the build, each in the form `file:line: error: text` where there is a file.
struct CompileFailure: Error, Equatable {
  let messages: [String]

  init(_ messages: [String]) { self.messages = messages }
  init(_ message: String) { messages = [message] }
}

/// Results of concurrent compilations, in the order of the variants.
private final class Results: @unchecked Sendable {
  private let lock = NSLock()
  private(set) var values: [Result<[UInt32], any Error>?]

  init(count: Int) { values = Array(repeating: nil, count: count) }

  func set(_ index: Int, _ value: Result<[UInt32], any Error>) { lock.withLock { values[index] = value } }
}
