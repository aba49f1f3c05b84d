import LumosGraph
import LumosTensor

/// The backend of one generation, replaced once if its device is lost.
struct Recovery {
  private var backend: any Backend
  private var rebuild: (@Sendable () throws -> any Backend)?

  /// - Parameter rebuild: makes the backend that takes over; nil if a device loss is to end the generation.
  init(_ backend: any Backend, _ rebuild: (@Sendable () throws -> any Backend)?) {
    self.backend = backend
    self.rebuild = rebuild
  }

  /// Runs a stage; if the device is lost in it, opens another backend and runs the stage again. What the stage need not
  /// do twice, it keeps outside of `stage`.
  ///
  /// - Parameter onEvent: hears of the loss, before the device is opened again.
  /// - Throws: what `stage` throws, also if that is a second loss; `LumosError(.tryAgain)` if no other backend is to be
  ///   had.
  mutating func run<R>(
    _ onEvent: (GenerationEvent) throws -> Void, _ stage: (any Backend) throws -> R
  ) throws -> R {
    do { return try stage(backend) } catch {
      guard backend.isLost, let rebuild else { throw error }
      // Once: what makes a device go twice is not mended by a third attempt.
      self.rebuild = nil
      let reason = (error as? LumosError)?.what ?? "\(error)"
      try onEvent(.warning("device lost, opening \(backend.name) again and going on (\(reason))"))
      do { backend = try rebuild() } catch {
        throw LumosError(
          .tryAgain, "the device was lost and cannot be opened again", at: backend.name,
          advice: "look for the reason in the kernel log (dmesg), then run again", cause: error)
      }
    }
    return try stage(backend)
  }
}
