import Foundation
import LumosFiles
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// `plan`: without weights and without a GPU.
@Suite struct PlanCommandTests {
  static let stageKeys = [
    "name", "dispatches", "dispatchesPerBlock", "barriers", "submissions", "flops", "bytesMoved", "weightBytes",
    "arenaBytes", "liveBytesMax", "cacheBytes", "peakBytes", "predictedSeconds",
  ]

  @Test("The published model at its published size, where there is no Vulkan at all")
  func published() throws {
    let start = Date()
    let run = try Command(
      ["plan", "--layout", "b1h3,3", "--size", "480x832", "--frames", "81", "--json"],
      environment: ["LUMOSX_VULKAN_LOADER": "libnone.so"])
    #expect(run.status == 0, "\(run.errors)")
    // Seconds, also in a debug build on a busy machine.
    #expect(Date().timeIntervalSince(start) < 120)
    let plan = try JSONValue(parsing: run.output)
    #expect(plan["layout"]?["tokens"]?.integer == 43680)
    #expect(plan["layout"]?["humanGroups"]?.array?.compactMap(\.integer) == [3, 3])
    #expect(plan["precision"]?.string == "half")
    for key in ["device", "memoryBudgetBytes", "ladder", "stages"] { #expect(plan[key] != nil, "\(key)") }
    #expect(plan["memoryBudgetBytes"] == .null)
    #expect(plan["ladder"]?.array?.compactMap(\.string) == ["stageByStage", "streamed"])
    let stages = try #require(plan["stages"]?.array)
    #expect(stages.compactMap { $0["name"]?.string } == ["textEncoder", "vaeEncode", "transformer", "vaeDecode"])
    for stage in stages {
      for key in Self.stageKeys { #expect(stage[key] != nil, "\(key)") }
      let (arena, live) = try (#require(stage["arenaBytes"]?.integer), #require(stage["liveBytesMax"]?.integer))
      #expect(arena >= live && Double(arena) <= 1.1 * Double(live))
    }
    #expect(try #require(stages[3]["peakBytes"]?.integer) <= 3 << 30)
    let transformer = stages[2]
    // 50 steps of two evaluations of 385 TFLOP.
    let flops = try #require(transformer["flops"]?.integer)
    #expect(abs(Double(flops) / (100 * 385e12) - 1) < 0.05)
    #expect((10...20).contains(transformer["dispatchesPerBlock"]?.integer ?? 0))
  }

  @Test("The plan of a scene, as text and as JSON")
  func scene() throws {
    let arguments = ["plan", GenerateTests.scene(4), "--weights", Command.demoBundle.path, "--device", "minimum"]
    let run = try Command(arguments + ["--json"])
    #expect(run.status == 0, "\(run.errors)")
    let plan = try JSONValue(parsing: run.output)
    #expect(plan["layout"]?["plainConditions"]?.integer == 1)
    #expect(plan["layout"]?["humanGroups"]?.array?.compactMap(\.integer) == [3, 3])
    let text = try Command(arguments)
    #expect(text.status == 0 && text.output.contains("transformer") && text.output.contains("predicted"))
    // Fewer passes, more kernels.
    func kernels(_ more: [String]) throws -> Int {
      let run = try Command(arguments + ["--json"] + more)
      return try #require(
        try JSONValue(parsing: run.output)["stages"]?.array?[2]["dispatches"]?.integer, "\(run.errors)")
    }
    let all = try kernels([])
    #expect(try kernels(["--without-pass", "fuseNorms"]) > all)
    #expect(try kernels(["--passes", "none"]) > kernels(["--passes", "fuseNorms,removeDeadCode"]))
    // Without shortcuts there is more to do in every step; two videos are less work than twice one.
    func flops(_ more: [String]) throws -> Int {
      let run = try Command(arguments + ["--json"] + more)
      return try #require(try JSONValue(parsing: run.output)["stages"]?.array?[2]["flops"]?.integer, "\(run.errors)")
    }
    #expect(try kernels(["--shortcuts", "none"]) > all)
    #expect(try flops(["--shortcuts", "none"]) > flops(["--shortcuts", "foldPadding"]))
    #expect(try flops(["--seeds", "2"]) < 2 * flops([]) && flops(["--seeds", "2"]) == flops(["--seeds", "5,9"]))
    // A faster device needs less time and the same kernels.
    let fast = try Command(arguments + ["--json", "--tflops", "1000", "--gbps", "1000"])
    let total = try #require(try JSONValue(parsing: fast.output)["total"])
    let slower = try #require(plan["total"]?["predictedSeconds"]?.double)
    #expect(try #require(total["predictedSeconds"]?.double) < slower)
    #expect(total["dispatches"] == plan["total"]?["dispatches"])
  }

  @Test("On a Vulkan device its memory is the budget")
  func device() throws {
    let run = try Command(["plan", "--weights", Command.demoBundle.path, "--device", "vulkan:llvmpipe", "--json"])
    #expect(run.status == 0, "\(run.errors)")
    let plan = try JSONValue(parsing: run.output)
    #expect(plan["device"]?.string?.contains("llvmpipe") == true)
    #expect(plan["memoryBudgetBytes"]?.integer ?? 0 > 1 << 20)
    #expect(plan["ladder"]?.array?.compactMap(\.string) == ["stageByStage", "allResident"])
    let none = try Command(
      ["plan", "--device", "vulkan", "--json"], environment: ["LUMOSX_VULKAN_LOADER": "libnone.so"])
    #expect(none.status == 69)
    #expect(try JSONValue(parsing: none.output)["error"]?["code"]?.integer == 69)
  }

  @Test("With 3 GiB the published transformer is streamed, and everything fits")
  func threeGibibytes() throws {
    let run = try Command(["plan", "--memory", "3GiB", "--json"])
    #expect(run.status == 0, "\(run.errors)")
    let plan = try JSONValue(parsing: run.output)
    #expect(plan["ladder"]?.array?.compactMap(\.string) == ["stageByStage", "streamed"])
    #expect(plan["transferBytesPerSecond"]?.double ?? 0 > 0)
    let stages = try #require(plan["stages"]?.array)
    for stage in stages { #expect(try #require(stage["peakBytes"]?.integer) <= 3 << 30) }
    #expect(stages.map { $0["rung"]?.string } == ["streamed", "stageByStage", "streamed", "stageByStage"])
    let (text, transformer) = (stages[0], stages[2])
    #expect(try #require(text["peakBytes"]?.integer) <= 3 << 29)
    // Two slots instead of 2.6 GiB, which come for every evaluation.
    #expect(try #require(transformer["weightBytes"]?.integer) < 160 << 20)
    #expect(try #require(transformer["storedWeightBytes"]?.integer) > 5 << 29)
    #expect(try #require(transformer["streamedBytesPerEvaluation"]?.integer) > 5 << 29)
    let roomy = try JSONValue(parsing: try Command(["plan", "--memory", "6GiB", "--json"]).output)
    let resident = try #require(roomy["stages"]?.array?[2])
    #expect(resident["rung"]?.string == "stageByStage" && resident["peakBytes"]?.integer ?? .max <= 6 << 30)
    #expect(resident["streamedBytes"]?.integer == 0)
    #expect(try #require(resident["predictedSeconds"]?.double) <= #require(transformer["predictedSeconds"]?.double))
  }

  @Test("Too little memory: the plan is printed, the bytes are named, the exit code is 75")
  func tooLittleMemory() throws {
    let arguments = ["plan", "--weights", Command.demoBundle.path, "--memory", "1MiB"]
    let run = try Command(arguments + ["--json"])
    #expect(run.status == 75)
    let plan = try JSONValue(parsing: run.output)
    let stages = try #require(plan["stages"]?.array)
    let peaks = stages.compactMap { $0["peakBytes"]?.integer }
    let peak = try #require(peaks.max())
    #expect(plan["fits"]?.bool == false && plan["memoryBudgetBytes"]?.integer == 1 << 20)
    #expect(stages.contains { $0["fits"]?.bool == false })
    #expect(run.errors.contains("needs \(peak) bytes of device memory at least, the budget is 1048576 bytes"))
    let text = try Command(arguments)
    #expect(text.status == 75 && text.output.contains("predicted") && text.errors.contains("\(peak) bytes"))
    #expect(try Command(["plan", "--weights", Command.demoBundle.path, "--memory", "\(peak)"]).status == 0)
  }

  @Test("Drawings of a block before and after the passes")
  func drawings() throws {
    let scratch = try Scratch()
    let (dot, svg) = (scratch.url.appending(path: "block.dot"), scratch.url.appending(path: "block.svg"))
    let run = try Command([
      "plan", "--weights", Command.demoBundle.path, "--dot", dot.path, "--svg", svg.path, "--layout", "b1h2",
    ])
    #expect(run.status == 0, "\(run.errors)")
    let text = try String(contentsOf: dot, encoding: .utf8)
    #expect(text.hasPrefix("digraph") && text.contains("cluster_0") && text.contains("cluster_1"))
    #expect(text.contains("LayerNorm + Modulate") && text.contains("RelationBias"))
    #expect(text.count { $0 == "{" } == text.count { $0 == "}" })
    let document = try XMLDocument(contentsOf: svg)
    #expect(document.rootElement()?.name == "svg")
    #expect(try document.nodes(forXPath: "//*[local-name()='rect']").count > 40)
    let missing = scratch.url.appending(path: "none/block.svg").path
    #expect(try Command(["plan", "--weights", Command.demoBundle.path, "--svg", missing]).status == 73)
  }

  @Test(
    "Arguments that mean nothing are refused",
    arguments: [
      ["--layout", "x3"], ["--device", "cpu"], ["--device", "quantum"], ["--size", "481x832"], ["--frames", "80"],
      ["--steps", "0"], ["--memory", "much"], ["--memory", "-1"], ["--tflops", "0"], ["--gbps", "nan"],
      ["--dtype", "i8"], ["--without-pass", "fuseAll"], ["--shortcuts", "some"], ["--seeds", "0"], ["--seeds", "1,1x"],
    ])
  func refusals(arguments: [String]) throws {
    let run = try Command(["plan", "--weights", Command.demoBundle.path] + arguments)
    #expect(run.status == 64, "\(arguments) \(run.output)\(run.errors)")
  }

  @Test func badInput() throws {
    #expect(try Command(["plan", "/nonexistent"]).status == 65)
    #expect(try Command(["plan", "--weights", "/nonexistent"]).status == 65)
    #expect(try Command(["plan", GenerateTests.scene(4), "--layout", "b1"]).status == 64)
    #expect(try Command(["plan", "--size", "8192x8192", "--frames", "4097"]).status == 65)
  }
}
