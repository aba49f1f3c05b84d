import Foundation
import LumosFiles
import LumosTensor
import Testing

/// Bad input is refused with file, place and reason, with the exit code that belongs to it, and nothing is written.
@Suite struct BadInputTests {
  let scratch: Scratch
  let out: URL

  init() throws {
    scratch = try Scratch()
    out = scratch.url.appending(path: "out")
    try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
  }

  /// Runs `generate` on a spoiled scene or bundle and checks code, message and that the output folder stays empty.
  func refuses(
    _ scene: URL, weights: URL = Command.demoBundle, code: Int32, mentions: [String], options: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let run = try Command(
      ["generate", scene.path, "--weights", weights.path, "-o", out.appending(path: "v.mp4").path, "--device", "cpu"]
        + options)
    #expect(run.status == code, "\(run.errors)", sourceLocation: sourceLocation)
    for text in mentions { #expect(run.errors.contains(text), "\(run.errors)", sourceLocation: sourceLocation) }
    #expect(run.errors.contains("error:"), sourceLocation: sourceLocation)
    let left = try FileManager.default.contentsOfDirectory(atPath: out.path)
    #expect(left.isEmpty, "left behind: \(left)", sourceLocation: sourceLocation)
  }

  // MARK: Scenes

  @Test func captions() throws {
    let scene = try scratch.scene(2)
    let caption = scene.appending(path: "caption.txt")
    try Data().write(to: caption)
    try refuses(scene, code: 65, mentions: ["caption.txt"])
    try Data(" \n".utf8).write(to: caption)
    try refuses(scene, code: 65, mentions: ["caption.txt"])
    try Data([0x61, 0xff, 0xfe]).write(to: caption)
    try refuses(scene, code: 65, mentions: ["caption.txt", "UTF-8"])
    try FileManager.default.removeItem(at: caption)
    try refuses(scene, code: 65, mentions: ["caption.txt"])
    try refuses(scratch.url.appending(path: "nowhere"), code: 65, mentions: ["nowhere"])
  }

  @Test func images() throws {
    let scene = try scratch.scene(2)
    let face = scene.appending(path: "subjects/1/face_boy.png")
    let good = try Data(contentsOf: face)
    try Data().write(to: face)
    try refuses(scene, code: 65, mentions: ["face_boy.png"])
    try good.prefix(good.count / 2).write(to: face)
    try refuses(scene, code: 65, mentions: ["face_boy.png"])
    try Data("a picture of a boy".utf8).write(to: face)
    try refuses(scene, code: 65, mentions: ["face_boy.png"])
    var flipped = good
    flipped[good.count / 2] ^= 0x10
    try flipped.write(to: face)
    try refuses(scene, code: 65, mentions: ["face_boy.png"])
    // A header that claims 100 000 x 100 000 pixels, with its checksum right.
    try Self.hugePNG().write(to: face)
    try refuses(scene, code: 65, mentions: ["face_boy.png", "100000"])
  }

  @Test func folders() throws {
    let scene = try scratch.scene(2)
    let forest = scene.appending(path: "background/forest.png")
    let second = scene.appending(path: "background/beach.png")
    try FileManager.default.copyItem(at: forest, to: second)
    try refuses(scene, code: 65, mentions: ["background"])
    try FileManager.default.removeItem(at: second)
    let ball = try scratch.write("scene/objects/ball.png", try Data(contentsOf: forest))
    _ = try scratch.write("scene/objects/ball.jpg", try Data(contentsOf: ball))
    try refuses(scene, code: 65, mentions: ["ball"])
  }

  // MARK: Options

  @Test func numbers() throws {
    let scene = try scratch.scene(1)
    try refuses(scene, code: 64, mentions: ["--frames", "1 + 4k"], options: ["--frames", "10"])
    try refuses(scene, code: 64, mentions: ["--size", "multiple of 16"], options: ["--size", "64x70"])
    try refuses(scene, code: 64, mentions: ["--steps"], options: ["--steps", "0"])
    try refuses(scene, code: 64, mentions: ["--preview-every"], options: ["--preview-every", "0"])
    try refuses(scene, code: 64, mentions: ["--shift"], options: ["--shift", "-1"])
    for options in [["--size", "64"], ["--without", "everything"], ["--mode", "none"], ["--nonsense"]] {
      let run = try Command(["generate", scene.path, "--weights", Command.demoBundle.path] + options)
      #expect(run.status == 64, "\(options): \(run.errors)")
    }
  }

  @Test func noise() throws {
    let scene = try scratch.scene(1)
    let file = scratch.url.appending(path: "noise.safetensors")
    try SafetensorsWriter.write([("noise", Tensor([16, 3, 8, 9], .f32))], to: file.path)
    try refuses(scene, code: 65, mentions: ["--noise", "[16, 3, 8, 8]"], options: ["--noise", file.path])
    try SafetensorsWriter.write(
      [("a", Tensor([1], .f32)), ("b", Tensor([1], .f32))], to: file.path)
    try refuses(scene, code: 65, mentions: ["noise.safetensors"], options: ["--noise", file.path])
  }

  // MARK: Devices

  @Test func devices() throws {
    let scene = try scratch.scene(1)
    let arguments = ["generate", scene.path, "--weights", Command.demoBundle.path, "--device"]
    #expect(try Command(arguments + ["toaster"]).status == 64)
    let unknown = try Command(arguments + ["vulkan:no such card"])
    #expect(unknown.status == 69)
    #expect(unknown.errors.contains("no such card"))
    let index = try Command(arguments + ["vulkan:99"])
    #expect(index.status == 69, "\(index.errors)")
    // A driver list without drivers, and no loader at all.
    let noDriver = try Command(
      arguments + ["vulkan:0"], environment: ["VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"])
    #expect(noDriver.status == 69, "\(noDriver.errors)")
    let noLoader = try Command(
      arguments + ["vulkan"], environment: ["LUMOSX_VULKAN_LOADER": "libvulkan-that-is-not-there.so"])
    #expect(noLoader.status == 69, "\(noLoader.errors)")
    #expect(noLoader.errors.contains("libvulkan"), "\(noLoader.errors)")
  }

  // MARK: Output

  @Test func outputs() throws {
    let scene = try scratch.scene(1)
    let base = ["generate", scene.path, "--weights", Command.demoBundle.path, "--device", "cpu", "--steps", "1"]
    let missing = try Command(base + ["-o", out.appending(path: "no/such/folder/v.mp4").path])
    #expect(missing.status == 73, "\(missing.errors)")
    let folder = try Command(base + ["-o", out.path])
    #expect(folder.status == 73, "\(folder.errors)")
    let device = try Command(base + ["-o", "/proc/v.mp4"])
    #expect(device.status == 73, "\(device.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: out.path).isEmpty)
  }

  /// A limit of one block on the size of files stands for a full disk: the write fails in the middle of the video.
  @Test func diskFullWhileWriting() throws {
    let scene = try scratch.scene(1)
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    shell.arguments = [
      "-c", "ulimit -f 1; exec \"$@\"", "bash", Command.binary.path, "generate", scene.path, "--weights",
      Command.demoBundle.path, "--device", "cpu", "--steps", "1", "--size", "128x128", "-o",
      out.appending(path: "v.mp4").path,
    ]
    shell.environment = Command.environment([:])
    let errors = Pipe()
    shell.standardError = errors
    shell.standardOutput = Pipe()
    try shell.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    shell.waitUntilExit()
    #expect(shell.terminationReason == .exit)
    #expect(shell.terminationStatus == 74, "\(text)")
    #expect(text.contains("v.mp4"), "\(text)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: out.path).isEmpty)
  }

  // MARK: Helpers

  /// A PNG of the right form whose header claims 100 000 x 100 000 pixels.
  static func hugePNG() -> Data {
    func bigEndian(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    func checksum(_ bytes: [UInt8]) -> UInt32 {
      var crc = ~UInt32(0)
      for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xedb8_8320 : crc >> 1 }
      }
      return ~crc
    }
    func chunk(_ kind: String, _ data: [UInt8]) -> [UInt8] {
      let body = Array(kind.utf8) + data
      return bigEndian(UInt32(data.count)) + body + bigEndian(checksum(body))
    }
    let header = bigEndian(100_000) + bigEndian(100_000) + [8, 2, 0, 0, 0]
    return Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] + chunk("IHDR", header) + chunk("IEND", []))
  }
}
