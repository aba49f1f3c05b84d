import LumosGraph
import LumosTensor

/// Encodes video or images of one size, chunk by chunk.
public final class VAEEncoder {
  private let model: VAEGraph
  private let session: any Session
  private let weights: any WeightSource
  private let height: Int
  private let width: Int
  private var executables: [VAEGraph.Chunk: any Executable] = [:]

  /// - Parameters:
  ///   - session: made with `weights`, and for this encoder alone: every video resets its states.
  ///   - height: rows of a frame, a multiple of the spatial factor (8).
  ///   - width: columns of a frame, likewise.
  public init(
    _ configuration: VAEConfiguration, session: any Session, weights: any WeightSource, height: Int, width: Int
  ) {
    let factor = configuration.spatialFactor
    precondition(height > 0 && width > 0 && height % factor == 0 && width % factor == 0, "size \(height) x \(width)")
    model = VAEGraph(configuration)
    self.session = session
    self.weights = weights
    self.height = height
    self.width = width
  }

  /// The graph of a chunk: input `"frames"`, output `"latent"`.
  public func graph(_ chunk: VAEGraph.Chunk) throws -> Graph {
    try GraphBuilder.graph(of: "video encoder", weights: weights) { builder throws(GraphBuilder.Failure) in
      let type = TensorType([model.frames(in: chunk), height, width, model.configuration.imageChannels], .f32)
      let frames = builder.input("frames", type)
      builder.output("latent", try model.encode(frames, chunk: chunk, in: &builder))
    }
  }

  /// The normalised latent f32 `[1 + (T-1)/4, h, w, latentChannels]` of frames f32 `[T, height, width, 3]` in [-1, 1].
  /// Frames beyond the last whole chunk are dropped, as published.
  /// - Throws: `LumosError` for a checkpoint that does not fit; whatever the backend throws.
  public func encode(_ frames: Tensor) throws -> Tensor {
    let channels = model.configuration.imageChannels
    precondition(
      frames.shape.rank == 4 && frames.shape[0] > 0
        && Array(frames.shape.dimensions[1...]) == [height, width, channels],
      "frames \(frames.shape) for \(height) x \(width)")
    try session.resetStates()
    var latents: [Tensor] = []
    var start = 0
    let chunks = model.configuration.latentFrames(frames: frames.shape[0])
    for index in 0..<chunks {
      let chunk = VAEGraph.chunk(index, of: chunks)
      let count = model.frames(in: chunk)
      let executable = try executables[chunk] ?? session.compile(graph(chunk))
      executables[chunk] = executable
      latents.append(try executable.run(["frames": frames.rows(start..<start + count)], output: "latent"))
      start += count
      try Task.checkCancellation()
    }
    let shape = latents[0].shape
    return Tensor(latents.flatMap { $0.floats() }, Shape([latents.count] + shape.dimensions[1...]))
  }
}

/// Decodes latents of one size, latent frame by latent frame, and what comes of each frame by frame.
///
/// The lower levels turn a latent frame into up to four frames and leave them in a state, the queue; the upper levels
/// take one of them per run. At 480 x 832 a value of the upper levels has 153 MB for one frame.
public final class VAEDecoder {
  /// The decoder's graphs.
  public enum Part: Sendable, Hashable {
    /// From the latent frame of a chunk, input `"latent"`, to the queue.
    case lower(VAEGraph.Chunk)
    /// From the queue's first frame to output `"frame"`.
    case upper(VAEGraph.Chunk)
  }

  private static let queue = "decoder.queue"

  private let model: VAEGraph
  private let session: any Session
  private let weights: any WeightSource
  private let latentHeight: Int
  private let latentWidth: Int
  private var executables: [Part: any Executable] = [:]

  /// - Parameters:
  ///   - session: made with `weights`, and for this decoder alone: every video resets its states.
  ///   - latentHeight: rows of a latent frame; frames have 8 times as many.
  ///   - latentWidth: columns of a latent frame.
  public init(
    _ configuration: VAEConfiguration, session: any Session, weights: any WeightSource, latentHeight: Int,
    latentWidth: Int
  ) {
    precondition(latentHeight > 0 && latentWidth > 0, "latent size \(latentHeight) x \(latentWidth)")
    model = VAEGraph(configuration)
    self.session = session
    self.weights = weights
    self.latentHeight = latentHeight
    self.latentWidth = latentWidth
  }

  /// The graph of a part. The upper levels treat first and later chunks alike.
  public func graph(_ part: Part) throws -> Graph {
    try GraphBuilder.graph(of: "video decoder", weights: weights) { builder throws(GraphBuilder.Failure) in
      let one = model.upperInput(height: latentHeight, width: latentWidth)
      let waiting = TensorType(Shape([model.configuration.temporalFactor] + one.dimensions.dropFirst()), .f32)
      switch part {
      case .lower(let chunk):
        let type = TensorType([1, latentHeight, latentWidth, model.configuration.latentChannels], .f32)
        var frames = try model.decodeLower(builder.input("latent", type), chunk: chunk, in: &builder)
        // The first chunk has one frame: copies of it fill the queue, so that it stands in front all the same.
        while builder.shape(of: frames)[0] < waiting.shape[0] {
          frames = try builder.concatenate(frames, frames, Self.queue)
        }
        builder.update(state: Self.queue, to: frames)
      case .upper(let chunk):
        let frame = try builder.slice(builder.state(Self.queue, waiting), 0..<1, Self.queue)
        // Behind the others it is out of the way, and they move up.
        builder.append(frame, toState: Self.queue)
        builder.output("frame", try model.decodeUpper(frame, chunk: chunk, in: &builder))
      }
    }
  }

  /// Decodes a normalised latent f32 `[T, h, w, latentChannels]` and hands over its frames as they are ready: f32
  /// `[1, H, W, 3]`, not clamped to [-1, 1].
  /// - Throws: `LumosError` for a checkpoint that does not fit; whatever the backend or `receive` throw.
  public func decode(_ latent: Tensor, receive: (Tensor) throws -> Void) throws {
    let frame = [latentHeight, latentWidth, model.configuration.latentChannels]
    precondition(
      latent.shape.rank == 4 && Array(latent.shape.dimensions[1...]) == frame, "latent \(latent.shape) for \(frame)")
    try session.resetStates()
    for index in 0..<latent.shape[0] {
      let chunk = VAEGraph.chunk(index, of: latent.shape[0])
      _ = try executable(.lower(chunk)).run(["latent": latent.rows(index..<index + 1)], fetch: [])
      let upper = try executable(.upper(chunk == .single ? .single : .later))
      for _ in 0..<model.frames(in: chunk) {
        try receive(upper.run([:], output: "frame"))
        try Task.checkCancellation()
      }
    }
  }

  private func executable(_ part: Part) throws -> any Executable {
    if let known = executables[part] { return known }
    let executable = try session.compile(graph(part))
    executables[part] = executable
    return executable
  }
}
