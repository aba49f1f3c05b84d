import LumosFiles
import LumosGraph
import LumosModels
import LumosOps
import LumosTensor
import LumosText

/// Runs a folder of golden tensors, made by the published code, on a backend.
///
/// Any folder with a `manifest.json` of this format will do: cases of any name, sizes and seeds. Every intermediate
/// tensor that a case holds is compared, not just its result. Cases in which the published code shows a defect that
/// this engine does not repeat (MODEL.md section 8) run in both forms: with the published spans, which must reproduce
/// the golden, and with our own, which must agree where the defect has no reach and differ where it has.
public struct GoldenSuite {
  let manifest: GoldenManifest
  /// Results of our own form of the defective cases, if they were made.
  let corrected: SafetensorsFile?

  /// Opens a folder.
  /// - Parameters:
  ///   - directory: with `manifest.json`.
  ///   - corrected: path of a safetensors file that holds, for cases with the published defect, the result without
  ///     it, as `"block/quirk_T1.out"`.
  /// - Throws: `LumosError` if the folder has no valid manifest, lists something of an unknown kind, or `corrected`
  ///   cannot be read.
  public init(_ directory: String, corrected: String? = nil) throws {
    manifest = try GoldenManifest(directory: directory)
    if let corrected { self.corrected = try SafetensorsFile(corrected) } else { self.corrected = nil }
    for entry in manifest.entries where Kind(rawValue: entry.kind) == nil {
      throw LumosError(
        .badInput, "unknown kind of golden", at: directory + "/" + entry.path,
        advice: "known kinds are \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
    }
  }

  /// Kinds of goldens, by their folder.
  enum Kind: String, CaseIterable {
    case block, transformer, sampler, vae, umt5, tokenizer, preprocess
  }

  /// Names of the cases that `run` compares, in its order: `"block/bg1"`.
  public var caseNames: [String] { cases.map(\.name) }

  private var cases: [GoldenManifest.Entry] {
    manifest.entries.filter { entry in
      switch Kind(rawValue: entry.kind) {
      case .block, .transformer, .sampler, .vae, .umt5:
        // Entries with a gap hold results of the published mixed precision: they set bounds and are not compared.
        !entry.isWeights && entry.fields["gap"] == nil
      case .tokenizer: entry.path.hasSuffix(".json")
      // The other entry of this kind describes a scene folder.
      case .preprocess: entry.path.hasSuffix(".safetensors")
      case nil: false
      }
    }
  }

  /// Runs all cases, or those whose name `matching` accepts, on a backend.
  /// - Parameters:
  ///   - precision: of the backend's weights and matrix inputs.
  ///   - report: called with every result as it comes.
  /// - Returns: all results.
  /// - Throws: `LumosError` for goldens that are missing, damaged or contradict the manifest; whatever the backend
  ///   throws. A result out of bounds is not an error.
  @discardableResult
  public func run(
    on backend: any Backend, precision: GoldenPrecision = .float32, matching: (String) -> Bool = { _ in true },
    report: @escaping (GoldenResult) -> Void = { _ in }
  ) throws -> [GoldenResult] {
    let bounds = GoldenBounds(precision, publishedGap: publishedGap)
    var recorder = GoldenRecorder(report: report)
    for entry in cases where matching(entry.name) {
      switch Kind(rawValue: entry.kind) {
      case .block: try runBlock(entry, on: backend, bound: bounds.block, into: &recorder)
      case .transformer: try runTransformer(entry, on: backend, bound: bounds.transformer, into: &recorder)
      case .sampler: try runSampler(entry, on: backend, bound: bounds.sampler, into: &recorder)
      case .vae: try runVAE(entry, on: backend, bound: bounds.vae, into: &recorder)
      case .umt5: try runTextEncoder(entry, on: backend, bound: bounds.textEncoder, into: &recorder)
      case .tokenizer: try runTokenizer(entry, into: &recorder)
      case .preprocess: try runPreprocess(entry, into: &recorder)
      case nil: break
      }
    }
    return recorder.results
  }

  /// Relative RMS distances of the published mixed precision from float32, by case.
  private var publishedGap: [String: Double] {
    var gaps: [String: Double] = [:]
    for entry in manifest.entries {
      for member in entry.fields["gap"]?.members ?? [] { gaps[member.key] = member.value["rel_rms"]?.double }
    }
    return gaps
  }
}

/// A case's sequence, and the masks of its condition images.
struct GoldenScene {
  let layout: Layout
  /// Which text positions each condition image's word covers.
  let masks: [[Bool]]

  /// - Parameters:
  ///   - fields: the case's entry, with `T`, `n_nonhuman` and `human_sizes`.
  ///   - mask: `[conditions, textLength]`; nil or without rows where there are no images.
  init(_ fields: GoldenFields, rows: Int, columns: Int, mask: Tensor?) throws {
    layout = Layout(
      latentFrames: try fields.count("T"), rows: rows, columns: columns,
      plainConditions: try fields.integer("n_nonhuman", in: 0...4096, standard: 0),
      humanGroups: try fields.integers("human_sizes", in: 1...4096))
    let images = layout.conditions
    guard (mask?.shape[0] ?? 0) == images, mask?.shape.rank ?? 2 == 2 else {
      throw LumosError(
        .badInput, "\(images) condition images, but text_mask is \(mask.map { "\($0.shape)" } ?? "missing")",
        at: fields.place)
    }
    if let mask {
      masks = (0..<images).map { mask.rows($0..<$0 + 1).integers().map { $0 != 0 } }
    } else {
      masks = []
    }
  }

  /// The published code's spans where they differ from ours, or nil.
  var defectiveSpans: [Attention.Span]? {
    let published = layout.publishedAttentionSpans
    return published == layout.attentionSpans ? nil : published
  }
}
