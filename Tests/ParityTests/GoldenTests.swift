import Glibc
import LumosGraph
import LumosPipeline
import LumosReference
import LumosTensor
import Testing

/// The published code's tensors against the CPU backend.
@Suite struct GoldenTests {
  static let fixtures =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/") + "/Fixtures"

  static func suite() throws -> GoldenSuite {
    try GoldenSuite(
      fixtures + "/golden", corrected: fixtures + "/golden-extra/quirk_fixed.safetensors")
  }

  /// How many comparisons each case makes: a golden that goes missing, or is skipped by mistake, is noticed.
  static let comparisons = [
    "block/bg1": 5, "block/obj2": 7, "block/human1": 5, "block/humans2_obj_bg": 6, "block/quirk_group_eq_T": 9,
    "block/quirk_T1": 9, "block/nocond_wan": 1, "transformer/full_2h_obj_bg": 4, "transformer/nocond_wan": 1,
    "sampler/steps10": 23, "sampler/schedules": 16, "vae/cases": 6, "umt5/cases": 7,
    "tokenizer/cases": 68, "preprocess/cases": 6,
  ]

  @Test func everyCaseIsListed() throws {
    #expect(Set(try Self.suite().caseNames) == Set(Self.comparisons.keys))
  }

  @Test(arguments: comparisons.keys.sorted()) func published(_ name: String) throws {
    let results = try Self.suite().run(on: ReferenceBackend(), matching: { $0 == name })
    #expect(results.count == Self.comparisons[name])
    Self.expectPass(results)
  }

  /// Other widths, head sizes, layouts, odd sizes and step counts, made by the PyTorch oracle
  /// (Tools/fixtures/make_goldens.py).
  @Test func oracle() throws {
    let results = try GoldenSuite(Self.fixtures + "/golden-oracle").run(on: ReferenceBackend())
    #expect(results.count == Self.oracleComparisons)
    Self.expectPass(results)
  }

  /// Any other folder of goldens, if the environment names one.
  @Test(.enabled(if: extraFolder != nil)) func extra() throws {
    let results = try GoldenSuite(Self.extraFolder ?? "").run(on: ReferenceBackend())
    #expect(!results.isEmpty)
    Self.expectPass(results)
  }

  static let oracleComparisons = 79

  static var extraFolder: String? { getenv("LUMOSX_GOLDENS").map { String(cString: $0) } }

  static func expectPass(_ results: [GoldenResult]) {
    for result in results {
      #expect(
        result.pass,
        "\(result.name): NMSE \(result.nmse), max \(result.maxAbs) at \(result.worstIndex), bound \(result.bound)")
    }
  }

  /// A folder that is not what it says is refused with the place.
  @Test func refusals() throws {
    #expect(throws: LumosError.self) { try GoldenSuite(Self.fixtures + "/no such folder") }
    #expect(throws: LumosError.self) { try GoldenSuite(Self.fixtures + "/models") }
  }
}
