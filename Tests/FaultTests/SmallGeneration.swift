import Foundation
import LumosFiles
import LumosGraph
import LumosModels
import LumosOpSuite
import LumosPipeline
import LumosTensor
import LumosVulkan
import Testing

/// The smallest generation that goes through every part of the engine, so that each of its calls can be made to fail:
/// a text encoder and a transformer of two blocks, a video autoencoder of two levels, random weights in their files,
/// a caption, a person with one attribute and a background.
///
/// What it makes means nothing, but it is the same every time.
final class SmallGeneration: Sendable {
  /// Where the bundle and the scene lie; the folder goes away with the object.
  private let scratch: Scratch

  /// The bundle's folder.
  var bundlePath: String { scratch.url.appending(path: "bundle").path }
  /// The scene's folder.
  var scenePath: String { scratch.url.appending(path: "scene").path }

  /// Writes the bundle and the scene.
  init() throws {
    scratch = try Scratch()
    let files = FileManager.default
    let bundle = URL(fileURLWithPath: bundlePath)
    for folder in ["LumosX_models", "tokenizer"] {
      try files.createDirectory(at: bundle.appending(path: folder), withIntermediateDirectories: true)
    }
    let demo = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Tools/demo-bundle")
    try files.copyItem(
      at: demo.appending(path: "tokenizer/spiece.model"), to: bundle.appending(path: "tokenizer/spiece.model"))
    try Data(Self.configuration.utf8).write(to: bundle.appending(path: "config.json"))
    let model = try ModelConfiguration(path: bundle.appending(path: "config.json").path)
    let checkpoints = [
      ("LumosX_models/model", ExpectedTensors.transformer(model.transformer)),
      ("umt5", ExpectedTensors.umt5(model.umt5)), ("vae", ExpectedTensors.vae(model.vae)),
    ]
    for (name, shapes) in checkpoints {
      try SafetensorsWriter.write(
        Self.randomWeights(shapes), to: bundle.appending(path: "\(name).safetensors").path)
    }

    let scene = URL(fileURLWithPath: scenePath)
    for file in ["background/beach.png", "subjects/1/face_man.png", "subjects/1/crown.png"] {
      let target = scene.appending(path: file)
      try files.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
      try files.copyItem(at: demo.appending(path: "scenes/1/\(file)"), to: target)
    }
    try Data("on a beach, a man with a crown is waving.".utf8).write(to: scene.appending(path: "caption.txt"))
  }

  /// Three frames of 16 x 16 pixels: two latent frames of 32 tokens altogether, and as many for each of three images.
  func request(steps: Int = 2) -> Request {
    Request(scenePath: scenePath, size: (16, 16), frames: 3, steps: steps, seed: 7)
  }

  func pipeline(
    _ backend: any Backend, streamed: Bool = false, rebuild: (@Sendable () throws -> any Backend)? = nil
  ) throws -> Pipeline {
    var pipeline = try Pipeline(bundle: ModelBundle(bundlePath), backend: backend, rebuild: rebuild)
    if streamed {
      pipeline.ladder.first = .streamed
      pipeline.ladder.slotBytes = 2 << 10
    }
    return pipeline
  }

  /// A backend that submits the same in every run: what comes first, second and so on must not depend on time.
  static func backend(_ device: VulkanDevice) -> VulkanBackend {
    var backend = VulkanBackend(device: device)
    backend.limits.correctsRates = false
    // Where weights are streamed at all, those of a small bundle are.
    backend.limits.leastStreamedBytes = 64
    return backend
  }

  /// A fresh device that follows `faults`: software Vulkan unless `LUMOSX_TEST_DEVICE` names another.
  static func device(
    _ faults: FaultPlan, staged: Bool = false, validated: Bool = false
  ) throws -> VulkanDevice {
    var options = VulkanDevice.Options()
    options.cacheDirectory = nil
    options.checked = false
    options.validated = validated
    options.stagesAllTransfers = staged
    options.faults = faults
    return try VulkanDevice(
      DeviceSelection(ProcessInfo.processInfo.environment["LUMOSX_TEST_DEVICE"] ?? "llvmpipe"), options: options)
  }

  private static func randomWeights(_ shapes: [String: Shape]) -> [(name: String, tensor: Tensor)] {
    var random = SplitMix64(seed: 7)
    return shapes.sorted { $0.key < $1.key }.map { name, shape in
      let scale = 1 / Float(max(shape.dimensions.dropFirst().reduce(1, *), 1)).squareRoot()
      return (name, Tensor((0..<shape.count).map { _ in random.normal() * scale }, shape).converted(to: .f16))
    }
  }

  private static let configuration = """
    {
      "name": "small",
      "transformer": {
        "text_len": 32, "in_dim": 4, "dim": 16, "ffn_dim": 32, "freq_dim": 8, "text_dim": 8, "out_dim": 4,
        "num_heads": 2, "head_dim": 8, "num_layers": 2, "pool_size": 2
      },
      "vae": {
        "dim": 4, "z_dim": 4, "dim_mult": [1, 1], "num_res_blocks": 1, "temperal_downsample": [true],
        "stride": [2, 2, 2], "latent_mean": [0.1, -0.1, 0.2, 0], "latent_std": [1, 1.5, 1, 2]
      },
      "umt5": {
        "vocab_size": 97, "dim": 8, "dim_attn": 8, "dim_ffn": 16, "num_heads": 2, "encoder_layers": 2
      },
      "tokenizer": { "clean": "whitespace" },
      "sampling": { "height": 16, "width": 16, "frames": 3, "fps": 8, "negative_prompt": "" }
    }
    """
}
