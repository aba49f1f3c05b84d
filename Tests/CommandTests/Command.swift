import Foundation

/// Runs the `lumosx` binary, or another one, that was built with the tests.
struct Command {
  let status: Int32
  let output: String
  let errors: String

  /// The repository.
  static let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  /// The bundle that ships with it.
  static let demoBundle = repository.appending(path: "Tools/demo-bundle")

  /// The binary lies beside the test bundle.
  static let binary = binary("lumosx")

  private static func binary(_ name: String) -> URL {
    // `swift test` runs PACKAGE.xctest of the build folder; its path is the first argument or that of this image.
    let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    let candidates = [folder] + CommandLine.arguments.map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
    return candidates.map { $0.appending(path: name) }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) } ?? folder.appending(path: name)
  }

  /// Runs `program arguments` to its end; `environment` is added to an environment without LUMOSX variables.
  init(
    _ arguments: [String], program: String = "lumosx", environment: [String: String] = [:],
    workingDirectory: URL? = nil
  ) throws {
    let process = Process()
    process.executableURL = Self.binary(program)
    process.arguments = arguments
    process.environment = Self.environment(environment)
    process.currentDirectoryURL = workingDirectory
    let (out, err) = (Pipe(), Pipe())
    process.standardOutput = out
    process.standardError = err
    try process.run()
    // Read both at once: a full pipe would stop the child.
    nonisolated(unsafe) var errorData = Data()
    let reader = DispatchGroup()
    DispatchQueue.global().async(group: reader) { errorData = err.fileHandleForReading.readDataToEndOfFile() }
    let outData = out.fileHandleForReading.readDataToEndOfFile()
    reader.wait()
    process.waitUntilExit()
    status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    output = String(decoding: outData, as: UTF8.self)
    errors = String(decoding: errorData, as: UTF8.self)
  }

  static func environment(_ added: [String: String]) -> [String: String] {
    ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("LUMOSX_") }.merging(added) { $1 }
  }
}

/// A folder that goes away with the test.
final class Scratch {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "lumosx-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Writes a file, making folders on the way.
  func write(_ path: String, _ data: Data) throws -> URL {
    let file = url.appending(path: path)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: file)
    return file
  }

  /// A copy of a sample scene that a test may spoil.
  func scene(_ number: Int) throws -> URL {
    let copy = url.appending(path: "scene")
    try FileManager.default.copyItem(at: Command.demoBundle.appending(path: "scenes/\(number)"), to: copy)
    return copy
  }

  /// Everything in the folder, relative, sorted.
  func contents() -> [String] {
    (FileManager.default.subpaths(atPath: url.path) ?? []).sorted()
  }
}
