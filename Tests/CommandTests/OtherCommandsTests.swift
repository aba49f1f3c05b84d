import Foundation
import LumosFiles
import Testing

/// `devices`, `inspect` and `parity`.
@Suite struct OtherCommandsTests {
  @Test func devices() throws {
    let run = try Command(["devices", "--json"])
    #expect(run.status == 0, "\(run.errors)")
    let devices = try #require(try JSONValue(parsing: run.output)["devices"]?.array)
    let software = try #require(devices.first { $0["name"]?.string?.contains("llvmpipe") ?? false })
    #expect(software["kind"]?.string == "cpu")
    #expect(software["features"]?["bufferDeviceAddress"]?.bool == true)
    #expect(software["limits"]?["subgroupSize"]?.integer ?? 0 > 0)
    let text = try Command(["devices"])
    #expect(text.status == 0 && text.output.contains("llvmpipe") && text.output.contains("cpu: reference backend"))
    // Without any driver the command still answers: the CPU is always there.
    let none = try Command(["devices"], environment: ["LUMOSX_VULKAN_LOADER": "libnone.so"])
    #expect(none.status == 0 && none.output.contains("taken by auto") && none.errors.contains("warning"))
  }

  @Test func variantsThatDoNotExistAreRefused() throws {
    for (value, known) in [
      ("Linear=fast", "matrix, tiles, vector"), ("Softmax=tiles", "Linear, MultiLinear"), ("Linear", "op=variant"),
    ] {
      for arguments in [["parity", "--device", "vulkan:llvmpipe", "--filter", "Slice"], ["plan"]] {
        let run = try Command(arguments, environment: ["LUMOSX_VARIANT": value])
        #expect(
          run.status == 64 && run.errors.contains("LUMOSX_VARIANT") && run.errors.contains(known), "\(run.errors)")
      }
    }
  }

  @Test func tuning() throws {
    let scratch = try Scratch()
    let environment = ["XDG_CACHE_HOME": scratch.url.path]
    func bench(_ arguments: [String]) throws -> Command {
      try Command(["bench", "--weights", Command.demoBundle.path] + arguments, environment: environment)
    }
    #expect(try bench(["--device", "vulkan:llvmpipe"]).status == 64)
    #expect(try bench(["--tune", "--device", "cpu"]).status == 69)
    #expect(try bench(["--tune", "--device", "vulkan:llvmpipe", "--runs", "0"]).status == 64)
    #expect(try bench(["--tune", "--device", "vulkan:llvmpipe", "--size", "17x32"]).status == 64)
    let small = [
      "--tune", "--device", "vulkan:llvmpipe", "--size", "32x32", "--frames", "1", "--layout", "none", "--runs", "1",
      "--filter", "16 -> 16,",
    ]
    let run = try bench(small + ["--json"])
    #expect(run.status == 0 && run.errors.contains("kept in \(scratch.url.path)/lumosx/tuning-"), "\(run.errors)")
    let lines = try run.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    #expect(!lines.isEmpty && lines.count == Set(lines.compactMap { $0["key"]?.string }).count)
    for line in lines {
      let choice = try #require(line["choice"]?.string)
      #expect(
        line["choices"]?[choice]?.double == line["seconds"]?.double
          && line["key"]?.string?.contains("16 -> 16,") == true)
    }
    let text = try bench(small)
    #expect(text.status == 0 && text.output.contains("  * ") && text.output.contains(" ms"), "\(text.errors)")
  }

  @Test func inspectBundleSceneAndCheckpoint() throws {
    let bundle = try Command(["inspect", Command.demoBundle.path, "--json"])
    #expect(bundle.status == 0, "\(bundle.errors)")
    let parts = try #require(try JSONValue(parsing: bundle.output)["parts"]?.array)
    #expect(parts.compactMap { $0["part"]?.string } == ["transformer", "vae", "umt5"])
    #expect(parts.allSatisfy { $0["missing"]?.array?.isEmpty == true && $0["unknown"]?.array?.isEmpty == true })
    #expect(parts[1]["tensorCount"]?.integer == 194)

    let scene = try Command(["inspect", GenerateTests.scene(4), "--json"])
    #expect(scene.status == 0, "\(scene.errors)")
    let entities = try #require(try JSONValue(parsing: scene.output)["entities"]?.array)
    #expect(entities.compactMap { $0["word"]?.string } == ["room", "girl", "scarf", "shirt", "woman", "cap", "dress"])

    let file = try Command(["inspect", Command.demoBundle.appending(path: "vae.safetensors").path])
    #expect(file.status == 0 && file.output.contains("decoder.conv1.weight  f16[32, 16, 3, 3, 3]"), "\(file.output)")
    #expect(try Command(["inspect", "/etc/hostname"]).status == 65)
    #expect(try Command(["inspect", "/nonexistent"]).status == 65)
  }

  @Test func inspectMedia() throws {
    let scratch = try Scratch()
    let path = scratch.url.appending(path: "v.mp4").path
    let run = try Command(["generate", GenerateTests.scene(1), "-o", path, "--device", "cpu", "--steps", "1"])
    #expect(run.status == 0, "\(run.errors)")
    let video = try Command(["inspect", path, "--json"])
    #expect(try JSONValue(parsing: video.output)["frames"]?.integer == 9, "\(video.output)\(video.errors)")
    let picture = try Command(["inspect", GenerateTests.scene(1) + "/background/beach.png"])
    #expect(picture.status == 0 && picture.output.contains("112 x 112 pixels"), "\(picture.output)")
  }

  @Test func parityOnTheCPUWithGoldens() throws {
    let goldens = Command.repository.appending(path: "Tests/Fixtures/golden").path
    let run = try Command(["parity", "--device", "cpu", "--golden", goldens, "--json"])
    #expect(run.status == 0, "\(run.errors)")
    let report = try JSONValue(parsing: run.output)
    #expect(report["pass"]?.bool == true)
    let cases = try #require(report["cases"]?.array)
    #expect(cases.count > 400)
    for key in ["name", "device", "dtype", "variant", "nmse", "maxAbs", "worstIndex", "bound", "pass"] {
      #expect(cases.allSatisfy { $0[key] != nil }, "\(key)")
    }
    #expect(cases.contains { $0["name"]?.string == "golden transformer/full_2h_obj_bg/out" })
  }

  @Test func parityOnVulkanOfOneOp() throws {
    let run = try Command(["parity", "--device", "vulkan:llvmpipe", "--filter", "Rotary"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("ok    Rotary"))
  }

  @Test func aSpoiledGoldenFailsWithOne() throws {
    let scratch = try Scratch()
    let goldens = scratch.url.appending(path: "golden")
    try FileManager.default.copyItem(
      at: Command.repository.appending(path: "Tests/Fixtures/golden"), to: goldens)
    let file = goldens.appending(path: "vae/cases.safetensors")
    var bytes = try Data(contentsOf: file)
    // The last byte is a sign or an exponent of the last number.
    bytes[bytes.count - 1] ^= 0x40
    try bytes.write(to: file)
    let run = try Command(["parity", "--device", "cpu", "--golden", goldens.path, "--filter", "vae/cases"])
    #expect(run.status == 1, "\(run.output)\(run.errors)")
    #expect(run.output.contains("FAIL"))
    try FileManager.default.removeItem(at: goldens.appending(path: "manifest.json"))
    #expect(try Command(["parity", "--device", "cpu", "--golden", goldens.path]).status == 65)
  }

  @Test func parityWithoutAMatchIsAUsageError() throws {
    #expect(try Command(["parity", "--device", "cpu", "--filter", "no such op"]).status == 64)
  }
}
