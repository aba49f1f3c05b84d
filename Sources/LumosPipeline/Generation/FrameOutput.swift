import LumosMedia
import LumosTensor

/// Where the frames of a generation go: an MP4, or a PNG for a single frame, and a contact sheet if one is wanted.
final class FrameOutput {
  private enum Target {
    case video(VideoWriter)
    case picture(path: String)
  }

  private let target: Target
  private let contactSheet: String?
  private var kept: [Image] = []
  /// Frames taken so far.
  private(set) var count = 0

  /// Opens the output at once, so that a path that cannot be written is refused before any work.
  init(_ path: String, contactSheet: String?, settings: Settings) throws {
    for path in [path, contactSheet].compactMap({ $0 }) { try OutputPath.check(path) }
    self.contactSheet = contactSheet
    if settings.frames == 1 {
      target = .picture(path: path)
    } else {
      target = .video(
        try VideoWriter(
          path: path, width: settings.width, height: settings.height, framesPerSecond: settings.framesPerSecond))
    }
  }

  /// Takes the next frame.
  func append(_ frame: Image) throws {
    if contactSheet != nil { kept.append(frame) }
    switch target {
    case .video(let writer): try writer.append(frame)
    case .picture(let path): try PNGWriter.write(frame, path)
    }
    count += 1
  }

  /// Completes the files.
  func finish() throws {
    if case .video(let writer) = target { try writer.finish() }
    if let contactSheet, let first = kept.first {
      // Small videos are enlarged so that a person can see something; long ones are thinned to one sheet.
      let step = max(1, (kept.count + 24) / 25)
      let frames = stride(from: 0, to: kept.count, by: step).map { kept[$0] }
      let sheet = ContactSheet.make(
        frames: frames, columns: min(frames.count, 5), scale: max(1, 192 / max(first.width, first.height)))
      try PNGWriter.write(sheet, contactSheet)
    }
  }
}
