import Foundation
import LumosFiles
import LumosGraph
import LumosOps
import LumosPipeline
import LumosVulkan

/// A plan as JSON (DESIGN: machine output) and as text.
struct PlanReport {
  private let plan: GenerationPlan
  private let device: String
  private let precision: Precision
  private let budget: Int?

  init(_ plan: GenerationPlan, device: String, precision: Precision, budget: Int?) {
    self.plan = plan
    self.device = device
    self.precision = precision
    self.budget = budget
  }

  // MARK: - JSON

  /// Numbers of a stage are totals over all its runs; those of `graphs` are of one run.
  var json: JSONValue {
    let (layout, settings) = (plan.layout, plan.settings)
    return [
      "layout": [
        "tokens": .integer(layout.tokens), "videoTokens": .integer(layout.videoTokens),
        "latentFrames": .integer(layout.latentFrames), "rows": .integer(layout.rows),
        "columns": .integer(layout.columns), "plainConditions": .integer(layout.plainConditions),
        "humanGroups": .array(layout.humanGroups.map { .integer($0) }), "height": .integer(settings.height),
        "width": .integer(settings.width), "frames": .integer(settings.frames), "steps": .integer(settings.steps),
        "videos": .integer(settings.seeds.count),
      ],
      "device": .string(device), "precision": .string(precision.name),
      "memoryBudgetBytes": budget.map { .integer($0) } ?? nil,
      "ladder": .array(plan.ladder(budget: budget).map { .string($0.rawValue) }),
      "transferBytesPerSecond": .number(WeightLoad.bytesPerSecond), "stages": .array(plan.stages.map(json)),
      "total": [
        "flops": .integer(plan.stages.reduce(0) { $0 + $1.total(\.flops) }),
        "bytesMoved": .integer(plan.stages.reduce(0) { $0 + $1.total(\.bytesMoved) }),
        "dispatches": .integer(plan.stages.reduce(0) { $0 + $1.total(\.dispatches) }),
        "peakBytes": .integer(plan.peakBytes), "residentBytes": .integer(plan.residentBytes),
        "predictedSeconds": .number(plan.predictedSeconds),
      ],
      "fits": .bool(plan.shortage(budget: budget) == nil),
    ]
  }

  private func json(_ stage: StagePlan) -> JSONValue {
    [
      "name": .string(stage.stage.rawValue), "rung": .string(stage.rung.rawValue),
      "dispatches": .integer(stage.total(\.dispatches)),
      "dispatchesPerBlock": .integer(stage.dispatchesPerBlock), "barriers": .integer(stage.total(\.barriers)),
      "submissions": .integer(stage.total(\.submissions)), "flops": .integer(stage.total(\.flops)),
      "bytesMoved": .integer(stage.total(\.bytesMoved)), "weightBytes": .integer(stage.weightBytes),
      "arenaBytes": .integer(stage.arenaBytes), "liveBytesMax": .integer(stage.liveBytesMax),
      "cacheBytes": .integer(stage.cacheBytes), "peakBytes": .integer(stage.peakBytes),
      "predictedSeconds": .number(stage.predictedSeconds), "inputBytes": .integer(stage.inputBytes),
      "largestValueBytes": .integer(stage.largestValueBytes), "evaluations": .integer(stage.evaluations),
      "flopsPerEvaluation": .integer(stage.flopsPerEvaluation), "nodes": .integer(stage.nodes),
      "storedWeightBytes": .integer(stage.storedWeightBytes), "slotBytes": .integer(stage.slotBytes),
      "streamedBytes": .integer(stage.streamedBytes),
      "streamedBytesPerEvaluation": .integer(stage.streamedBytesPerEvaluation),
      "reserveBytes": .integer(stage.reserveBytes),
      "fits": .bool(budget.map { stage.peakBytes <= $0 } ?? true), "graphs": .array(stage.parts.map(json)),
    ]
  }

  private func json(_ part: StagePlan.Part) -> JSONValue {
    let one = part.summary
    return [
      "runs": .integer(part.runs), "nodes": .integer(one.nodes), "dispatches": .integer(one.dispatches),
      "dispatchesBeforeSlicing": .integer(one.dispatchesBeforeSlicing), "barriers": .integer(one.barriers),
      "submissions": .integer(one.submissions), "flops": .integer(one.flops), "bytesMoved": .integer(one.bytesMoved),
      "arenaBytes": .integer(one.arenaBytes), "liveBytesMax": .integer(one.liveBytesMax),
      "inputBytes": .integer(one.inputBytes), "predictedSeconds": .number(one.predictedSeconds),
      "longestDispatchSeconds": .number(one.longestDispatchSeconds),
      "longestSubmissionSeconds": .number(one.longestSubmissionSeconds),
      "kernels": .object(one.kernels.sorted { $0.key < $1.key }.map { .init($0.key, .integer($0.value)) }),
    ]
  }

  // MARK: - Text

  private static let titles: [Stage: String] = [
    .textEncoder: "text encoder", .vaeEncode: "reference images", .transformer: "transformer", .vaeDecode: "decoding",
  ]

  /// The plan for people.
  var lines: [String] {
    let (layout, settings) = (plan.layout, plan.settings)
    let humans = layout.humanGroups.map(String.init).joined(separator: ", ")
    var lines = [
      "\(settings.height)x\(settings.width), \(settings.frames) frames, \(settings.steps) steps, "
        + (settings.seeds.count > 1 ? "\(settings.seeds.count) videos, " : "")
        + "on \(device), \(precision.name) precision",
      "\(layout.tokens) tokens: \(layout.latentFrames) latent frames and \(layout.conditions) reference images of "
        + "\(layout.rows) x \(layout.columns)" + (humans.isEmpty ? "" : ", people with \(humans) images"),
      "",
    ]
    let head = [
      "stage", "runs", "nodes", "kernels", "/block", "barriers", "submits", "TFLOP", "GB moved", "weights", "arena",
      "live", "caches", "peak", "time",
    ]
    let rows = plan.stages.map { stage in
      [
        Self.titles[stage.stage] ?? stage.stage.rawValue, "\(stage.parts.reduce(0) { $0 + $1.runs })",
        "\(stage.nodes)", "\(stage.total(\.dispatches))",
        stage.dispatchesPerBlock == 0 ? "" : "\(stage.dispatchesPerBlock)", "\(stage.total(\.barriers))",
        "\(stage.total(\.submissions))", Self.decimal(Double(stage.total(\.flops)) / 1e12),
        Self.decimal(Double(stage.total(\.bytesMoved)) / 1e9), Self.bytes(stage.weightBytes),
        Self.bytes(stage.arenaBytes), Self.bytes(stage.liveBytesMax), Self.bytes(stage.cacheBytes),
        Self.bytes(stage.peakBytes), Self.duration(stage.predictedSeconds),
      ]
    }
    lines += Self.table([head] + rows)
    let stage = plan.stages.first { $0.stage == .transformer }
    lines.append("")
    if let stage {
      lines.append("one evaluation of the transformer: \(Self.decimal(Double(stage.flopsPerEvaluation) / 1e12)) TFLOP")
    }
    lines.append(
      "peak \(Self.bytes(plan.peakBytes)) with one network on the device at a time, \(Self.bytes(plan.residentBytes)) "
        + "with all" + (budget.map { ", of \(Self.bytes($0))" } ?? ""))
    for stage in plan.stages where stage.rung > .stageByStage {
      let tiles = stage.rung == .smallTiles ? ", in smaller blocks of tokens" : ""
      lines.append(
        "\(Self.titles[stage.stage] ?? stage.stage.rawValue): weights streamed, "
          + "\(Self.bytes(stage.streamedBytesPerEvaluation)) per evaluation through \(Self.bytes(stage.slotBytes))\(tiles)"
      )
    }
    let variants = Self.variants(plan.stages)
    if !variants.isEmpty { lines.append("variants: " + variants.joined(separator: ", ")) }
    lines.append("predicted \(Self.duration(plan.predictedSeconds)) on the device")
    return lines
  }

  /// The kernels of ops that have several variants, by how often they run.
  private static func variants(_ stages: [StagePlan]) -> [String] {
    var counts: [String: Int] = [:]
    for part in stages.flatMap(\.parts) {
      for (kernel, count) in part.summary.kernels { counts[kernel, default: 0] += count * part.runs }
    }
    let ops = OpCatalog.all.compactMap { $0 as? any VulkanLowering.Type }.filter { $0.variantNames.count > 1 }
    return counts.filter { kernel, _ in ops.contains { kernel.hasPrefix($0.name + ".") } }
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
  }

  /// Columns, the first to the left and the others to the right.
  private static func table(_ rows: [[String]]) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, text in
        let padding = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 ? text + padding : padding + text
      }.joined(separator: "  ")
    }
  }

  private static func decimal(_ value: Double) -> String { String(format: value < 100 ? "%.2f" : "%.0f", value) }

  private static func bytes(_ count: Int) -> String {
    count < 1 << 30
      ? String(format: "%.1f MiB", Double(count) / 0x1p20) : String(format: "%.2f GiB", Double(count) / 0x1p30)
  }

  private static func duration(_ seconds: Double) -> String {
    if seconds < 100 { return String(format: "%.2f s", seconds) }
    let minutes = Int(min(seconds / 60, 1e15))
    return minutes < 100 ? "\(minutes) min \(Int(seconds) % 60) s" : "\(minutes / 60) h \(minutes % 60) min"
  }
}
