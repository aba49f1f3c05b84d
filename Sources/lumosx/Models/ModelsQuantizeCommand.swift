import ArgumentParser
import LumosCommand
import LumosFiles
import LumosModels
import LumosPipeline
import LumosTensor

/// `lumosx models quantize`: a checkpoint as a GGUF file with weights in blocks.
struct ModelsQuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Write a checkpoint as a GGUF file with the weights of its blocks' linear layers quantised.",
    discussion: """
      Tells for each of them the root mean squared error relative to its numbers. Norms, biases, modulation, embeddings, \
      convolutions and the layers around the blocks stay as they are stored. A bundle takes the file under the name that \
      its config.json gives, or as transformer.gguf or umt5.gguf.
      """)

  @Argument(
    help: "The checkpoint: a file of any format that `generate` reads, or a folder with one.", completion: .file())
  var input: String

  @Option(help: "What to quantise to: q8_0, q6_k, q5_k, q5_0, q4_k or q4_0.")
  var type: BlockType

  @Option(name: .shortAndLong, help: "The GGUF file to write.")
  var output: String

  @Flag(help: "One JSON object.")
  var json = false

  func run() throws {
    try Reporting.run(
      onFailure: { error in
        guard json else { return }
        Reporting.line(JSONValue(dictionaryLiteral: ("ok", false), ("error", Reporting.json(error))).text())
      }, quantize)
  }

  private func quantize() throws {
    try OutputPath.check(output)
    let weights = CheckpointWeights(try CheckpointOpener.open(input))
    let quantizer = WeightQuantizer(to: type.value)
    guard weights.names.contains(where: { isQuantized($0, weights, quantizer) }) else {
      throw LumosError(
        .badInput, "has no linear layers of blocks to quantise", at: input,
        advice: "give the checkpoint of a transformer or of a text encoder")
    }
    var records: [WeightQuantizer.Record] = []
    try quantizer.write(weights, to: output) { record in
      records.append(record)
      if !json { Reporting.line(Self.line(record)) }
    }
    let before = records.reduce(0) { $0 + $1.source.byteCount }
    let after = records.reduce(0) { $0 + TensorType($1.source.shape, $1.dtype).byteCount }
    let errors = records.compactMap(\.relativeError)
    let worst = errors.max() ?? 0
    if json {
      Reporting.line(Self.json(records, before: before, after: after, output).text())
    } else {
      Reporting.line(
        "\(errors.count) of \(records.count) tensors quantised, \(before) -> \(after) bytes, "
          + "largest relative error \(Self.shown(worst)): \(output)")
    }
  }

  private func isQuantized(_ name: String, _ weights: CheckpointWeights, _ quantizer: WeightQuantizer) -> Bool {
    guard let type = weights.type(ofWeight: name) else { return false }
    return quantizer.type(of: name, type) != type.dtype
  }

  /// `"blocks.0.ffn.0.weight bf16[8960, 1536] -> q4_k, relative error 0.0712"`.
  private static func line(_ record: WeightQuantizer.Record) -> String {
    let error = record.relativeError.map { " -> \(record.dtype.rawValue), relative error \(shown($0))" }
    return "\(record.name) \(record.source)\(error ?? "")"
  }

  /// Three digits behind the first that is not zero, or fewer.
  private static func shown(_ error: Double) -> String { "\((error * 1e5).rounded() / 1e5)" }

  private static func json(
    _ records: [WeightQuantizer.Record], before: Int, after: Int, _ output: String
  ) -> JSONValue {
    [
      "ok": true, "output": .string(output), "sourceBytes": .integer(before), "bytes": .integer(after),
      "tensors": .array(
        records.map {
          [
            "name": .string($0.name), "sourceDtype": .string($0.source.dtype.rawValue),
            "dtype": .string($0.dtype.rawValue), "relativeError": $0.relativeError.map { .number($0) } ?? nil,
          ]
        }),
    ]
  }
}

/// `--type` on the command line.
struct BlockType: ExpressibleByArgument {
  /// The block type.
  let value: DType

  init?(argument: String) {
    guard let value = DType.blocks.first(where: { $0.rawValue == argument.lowercased() }) else { return nil }
    self.value = value
  }

  static var allValueStrings: [String] { DType.blocks.map(\.rawValue) }
}
