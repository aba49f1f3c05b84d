import LumosFiles
import LumosPipeline
import LumosTensor
import LumosVulkan
import Testing

/// Every file access of a generation fails, one after the other.
@Suite(.serialized, .timeLimit(.minutes(20))) struct FileFaultTests {
  /// Configuration, checkpoints, tokenizer, caption and images; then the video.
  /// Streamed, weights are read from their files during the whole generation.
  @Test(arguments: [(FaultPlan.Point.fileRead, false), (.fileWrite, false), (.fileRead, true)])
  func everyAccess(_ point: FaultPlan.Point, streamed: Bool) throws {
    let plan = FaultPlan()
    let device = try SmallGeneration.device(FaultPlan())
    let small = try SmallGeneration()
    let scratch = try Scratch()
    func generate() throws {
      try FaultPlan.$files.withValue(plan) {
        let pipeline = try small.pipeline(SmallGeneration.backend(device), streamed: streamed)
        _ = try pipeline.generate(small.request(), to: scratch.video)
      }
    }
    try generate()
    let video = try scratch.takeVideo()
    let count = plan.count(point)
    #expect(point == .fileRead ? count >= 8 : count == 2)

    var places: Set<String> = []
    for index in 0..<count {
      for persistent in [false, true] {
        let comment: Comment = "\(point.rawValue) \(index) of \(count)\(persistent ? " and later" : "")"
        plan.arm(point, at: index, persistent: persistent)
        let error = try failure(comment) { try generate() }
        #expect(plan.count(point) > index, comment)
        #expect(error.kind == .inputOutput && error.kind.exitCode == 74, comment)
        #expect(error.description.contains("Input/output error"), comment)
        places.insert(try #require(error.place, comment))
        #expect(device.memoryUse.liveAllocations == 0, comment)
        #expect(try scratch.contents().isEmpty, comment)
      }
    }
    // Each failure names the file that it met.
    if point == .fileRead {
      #expect(places.allSatisfy { $0.hasPrefix(small.bundlePath) || $0.hasPrefix(small.scenePath) }, "\(places)")
      for part in [
        "config.json", "model.safetensors", "vae.safetensors", "umt5.safetensors", "caption.txt", "beach.png",
        "face_man.png", "crown.png",
      ] {
        #expect(places.contains { $0.contains(part) }, "\(part): \(places)")
      }
    } else {
      #expect(places == [scratch.video])
    }
    plan.disarm()
    try generate()
    #expect(try scratch.takeVideo() == video)
  }

  /// A checkpoint appears whole or not at all, and the one that was there before stays.
  @Test func writingTensors() throws {
    let scratch = try Scratch()
    let path = scratch.url.appending(path: "latents.safetensors").path
    let plan = FaultPlan()
    func write(_ value: Float) throws {
      try FaultPlan.$files.withValue(plan) {
        try SafetensorsWriter.write([("latents", Tensor([value], [1]))], metadata: [:], to: path)
      }
    }
    try write(1)
    let count = plan.count(.fileWrite)
    #expect(count >= 3)
    for index in 0..<count {
      plan.arm(.fileWrite, at: index)
      let error = try failure("write \(index)") { try write(2) }
      #expect(error.kind == .inputOutput && error.place == path)
      #expect(try scratch.contents() == ["latents.safetensors"])
      #expect(try SafetensorsFile(path).requireTensor("latents").floats() == [1])
    }
  }
}
