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
    for index in 0..<model.configuration.latentFrames(frames: frames.shape[0]) {
      let chunk: VAEGraph.Chunk = index == 0 ? .first : .later
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

/// Decodes latents of one size, latent frame by latent frame.
public final class VAEDecoder {
  private let model: VAEGraph
  private let session: any Session
  private let weights: any WeightSource
  private let latentHeight: Int
  private let latentWidth: Int
  private var executables: [VAEGraph.Chunk: any Executable] = [:]

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

  /// The graph of a chunk: input `"latent"`, output `"frames"`.
  public func graph(_ chunk: VAEGraph.Chunk) throws -> Graph {
    try GraphBuilder.graph(of: "video decoder", weights: weights) { builder throws(GraphBuilder.Failure) in
      let type = TensorType([1, latentHeight, latentWidth, model.configuration.latentChannels], .f32)
      let latent = builder.input("latent", type)
      builder.output("frames", try model.decode(latent, chunk: chunk, in: &builder))
    }
  }

  /// Decodes a normalised latent f32 `[T, h, w, latentChannels]` and hands over its frames as they are ready: f32
  /// `[t, H, W, 3]`, one frame first and then four at a time, not clamped to [-1, 1].
  /// - Throws: `LumosError` for a checkpoint that does not fit; whatever the backend or `receive` throw.
  public func decode(_ latent: Tensor, receive: (Tensor) throws -> Void) throws {
    let frame = [latentHeight, latentWidth, model.configuration.latentChannels]
    precondition(
      latent.shape.rank == 4 && Array(latent.shape.dimensions[1...]) == frame, "latent \(latent.shape) for \(frame)")
    try session.resetStates()
    for index in 0..<latent.shape[0] {
      let chunk: VAEGraph.Chunk = index == 0 ? .first : .later
      let executable = try executables[chunk] ?? session.compile(graph(chunk))
      executables[chunk] = executable
      try receive(executable.run(["latent": latent.rows(index..<index + 1)], output: "frames"))
      try Task.checkCancellation()
    }
  }
}
