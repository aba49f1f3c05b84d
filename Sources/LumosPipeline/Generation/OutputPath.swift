import Glibc
import LumosTensor

/// Names of outputs, and checks of them that can be made before the work.
public enum OutputPath {
  /// The path of the video of `seed` among several: `-seed7` stands before the ending. Nil gives `path` itself.
  public static func path(_ path: String, seed: UInt64?) -> String {
    guard let seed else { return path }
    let (stem, ending) = parts(of: path)
    return "\(stem)-seed\(seed)\(ending)"
  }

  /// The path of the preview of the video at `path`: `video-preview.png` beside `video.mp4`.
  public static func preview(of path: String) -> String { parts(of: path).stem + "-preview.png" }

  /// What stands before the ending of a file's name, and the ending with its dot, if there is one.
  private static func parts(of path: String) -> (stem: Substring, ending: Substring) {
    let name = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    guard let dot = path[name...].lastIndex(of: "."), dot > name else { return (path[...], "") }
    return (path[..<dot], path[dot...])
  }

  /// Refuses a path whose folder does not exist or is not writable, or that is itself a folder.
  public static func check(_ path: String) throws {
    guard !path.isEmpty else { throw LumosError(.cannotWrite, "the output path is empty") }
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw LumosError(.cannotWrite, "is a folder", at: path, advice: "name a file")
    }
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw LumosError(.cannotWrite, "the folder does not exist", at: folder, advice: "create it first")
    }
    guard access(folder, W_OK | X_OK) == 0 else {
      throw LumosError(
        .cannotWrite, String(cString: strerror(errno)), at: folder, advice: "choose a folder that you may write to")
    }
  }
}
