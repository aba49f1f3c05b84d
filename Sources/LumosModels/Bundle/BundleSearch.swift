import Glibc
import LumosFiles
import LumosTensor

/// Where a bundle is looked for: what the user names, then `LUMOSX_WEIGHTS`, then the bundle that travels with the
/// program.
public struct BundleSearch: Sendable {
  /// The path of the running program, links resolved.
  public var executablePath: String
  /// The value of `LUMOSX_WEIGHTS`, if set and not empty.
  public var environmentPath: String?
  /// The folder of the hub's downloads; nil if there is none.
  public var hubFolder: String?

  /// Environment variable that names a bundle.
  public static let environmentVariable = "LUMOSX_WEIGHTS"

  /// The search of this process.
  public init() {
    self.init(
      executablePath: Self.realPath("/proc/self/exe") ?? CommandLine.arguments.first.flatMap(Self.realPath) ?? "",
      environmentPath: Self.environment(Self.environmentVariable))
    let home = Self.environment("HF_HOME") ?? Self.environment("HOME").map { $0 + "/.cache/huggingface" }
    hubFolder = home.map { $0 + "/hub" }
  }

  private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

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

  /// A bundle that was found.
  public struct Place: Sendable {
    /// The folder.
    public let path: String
    /// Why it was looked at, for people.
    public let origin: String
    /// What it has.
    public let report: BundleReport
  }

  /// Every folder that may hold a bundle: what `LUMOSX_WEIGHTS` names, what travels with the program, and downloads in the
  /// hub's cache.
  public var all: [Place] {
    var places = environmentPath.map { [($0, Self.environmentVariable)] } ?? []
    if let travelling { places.append((travelling, "travels with the program")) }
    for (folder, model) in hubSnapshots { places.append((folder, "download of \(model)")) }
    return places.map { Place(path: $0.0, origin: $0.1, report: BundleReport($0.0)) }
  }

  /// Downloads of models that the engine runs, with the models' names.
  private var hubSnapshots: [(folder: String, model: String)] {
    guard let hub = hubFolder else { return [] }
    return FileKind.names(in: hub).flatMap { name -> [(folder: String, model: String)] in
      let parts = name.split(separator: "--", omittingEmptySubsequences: true)
      guard parts.count == 3, parts[0] == "models", parts[2].contains("LumosX") || parts[2].hasPrefix("Wan2.1-T2V")
      else { return [] }
      let snapshots = "\(hub)/\(name)/snapshots"
      return FileKind.names(in: snapshots).map { ("\(snapshots)/\($0)", "\(parts[1])/\(parts[2])") }
    }
  }

  /// `"/a/b"` of `"/a/b/c"`, `""` of `"/a"`.
  private static func parent(_ path: String) -> String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "" }

  private static func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
