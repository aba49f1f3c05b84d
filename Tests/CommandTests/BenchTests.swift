import Foundation
import LumosFiles
import Testing

/// `lumosx-bench`, at sizes that software Vulkan measures in no time.
@Suite struct BenchTests {
  private static func bench(_ arguments: [String], environment: [String: String] = [:]) throws -> Command {
    try Command(arguments, program: "lumosx-bench", environment: environment)
  }

  /// A case that takes microseconds.
  private static let quick = [
    "ops", "--device", "vulkan:llvmpipe", "--filter", "GatedAdd: attention's result, 480x832", "--scale", "1/1024",
    "--runs", "4", "--json",
  ]

  private static func records(_ run: Command) throws -> [JSONValue] {
    try run.output.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
  }

  @Test(
    arguments: [
      (["ops", "--device", "cpu"], 64), (["ops", "--scale", "2"], 64), (["ops", "--scale", "1/0"], 64),
      (["ops", "--filter", "no such op", "--device", "vulkan:llvmpipe"], 64), (["ops", "--runs", "0"], 64),
      (["ops", "--device", "vulkan:no such device"], 69), (["ops", "--compare", "/nonexistent"], 65),
      (["step", "--size", "10x10"], 64), (["step", "--frames", "4"], 64), (["step", "--layout", "q1"], 64),
      (["step", "--layers", "31"], 64), (["report", "/nonexistent"], 65), (["none"], 64),
    ] as [([String], Int)])
  func badInput(arguments: [String], status: Int) throws {
    let run = try Self.bench(arguments)
    #expect(run.status == Int32(status), "\(run.output)\(run.errors)")
    #expect(run.output.isEmpty && !run.errors.isEmpty)
  }

  @Test func withoutALoader() throws {
    let run = try Self.bench(["peaks"], environment: ["LUMOSX_VULKAN_LOADER": "libnone.so"])
    #expect(run.status == 69 && run.errors.contains("lumosx-bench: error:"), "\(run.errors)")
  }

  @Test func listNeedsNoDevice() throws {
    let run = try Self.bench(["ops", "--list"], environment: ["LUMOSX_VULKAN_LOADER": "libnone.so"])
    let titles = run.output.split(separator: "\n").map { String($0) }
    #expect(run.status == 0 && Set(titles).count == titles.count && titles.count > 200, "\(run.errors)")
    #expect(titles.contains("Linear: feed forward in, 720x1280x81, 10 conditions, bf16"))
  }

  @Test func keysOfOpsAndPeaks() throws {
    let run = try Self.bench(Self.quick)
    #expect(run.status == 0, "\(run.errors)")
    let records = try Self.records(run)
    let peaks = try #require(records.first)
    #expect(peaks["copyGbps"]?.double ?? 0 > 0 && peaks["matrixTflops"]?["f32"]?.double ?? 0 > 0)
    let record = try #require(records.last)
    #expect(records.count == 2 && record["op"]?.string == "GatedAdd" && record["variant"]?.string == "GatedAdd")
    for key in ["medianSeconds", "minSeconds", "maxSeconds", "tflops", "gbps", "shareOfPeak"] {
      #expect(record[key]?.double ?? 0 > 0, "\(key)")
    }
    #expect(record["runs"]?.integer == 4 && record["dtype"]?.string == "f32")
    #expect(["memory", "arithmetic"].contains(record["boundBy"]?.string))
    #expect(record["shape"]?.string?.contains("1536]") == true)
  }

  @Test func whatWouldTakeAbsurdlyLongIsSkipped() throws {
    let run = try Self.bench([
      "ops", "--device", "vulkan:llvmpipe", "--filter", "self-attention, 720x1280x81, 10 conditions", "--json",
    ])
    #expect(run.status == 0, "\(run.errors)")
    let cases = try Self.records(run).dropFirst()
    #expect(cases.count == 3)
    #expect(cases.allSatisfy { $0["skipped"]?.string?.contains("--scale") == true && $0["medianSeconds"] == nil })
  }

  @Test func comparison() throws {
    let scratch = try Scratch()
    let first = try Self.bench(Self.quick)
    let record = try #require(try Self.records(first).last)
    /// The record with all its times multiplied.
    func old(_ factor: Double) throws -> String {
      let members = record.members ?? []
      let scaled = JSONValue.object(
        members.map { member in
          guard member.key.hasSuffix("Seconds"), let value = member.value.double else { return member }
          return JSONValue.Member(member.key, .number(factor * value))
        })
      return try scratch.write("\(factor).json", Data(scaled.description.utf8)).path
    }
    let slower = try Self.bench(Self.quick + ["--compare", try old(1e-3)])
    #expect(slower.status == 1 && slower.errors.contains("REGRESSION"), "\(slower.errors)")
    #expect(slower.errors.contains("GatedAdd: attention's result"))
    let faster = try Self.bench(Self.quick + ["--compare", try old(1e3)])
    #expect(faster.status == 0 && !faster.errors.contains("REGRESSION"), "\(faster.errors)")
    #expect(try Self.records(faster).last?["speedup"]?.double ?? 0 > 10)
    let garbage = try scratch.write("garbage.json", Data("{\n".utf8)).path
    #expect(try Self.bench(Self.quick + ["--compare", garbage]).status == 65)
  }

  @Test func parityRunsEveryVariant() throws {
    let scratch = try Scratch()
    let page = scratch.url.appending(path: "parity.html").path
    let run = try Self.bench([
      "parity", "--device", "vulkan:llvmpipe", "--filter", "Linear: 3 x 131 x 7", "--json", "--html", page,
    ])
    #expect(run.status == 0, "\(run.errors)")
    let report = try #require(try Self.records(run).last)
    #expect(report["pass"]?.bool == true && report["complete"]?.bool == true)
    let cases = try #require(report["cases"]?.array)
    for key in ["name", "device", "dtype", "variant", "nmse", "maxAbs", "worstIndex", "bound", "pass"] {
      #expect(cases.allSatisfy { $0[key] != nil }, "\(key)")
    }
    // Up to four rows there are two kernels for one case.
    let variants = cases.filter { $0["name"]?.string == cases.first?["name"]?.string }.compactMap {
      $0["variant"]?.string
    }
    #expect(variants.contains { $0.contains("vector") } && variants.contains { $0.contains("tiles") }, "\(variants)")
    let html = try String(contentsOfFile: page, encoding: .utf8)
    #expect(html.contains("class=\"tile\"") && !html.contains("<script") && !html.contains("http"))
  }

  @Test func stepAndReport() throws {
    let scratch = try Scratch()
    let step = try Self.bench([
      "step", "--device", "vulkan:llvmpipe", "--stage", "transformer", "--size", "16x16", "--frames", "1", "--layers",
      "1", "--layout", "none", "--text-tokens", "1", "--runs", "1", "--json",
    ])
    #expect(step.status == 0, "\(step.errors)")
    let record = try #require(try Self.records(step).last)
    #expect(record["stage"]?.string == "transformer" && record["runs"]?.integer == 1)
    #expect(record["medianSeconds"]?.double ?? 0 > 0 && record["peakDeviceBytes"]?.integer ?? 0 > 1 << 20)

    let baseline = """
      {"baseline":"torch","name":"block","comparesTo":["transformer"],"tflops":1e-6,"medianSeconds":1}
      {"baseline":"torch","name":"cut o
      """
    let ops = try Self.bench(Self.quick)
    let file = try scratch.write("all.jsonl", Data((step.output + ops.output + baseline).utf8)).path
    let run = try Self.bench(["report", file, "-o", scratch.url.path])
    #expect(run.status == 0 && run.errors.contains("line 6"), "\(run.errors)")
    let report = try JSONValue(
      parsing: try String(contentsOf: scratch.url.appending(path: "report.json"), encoding: .utf8))
    #expect(report["ops"]?.array?.count == 1 && report["stages"]?.array?.count == 1)
    #expect(report["ratios"]?.array?.first?["ratio"]?.double ?? 0 > 0)
    let html = try String(contentsOf: scratch.url.appending(path: "report.html"), encoding: .utf8)
    #expect(html.contains("<svg") && html.contains("<circle"))
    let markdown = try String(contentsOf: scratch.url.appending(path: "report.md"), encoding: .utf8)
    #expect(markdown.contains("## Against PyTorch") && markdown.contains("| GatedAdd: attention's result"))
  }
}
