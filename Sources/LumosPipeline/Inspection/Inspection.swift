import Glibc
import LumosFiles
import LumosMedia
import LumosModels
import LumosTensor
import LumosText

/// What a checkpoint, bundle, scene, video or picture contains: for people as text, for programs as JSON.
public struct Inspection: Sendable {
  /// What it is.
  public enum Kind: String, Sendable, Hashable { case bundle, checkpoint, scene, video, picture }

  /// What it is.
  public let kind: Kind
  /// One line per fact.
  public let lines: [String]
  /// The facts as members of one object.
  public let facts: JSONValue
  /// Why it cannot be used, or nil if it can.
  public let problem: LumosError?

  /// Looks into a file or folder.
  /// - Throws: `LumosError` for what cannot be read at all.
  public init(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw LumosError(.badInput, String(cString: strerror(errno)), at: path)
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      if access(path + "/caption.txt", F_OK) == 0 { self = try Self.scene(path) } else { self = try Self.bundle(path) }
    } else if CheckpointOpener.isCheckpoint(path) {
      self = try Self.checkpoint(path)
    } else if let video = try? VideoProbe.info(path) {
      self = Self.video(video)
    } else if let picture = try? ImageReader.read(path) {
      self.init(
        .picture, ["\(picture.width) x \(picture.height) pixels"],
        ["width": .integer(picture.width), "height": .integer(picture.height)])
    } else {
      throw LumosError(
        .badInput, "is no checkpoint, video, PNG, JPEG or WebP", at: path,
        advice: "name a bundle or scene folder, a checkpoint, a video or a picture")
    }
  }

  private init(_ kind: Kind, _ lines: [String], _ facts: JSONValue, problem: LumosError? = nil) {
    self.kind = kind
    self.lines = lines
    self.facts = facts
    self.problem = problem
  }

  // MARK: - Scenes

  private static func scene(_ path: String) throws -> Inspection {
    let scene = try Scene(path)
    var lines = ["prompt: \(scene.prompt)", "name:   \(scene.sampleName)"]
    var entities: [JSONValue] = []
    for entity in scene.entities {
      let image = try ImageReader.read(entity.path)
      let owner = entity.group.map { " of person \($0 + 1)" } ?? ""
      lines.append(
        "\(entity.kind.rawValue)\(owner): \"\(entity.word)\", \(image.width) x \(image.height), \(entity.path)")
      entities.append([
        "kind": .string(entity.kind.rawValue), "group": entity.group.map { .integer($0) } ?? nil,
        "word": .string(entity.word), "path": .string(entity.path), "width": .integer(image.width),
        "height": .integer(image.height),
      ])
    }
    lines += scene.warnings.map { "warning: \($0)" }
    return Inspection(
      .scene, lines,
      [
        "prompt": .string(scene.prompt), "sampleName": .string(scene.sampleName), "entities": .array(entities),
        "warnings": .array(scene.warnings.map { .string($0) }),
      ])
  }

  // MARK: - Weights

  private static func bundle(_ path: String) throws -> Inspection {
    let bundle = try ModelBundle(path)
    let configuration = bundle.configuration
    let (transformer, sampling) = (configuration.transformer, configuration.sampling)
    var lines = [
      "\(configuration.name): \(transformer.layers) blocks of width \(transformer.width), \(transformer.heads) heads",
      "defaults: \(sampling.width)x\(sampling.height), \(sampling.frames) frames at \(sampling.framesPerSecond)/s, "
        + "\(sampling.steps) steps, shift \(sampling.shift), guidance \(sampling.guidance)",
    ]
    if !configuration.unknownKeys.isEmpty {
      lines.append("unknown keys of config.json: " + configuration.unknownKeys.joined(separator: ", "))
    }
    var parts: [JSONValue] = []
    for (name, weights, expected) in [
      ("transformer", bundle.transformer, ExpectedTensors.transformer(transformer)),
      ("vae", bundle.vae, ExpectedTensors.vae(configuration.vae)),
      ("umt5", bundle.umt5, ExpectedTensors.umt5(configuration.umt5)),
    ] {
      let summary = WeightSummary(weights.checkpoint)
      let deviations = weights.deviations(from: expected)
      lines.append("\(name): \(summary.text), \(weights.checkpoint.path)")
      if !deviations.isEmpty { lines.append("  " + deviations.summary()) }
      parts.append(
        .object(
          [.init("part", .string(name)), .init("path", .string(weights.checkpoint.path))] + summary.members + [
            .init("missing", .array(deviations.missing.map { .string($0) })),
            .init("misshapen", .array(deviations.misshapen.map { .string($0) })),
            .init("unknown", .array(deviations.extra.map { .string($0) })),
          ]))
    }
    let tokenizer = bundle.tokenizerJSONPath.map { " with \($0)" } ?? ""
    lines.append("tokenizer: \(bundle.tokenizerPath)\(tokenizer)")
    var problem: LumosError?
    do {
      try bundle.verify()
      _ = try Tokenizer(modelPath: bundle.tokenizerPath, tokenizerJSONPath: bundle.tokenizerJSONPath)
    } catch { problem = error }
    return Inspection(
      .bundle, lines,
      [
        "name": .string(configuration.name), "parts": .array(parts), "tokenizer": .string(bundle.tokenizerPath),
        "unknownKeys": .array(configuration.unknownKeys.map { .string($0) }),
      ], problem: problem)
  }

  private static func checkpoint(_ path: String) throws -> Inspection {
    let file = try CheckpointOpener.open(path)
    let metadata = texts(file)
    let summary = WeightSummary(file)
    let tensors = file.names.compactMap { name in file.type(of: name).map { (name, $0) } }
    return Inspection(
      .checkpoint,
      ["\(file.format): \(summary.text)"] + metadata.map { "metadata \($0.key): \($0.value)" }
        + tensors.map { "\($0.0)  \($0.1)" },
      .object(
        summary.members + [
          .init("format", .string(file.format)),
          .init(
            "metadata",
            .object(metadata.map { .init($0.key, .string($0.value)) })),
          .init(
            "tensors",
            .array(
              tensors.map {
                [
                  "name": .string($0.0), "dtype": .string($0.1.dtype.rawValue),
                  "shape": .array($0.1.shape.dimensions.map { .integer($0) }),
                ]
              })),
        ]))
  }

  /// What the writer of a checkpoint said, by key.
  private static func texts(_ file: any Checkpoint) -> [(key: String, value: String)] {
    let metadata: [String: String]
    switch file {
    case let file as SafetensorsFile: metadata = file.metadata
    case let file as GGUFFile: metadata = file.metadata.mapValues(\.description)
    default: metadata = [:]
    }
    return metadata.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
  }

  // MARK: - Media

  private static func video(_ info: VideoInfo) -> Inspection {
    let metadata = info.metadata.sorted { $0.key < $1.key }
    return Inspection(
      .video,
      [
        "\(info.codec) \(info.pixelFormat), \(info.width) x \(info.height), \(info.frameCount) frames at "
          + "\(info.framesPerSecond)/s"
      ] + metadata.map { "\($0.key): \($0.value)" },
      [
        "codec": .string(info.codec), "pixelFormat": .string(info.pixelFormat), "width": .integer(info.width),
        "height": .integer(info.height), "frames": .integer(info.frameCount),
        "framesPerSecond": .number(info.framesPerSecond),
        "metadata": .object(metadata.map { .init($0.key, .string($0.value)) }),
      ])
  }
}

/// Count, types and size of a checkpoint's tensors.
private struct WeightSummary {
  let text: String
  let members: [JSONValue.Member]

  init(_ file: any Checkpoint) {
    let types = file.names.compactMap { file.type(of: $0) }
    let dtypes = Set(types.map(\.dtype.rawValue)).sorted()
    let parameters = types.reduce(0) { $0 + $1.shape.count }
    let bytes = types.reduce(0) { $0 + $1.byteCount }
    text = "\(types.count) tensors, \(parameters) numbers as \(dtypes.joined(separator: ", ")), \(bytes) bytes"
    members = [
      .init("tensorCount", .integer(types.count)), .init("parameters", .integer(parameters)),
      .init("dtypes", .array(dtypes.map { .string($0) })), .init("bytes", .integer(bytes)),
    ]
  }
}
