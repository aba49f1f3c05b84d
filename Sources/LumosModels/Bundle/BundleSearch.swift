import Glibc
import LumosTensor

/// Where a bundle is looked for: what the user names, then `LUMOSX_WEIGHTS`, then the bundle that travels with the
/// program.
public struct BundleSearch: Sendable {
  /// The path of the running program, links resolved.
  public var executablePath: String
  /// The value of `LUMOSX_WEIGHTS`, if set and not empty.
  public var environmentPath: String?

  /// Environment variable that names a bundle.
  public static let environmentVariable = "LUMOSX_WEIGHTS"

  /// The search of this process.
  public init() {
    self.init(
      executablePath: Self.realPath("/proc/self/exe") ?? CommandLine.arguments.first.flatMap(Self.realPath) ?? "",
      environmentPath: getenv(Self.environmentVariable).map { String(cString: $0) })
  }

  /// A search as if the program lay at `executablePath`.
  public init(executablePath: String, environmentPath: String? = nil) {
    self.executablePath = executablePath
    self.environmentPath = environmentPath.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The folder to open.
  ///
  /// - Parameter explicit: what the user named; whether it exists is found when it is opened.
  /// - Throws: `LumosError(.badInput)` if nothing was named and no bundle travels with the program.
  public func path(explicit: String? = nil) throws(LumosError) -> String {
    if let path = explicit ?? environmentPath { return path }
    if let path = travelling { return path }
    throw LumosError(
      .badInput, "no weights were named, and none lie beside the program", at: executablePath,
      advice: "pass --weights DIR or set \(Self.environmentVariable)")
  }

  /// The demonstration bundle that was installed with the program (`../share/lumosx/bundle`) or lies in the source
  /// tree around it (`Tools/demo-bundle`); nil if there is none. Independent of the working directory.
  public var travelling: String? {
    var folder = Self.parent(executablePath)
    let installed = Self.parent(folder) + "/share/lumosx/bundle"
    if FileKind(installed) == .folder { return installed }
    while !folder.isEmpty {
      let candidate = folder + "/Tools/demo-bundle"
      if FileKind(candidate) == .folder { return candidate }
      folder = Self.parent(folder)
    }
    return nil
  }

  /// `"/a/b"` of `"/a/b/c"`, `""` of `"/a"`.
  private static func parent(_ path: String) -> String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "" }

  private static func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
