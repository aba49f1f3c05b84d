import Dispatch
import LumosFiles
import LumosTensor

/// Writes a checkpoint again as a GGUF file with the weights of its blocks' linear layers quantised.
///
/// They are nearly all of a network. Everything else stays as it is stored: norms, biases and modulation, which add no
/// bytes; embeddings, the layers around the blocks and convolutions, through which every number goes and which cost
/// little.
public struct WeightQuantizer: Sendable {
  /// What became of a tensor.
  public struct Record: Sendable, Hashable {
    /// Its name.
    public let name: String
    /// As it was stored.
    public let source: TensorType
    /// As it is stored now.
    public let dtype: DType
    /// Root mean squared error relative to the root mean square of its numbers; nil where nothing changed.
    public let relativeError: Double?
  }

  /// Type of the quantised tensors.
  public let dtype: DType

  /// A quantiser to this block type.
  public init(to dtype: DType) {
    precondition(dtype.block != nil, "\(dtype.rawValue) has no blocks")
    self.dtype = dtype
  }

  /// The type in which tensor `name` is stored: that of the quantiser for weights of the blocks' linear layers, or `q8_0`
  /// if their rows are whole blocks of that type only.
  public func type(of name: String, _ stored: TensorType) -> DType {
    let parts = name.split(separator: ".")
    guard parts.first == "blocks", parts.last == "weight", stored.shape.rank == 2, stored.dtype.isFloat,
      !parts.contains(where: { $0.contains("embedding") || $0.contains("norm") })
    else { return stored.dtype }
    return [dtype, .q8_0].first { TensorType(stored.shape, $0).hasWholeBlocks } ?? stored.dtype
  }

  /// Writes the weights, under the names that the model uses, to `path`.
  ///
  /// One tensor at a time is in memory.
  /// - Parameters:
  ///   - metadata: what else the file says.
  ///   - progress: called after each tensor with what became of it.
  /// - Throws: `LumosError(.badInput)` for numbers that are not finite in a tensor to be quantised, and for types that
  ///   GGUF does not know; as `GGUFWriter` otherwise.
  public func write(
    _ weights: CheckpointWeights, to path: String, metadata: [String: GGUFValue] = [:],
    progress: (Record) -> Void = { _ in }
  ) throws(LumosError) {
    var metadata = metadata
    metadata["general.architecture"] = metadata["general.architecture"] ?? .text("wan")
    metadata["general.quantization_version"] = .integer(2)
    try withoutActuallyEscaping(progress) { progress throws(LumosError) in
      var items: [GGUFWriter.Item] = []
      for name in weights.names {
        guard let source = weights.type(ofWeight: name) else { continue }
        let target = type(of: name, source)
        items.append(
          GGUFWriter.Item(name, TensorType(source.shape, target)) { () throws(LumosError) in
            let stored = try Self.stored(name, weights)
            guard target != source.dtype else {
              progress(Record(name: name, source: source, dtype: target, relativeError: nil))
              return stored
            }
            let (made, error) = Self.quantize(stored, to: target)
            guard let error else {
              throw LumosError(
                .badInput, "holds numbers that are not finite", at: "\(weights.checkpoint.path), tensor \(name)",
                advice: "quantise a sound checkpoint")
            }
            progress(Record(name: name, source: source, dtype: target, relativeError: error))
            return made
          })
      }
      try GGUFWriter.write(items, metadata: metadata, to: path)
    }
  }

  private static func stored(_ name: String, _ weights: CheckpointWeights) throws(LumosError) -> Tensor {
    do {
      return try weights.weight(name)
    } catch let error as LumosError {
      throw error
    } catch {
      throw LumosError(.inputOutput, "cannot be read", at: "\(weights.checkpoint.path), tensor \(name)", cause: error)
    }
  }

  /// The tensor in blocks, by all cores, and its relative error; nil in place of that where numbers are not finite.
  private static func quantize(_ tensor: Tensor, to dtype: DType) -> (Tensor, error: Double?) {
    let rows = tensor.shape[0]
    // Pieces of about a million numbers.
    let step = max(1, (1 << 20) / max(tensor.shape.rowCount, 1))
    let count = (rows + step - 1) / step
    let sums = Sums(count: count)
    let target = TensorType(tensor.shape, dtype)
    let result = Tensor(target.shape, dtype) { bytes in
      let out = Destination(bytes: bytes)
      DispatchQueue.concurrentPerform(iterations: count) { piece in
        let range = piece * step..<min((piece + 1) * step, rows)
        let part = tensor.rows(range)
        let made = part.converted(to: dtype)
        let first = dtype.byteCount(of: range.lowerBound * tensor.shape.rowCount)
        made.withUnsafeBytes { out.copy($0, to: first) }
        let (before, after) = (part.floats(), made.floats())
        var (error, square, isFinite) = (0.0, 0.0, true)
        for i in before.indices {
          let difference = Double(before[i]) - Double(after[i])
          error += difference * difference
          square += Double(before[i]) * Double(before[i])
          isFinite = isFinite && before[i].isFinite
        }
        sums.set(piece, error: error, square: square, isFinite: isFinite)
      }
    }
    return (result, sums.relativeError)
  }

  /// Bytes into which pieces are copied that do not overlap.
  private struct Destination: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    func copy(_ piece: UnsafeRawBufferPointer, to first: Int) {
      UnsafeMutableRawBufferPointer(rebasing: bytes[first..<first + piece.count]).copyMemory(from: piece)
    }
  }

  /// What the pieces add up to; each writes its own place.
  private final class Sums: @unchecked Sendable {
    private let sums: UnsafeMutableBufferPointer<(error: Double, square: Double, isFinite: Bool)>

    init(count: Int) {
      sums = .allocate(capacity: count)
      sums.initialize(repeating: (0, 0, true))
    }

    deinit { sums.deallocate() }

    func set(_ piece: Int, error: Double, square: Double, isFinite: Bool) {
      sums[piece] = (error, square, isFinite)
    }

    var relativeError: Double? {
      guard sums.allSatisfy(\.isFinite) else { return nil }
      let square = sums.reduce(0) { $0 + $1.square }
      return square == 0 ? 0 : (sums.reduce(0) { $0 + $1.error } / square).squareRoot()
    }
  }
}
