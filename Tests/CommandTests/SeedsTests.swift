import Foundation
import LumosFiles
import LumosMedia
import LumosTensor
import Testing

/// `lumosx generate --seeds`: several videos of one scene from one run.
@Suite struct SeedsTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  /// Seeds that run together give what they give alone; names, events and the result list all of them.
  @Test(arguments: ["cpu", "vulkan:llvmpipe"]) func equalToRunsOfTheirOwn(_ device: String) throws {
    let common = ["generate", GenerateTests.scene(4), "--device", device, "--steps", "5", "--frames", "5"]
    let together = try Command(
      common + [
        "--seeds", "3,4", "-o", path("v.mp4"), "--save-latents", path("l.safetensors"), "--contact-sheet",
        path("sheet.png"), "--json",
      ])
    #expect(together.status == 0, "\(together.errors)")
    let names = ["v-seed3.mp4", "v-seed4.mp4"]
    #expect(
      scratch.contents() == [
        "l-seed3.safetensors", "l-seed4.safetensors", "sheet-seed3.png", "sheet-seed4.png",
      ] + names)
    for seed in ["3", "4"] {
      let alone = try Command(
        common + ["--seed", seed, "-o", path("alone.mp4"), "--save-latents", path("alone.safetensors")])
      #expect(alone.status == 0, "\(alone.errors)")
      let distance = try GenerateTests.distance(path("l-seed\(seed).safetensors"), path("alone.safetensors"))
      #expect(distance <= 1e-10, "NMSE \(distance)")
      #expect(try VideoProbe.info(path("v-seed\(seed).mp4")).frameCount == 5)
    }
    #expect(try GenerateTests.distance(path("l-seed3.safetensors"), path("l-seed4.safetensors")) > 0.1)
    let plain = try Command(
      common + [
        "--seed", "3", "--shortcuts", "none", "-o", path("plain.mp4"), "--save-latents", path("plain.safetensors"),
      ])
    #expect(plain.status == 0, "\(plain.errors)")
    #expect(try GenerateTests.distance(path("l-seed3.safetensors"), path("plain.safetensors")) <= 1e-10)

    let events = try GenerateTests.events(together)
    let frames = events.filter { $0["event"]?.string == "frames" }
    #expect(frames.compactMap { $0["frames"]?.integer } == Array(1...10))
    #expect(frames.allSatisfy { $0["total"]?.integer == 10 })
    let outputs = events.filter { $0["event"]?.string == "output" }
    #expect(outputs.compactMap { $0["output"]?.string } == names.map(path))
    #expect(outputs.compactMap { $0["seed"]?.integer } == [3, 4])
    for (output, seed) in zip(outputs, ["3", "4"]) {
      let latents = try SafetensorsFile(path("l-seed\(seed).safetensors")).requireTensor("latents")
      #expect(output["latentsSha256"]?.string == latents.withUnsafeBytes { Sha256.hex($0) })
    }
    let result = try #require(events.last)
    #expect(result["output"]?.string == path(names[0]))
    #expect(result["outputs"]?.array?.compactMap(\.string) == names.map(path))
  }

  /// Without `-o` the scene's name gets the seed; standard output lists the files.
  @Test func namesOfTheirOwn() throws {
    let run = try Command(
      ["generate", GenerateTests.scene(1), "--device", "cpu", "--steps", "1", "--frames", "1", "--seeds", "7"],
      workingDirectory: scratch.url)
    #expect(run.status == 0, "\(run.errors)")
    let contents = scratch.contents()
    #expect(contents.count == 1 && contents[0].hasSuffix("-seed7.png"), "\(contents)")
    #expect(run.output == contents[0] + "\n")
    // A single seed of the other option leaves names alone.
    let single = try Command(
      [
        "generate", GenerateTests.scene(1), "--device", "cpu", "--steps", "1", "--frames", "1", "--seed", "7", "--json",
        "-o", path("v.png"),
      ])
    let result = try #require(try GenerateTests.events(single).last)
    #expect(result["outputs"]?.array?.compactMap(\.string) == [path("v.png")])
  }

  @Test func usage() throws {
    func refusal(_ options: String...) throws -> String {
      let run = try Command(["generate", GenerateTests.scene(1), "-o", path("v.mp4"), "--device", "cpu"] + options)
      #expect(run.status == 64, "\(options): \(run.errors)")
      #expect(scratch.contents() == ["noise.safetensors"])
      return run.errors
    }
    let noise = Tensor([Float](repeating: 0, count: 16 * 3 * 64), [16, 3, 8, 8])
    try SafetensorsWriter.write([("noise", noise)], to: path("noise.safetensors"))
    #expect(try refusal("--seed", "1", "--seeds", "2,3").contains("--seeds"))
    #expect(try refusal("--seeds", "2,3,2").contains("twice"))
    #expect(try refusal("--seeds", "2,3", "--noise", path("noise.safetensors")).contains("noise"))
    for malformed in ["", ",", "1,", "1,x", "-1", "1;2"] { _ = try refusal("--seeds=\(malformed)") }
  }

  /// Every path is checked before the work, not only the first.
  @Test func laterOutputsAreCheckedFirst() throws {
    try FileManager.default.createDirectory(
      at: scratch.url.appending(path: "v-seed2.mp4"), withIntermediateDirectories: true)
    let run = try Command([
      "generate", GenerateTests.scene(1), "-o", path("v.mp4"), "--device", "cpu", "--steps", "1000", "--seeds", "1,2",
    ])
    #expect(run.status == 73 && run.errors.contains("v-seed2.mp4"), "\(run.errors)")
    #expect(scratch.contents() == ["v-seed2.mp4"])
  }
}
