import Foundation
import LumosFiles
import LumosMedia
import LumosTensor
import Testing

/// `lumosx generate`, whole.
@Suite struct GenerateTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  static func scene(_ number: Int) -> String { Command.demoBundle.appending(path: "scenes/\(number)").path }

  /// Lines of JSON on standard output.
  static func events(_ run: Command) throws -> [JSONValue] {
    try run.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
  }

  /// NMSE of two files of latents.
  static func distance(_ a: String, _ b: String) throws -> Double {
    let (a, b) = (
      try SafetensorsFile(a).requireTensor("latents").doubles(),
      try SafetensorsFile(b).requireTensor("latents").doubles()
    )
    let error = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return error / b.reduce(0) { $0 + $1 * $1 }
  }

  @Test("Too little memory is refused before anything is done, with the bytes and the exit code 75")
  func tooLittleMemory() throws {
    let arguments = ["generate", Self.scene(1), "-o", path("v.mp4"), "--device", "vulkan:llvmpipe", "--json"]
    let run = try Command(arguments + ["--memory", "1MiB"])
    #expect(run.status == 75)
    let events = try Self.events(run)
    #expect(events.count == 1 && events[0]["ok"]?.bool == false)
    #expect(events[0]["error"]?["message"]?.string?.contains("the budget is 1048576 bytes") == true)
    #expect(scratch.contents().isEmpty)
  }

  @Test func videoOnTheCPU() throws {
    let run = try Command([
      "generate", Self.scene(2), "-o", path("v.mp4"), "--device", "cpu", "--json", "--contact-sheet", path("v.png"),
      "--save-latents", path("v.safetensors"), "--preview-every", "8",
    ])
    #expect(run.status == 0, "\(run.errors)")
    let video = try VideoProbe.info(path("v.mp4"))
    #expect(video.codec == "h264" && video.pixelFormat == "yuv420p")
    #expect(video.width == 64 && video.height == 64 && video.frameCount == 9 && video.framesPerSecond == 8)
    // Something is in the picture: the frames are neither flat nor equal.
    let frames = try VideoProbe.frames(path("v.mp4"))
    #expect(Set(frames[0].pixels).count > 100)
    #expect(frames[0].pixels != frames[8].pixels)
    #expect(try ImageReader.read(path("v.png")).width > 5 * 64)

    let events = try Self.events(run)
    #expect(
      events.filter { $0["event"]?.string == "stage" }.compactMap { $0["stage"]?.string }
        == ["textEncoder", "vaeEncode", "transformer", "vaeDecode"])
    let steps = events.filter { $0["event"]?.string == "step" }
    #expect(steps.compactMap { $0["step"]?.integer } == Array(1...20))
    #expect(steps.allSatisfy { ($0["secondsLeft"]?.double ?? -1) >= 0 })
    let previews = events.filter { $0["event"]?.string == "preview" }
    #expect(previews.compactMap { $0["step"]?.integer } == [8, 16])
    #expect(previews.allSatisfy { $0["steps"]?.integer == 20 && $0["output"]?.string == path("v-preview.png") })
    #expect(try Set(ImageReader.read(path("v-preview.png")).pixels).count > 50)
    let result = try #require(events.last)
    #expect(result["event"]?.string == "result" && result["ok"]?.bool == true)
    #expect(result["output"]?.string == path("v.mp4"))
    #expect(result["error"] == .null)
    #expect(result["seconds"]?.members?.count == 4)
    let latents = try SafetensorsFile(path("v.safetensors")).requireTensor("latents")
    #expect(latents.type == TensorType([16, 3, 8, 8], .f32))
    #expect(result["latentsSha256"]?.string == latents.withUnsafeBytes { Sha256.hex($0) })
  }

  /// The same seed gives the same bytes on one device, another seed others; CPU and Vulkan agree to rounding.
  @Test func seedsAndDevices() throws {
    func latents(_ name: String, _ device: String, _ seed: String) throws -> String {
      let run = try Command([
        "generate", Self.scene(5), "-o", path(name + ".mp4"), "--device", device, "--seed", seed, "--steps", "6",
        "--save-latents", path(name),
      ])
      #expect(run.status == 0, "\(run.errors)")
      return path(name)
    }
    func bytes(_ file: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: file)) }
    let cpu = try latents("cpu", "cpu", "7")
    #expect(try bytes(cpu) == bytes(latents("again", "cpu", "7")))
    #expect(try bytes(cpu) != bytes(latents("other", "cpu", "8")))
    let vulkan = try latents("vulkan", "vulkan:llvmpipe", "7")
    #expect(try bytes(vulkan) == bytes(latents("vulkanAgain", "vulkan:llvmpipe", "7")))
    let distance = try Self.distance(vulkan, cpu)
    #expect(distance <= 1e-9 && distance > 0, "NMSE \(distance)")
    // The videos of equal latents are equal as well.
    #expect(try bytes(path("cpu.mp4")) == bytes(path("again.mp4")))
  }

  /// Red zones, poison and the plan checker find nothing to complain about.
  @Test func checkedMode() throws {
    let run = try Command(
      ["generate", Self.scene(3), "-o", path("v.mp4"), "--device", "vulkan:llvmpipe", "--steps", "2"],
      environment: ["LUMOSX_CHECKED": "1", "LUMOSX_VALIDATION": "1"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(!run.errors.contains("VUID") && !run.errors.contains("SYNC"), "\(run.errors)")
  }

  @Test func noiseFromAFileReplacesTheSeed() throws {
    let numbers = (0..<16 * 3 * 64).map { index -> Float in Float(index % 17) / 8 - 1 }
    let noise = Tensor(numbers, [16, 3, 8, 8])
    try SafetensorsWriter.write([("noise", noise)], to: path("noise.safetensors"))
    func run(_ name: String, _ seed: String) throws -> Data {
      let run = try Command([
        "generate", Self.scene(1), "-o", path("v.mp4"), "--device", "cpu", "--steps", "2", "--seed", seed, "--noise",
        path("noise.safetensors"), "--save-latents", path(name),
      ])
      #expect(run.status == 0, "\(run.errors)")
      return try Data(contentsOf: URL(fileURLWithPath: path(name)))
    }
    #expect(try run("a", "1") == run("b", "2"))
  }

  /// Each of the paper's mechanisms changes the result when it is switched off.
  @Test func ablations() throws {
    var results = Set<Data>()
    for without in [[], ["--without", "r2pe"], ["--without", "csam"], ["--without", "mcam"], ["--mode", "face"]] {
      let run = try Command(
        [
          "generate", Self.scene(4), "-o", path("v.mp4"), "--device", "cpu", "--steps", "2", "--save-latents",
          path("latents"),
        ] + without)
      #expect(run.status == 0, "\(run.errors)")
      results.insert(try Data(contentsOf: URL(fileURLWithPath: path("latents"))))
    }
    #expect(results.count == 5)
  }

  @Test func aSceneWithoutImagesIsTextToVideo() throws {
    let scene = try scratch.write("plain/caption.txt", Data("beach;a boy walks on a beach".utf8))
      .deletingLastPathComponent()
    let run = try Command(
      ["generate", scene.path, "--device", "cpu", "--steps", "2", "--frames", "5", "--size", "32x48"],
      workingDirectory: scratch.url)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("no reference images"), "\(run.errors)")
    let video = try VideoProbe.info(path("beach_sp1_32x48.mp4"))
    #expect(video.width == 48 && video.height == 32 && video.frameCount == 5)
  }

  @Test func oneFrameIsAPicture() throws {
    let run = try Command(
      ["generate", Self.scene(1), "-o", path("v.png"), "--device", "cpu", "--steps", "2", "--frames", "1"])
    #expect(run.status == 0, "\(run.errors)")
    let picture = try ImageReader.read(path("v.png"))
    #expect(picture.width == 64 && picture.height == 64)
  }

  @Test func aWordThatTheCaptionLacksIsWarnedOf() throws {
    let scene = try scratch.scene(1)
    let crown = scene.appending(path: "subjects/1/crown.png")
    try FileManager.default.moveItem(at: crown, to: scene.appending(path: "subjects/1/helmet.png"))
    let run = try Command(["generate", scene.path, "-o", path("v.mp4"), "--device", "cpu", "--steps", "1", "--json"])
    #expect(run.status == 0)
    let warnings = try Self.events(run).filter { $0["event"]?.string == "warning" }
    #expect(warnings.contains { $0["message"]?.string?.contains("helmet") ?? false }, "\(run.output)")
  }

  @Test func theBundleIsFoundFromAnywhere() throws {
    let run = try Command(
      ["generate", Self.scene(1), "-o", "v.mp4", "--device", "cpu", "--steps", "1"],
      workingDirectory: scratch.url)
    #expect(run.status == 0, "\(run.errors)")
    #expect(scratch.contents().contains("v.mp4"))
    let named = try Command(
      ["generate", Self.scene(1), "-o", "w.mp4", "--device", "cpu", "--steps", "1"],
      environment: ["LUMOSX_WEIGHTS": "/nonexistent"], workingDirectory: scratch.url)
    #expect(named.status == 65 && named.errors.contains("/nonexistent"), "\(named.errors)")
  }

  @Test func aFailureEndsTheEventsWithAnEnvelope() throws {
    let run = try Command(["generate", path("nowhere"), "-o", path("v.mp4"), "--device", "cpu", "--json"])
    #expect(run.status == 65)
    let result = try #require(try Self.events(run).last)
    #expect(result["ok"]?.bool == false)
    #expect(result["error"]?["code"]?.integer == 65)
    #expect(result["error"]?["where"]?.string?.contains("nowhere") ?? false)
    #expect(result["error"]?["message"]?.string?.isEmpty == false)
  }

  /// SIGINT and SIGTERM end the work between two steps, with their own exit codes and nothing left behind.
  @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))]) func signals(_ signal: Int32, _ code: Int32) throws {
    let process = Process()
    process.executableURL = Command.binary
    process.arguments = ["generate", Self.scene(2), "-o", path("v.mp4"), "--device", "cpu", "--steps", "1000"]
    process.environment = Command.environment([:])
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    // The first progress lines prove that the work is under way.
    var text = ""
    while !text.contains("step 2 of") {
      let data = errors.fileHandleForReading.availableData
      if data.isEmpty { break }
      text += String(decoding: data, as: UTF8.self)
    }
    #expect(text.contains("step 2 of"), "\(text)")
    kill(process.processIdentifier, signal)
    text += String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == code, "\(text)")
    #expect(scratch.contents().isEmpty, "\(scratch.contents())")
  }
}
