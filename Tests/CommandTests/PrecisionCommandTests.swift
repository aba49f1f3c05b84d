import Foundation
import LumosFiles
import LumosMedia
import Testing

/// `--precision` of `generate`, `plan` and `parity`.
@Suite struct PrecisionCommandTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  func path(_ name: String) -> String { scratch.url.appending(path: name).path }

  @Test("A video in half precision is nearly the one in single precision, which is the default on the CPU")
  func generate() throws {
    func generate(_ name: String, _ more: [String]) throws {
      let run = try Command(
        [
          "generate", GenerateTests.scene(2), "-o", path(name + ".mp4"), "--device", "cpu", "--steps", "2", "--frames",
          "5", "--save-latents", path(name + ".safetensors"), "--contact-sheet", path(name + ".png"),
        ] + more)
      #expect(run.status == 0, "\(run.errors)")
    }
    try generate("default", [])
    try generate("single", ["--precision", "single"])
    try generate("half", ["--precision", "half"])
    func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }
    #expect(try bytes("default.safetensors") == bytes("single.safetensors"))
    #expect(try bytes("default.mp4") == bytes("single.mp4"))
    // Latents differ because those of the reference images do.
    let distance = try GenerateTests.distance(path("half.safetensors"), path("single.safetensors"))
    #expect(distance > 1e-12 && distance < 1e-4, "\(distance)")
    // Before the video codec spreads it, rounding moves few values, and those by a level.
    let sheets = try ["half", "single"].map { try ImageReader.read(path($0 + ".png")).pixels }
    #expect(sheets[0].count == sheets[1].count)
    let differences = zip(sheets[0], sheets[1]).map { abs(Int($0) - Int($1)) }
    #expect(differences.contains { $0 > 0 } && (differences.max() ?? 0) <= 3)
    #expect(differences.count { $0 > 0 } < differences.count / 10)
  }

  @Test("A plan takes the precision of its class of devices, unless another is asked for")
  func plan() throws {
    func plan(_ more: [String]) throws -> (precision: String?, cacheBytes: Int) {
      let run = try Command(["plan", "--layout", "none", "--size", "256x256", "--frames", "5", "--json"] + more)
      #expect(run.status == 0, "\(run.errors)")
      let plan = try JSONValue(parsing: run.output)
      let decoding = try #require(plan["stages"]?.array?.last)
      return (plan["precision"]?.string, try #require(decoding["cacheBytes"]?.integer))
    }
    let (gpu, processor) = (try plan(["--device", "discrete"]), try plan(["--device", "processor"]))
    #expect(gpu.precision == "half" && processor.precision == "single" && gpu.cacheBytes < processor.cacheBytes)
    let forced = try plan(["--device", "processor", "--precision", "half"])
    #expect(forced.precision == "half" && forced.cacheBytes == gpu.cacheBytes)
    #expect(try Command(["plan", "--precision", "double"]).status == 64)
  }

  @Test("Goldens in half precision have bounds of their own")
  func parity() throws {
    let goldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/golden").path
    let arguments = ["parity", "--device", "cpu", "--golden", goldens, "--filter", "vae/cases", "--json"]
    let (single, half) = (try Command(arguments), try Command(arguments + ["--precision", "half"]))
    #expect(single.status == 0 && half.status == 0, "\(half.errors)")
    func errors(_ run: Command) throws -> [Double] {
      try JSONValue(parsing: run.output)["cases"]?.array?.compactMap { $0["nmse"]?.double } ?? []
    }
    let (exact, rounded) = (try errors(single), try errors(half))
    #expect(exact.count == 6 && rounded.count == 6)
    for (a, b) in zip(exact, rounded) { #expect(a < 1e-11 && b > 100 * a) }
  }
}
