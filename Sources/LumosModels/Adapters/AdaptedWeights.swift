import Dispatch
import LumosFiles
import LumosGraph
import LumosTensor

/// Weights with adapters applied.
///
/// Weights in floating point are changed where they are read: summed in float32, then rounded to the type that the
/// checkpoint stores. Weights in blocks of few bits would lose the change to rounding; there the products stay apart
/// (`additions`), and the graph adds them to the result of the layer.
public struct AdaptedWeights: WeightSource {
  private let base: any WeightSource
  private let adapters: [Adapter]
  private let keepsApart: @Sendable (TensorType) -> Bool

  /// - Parameter keepsApart: whether a matrix of this type keeps its products beside it. By default those in blocks do.
  public init(
    _ base: any WeightSource, _ adapters: [Adapter],
    keepsApart: @escaping @Sendable (TensorType) -> Bool = { $0.dtype.isBlocked }
  ) {
    self.base = base
    self.adapters = adapters
    self.keepsApart = keepsApart
  }

  // MARK: - Products beside a weight

  /// Names of the factors that stand beside a weight: `NAME@0.down` and `NAME@0.up`.
  public func additions(toWeight name: String) -> [WeightAddition] {
    guard let type = base.type(ofWeight: name), keepsApart(type) else { return [] }
    return products(name).indices.map { WeightAddition(down: "\(name)@\($0).down", up: "\(name)@\($0).up") }
  }

  private struct Product {
    let adapter: Adapter
    let up, down: String
    let rank: Int
    let factor: Float
  }

  private func products(_ name: String) -> [Product] {
    adapters.flatMap { adapter in
      (adapter.changes[name] ?? []).compactMap { change in
        guard case .product(let up, let down, let rank, let factor) = change else { return nil }
        return Product(adapter: adapter, up: up, down: down, rank: rank, factor: factor * adapter.strength)
      }
    }
  }

  /// The factor that a name of `additions` means.
  private func factor(_ name: String) -> (product: Product, isUp: Bool)? {
    guard let at = name.lastIndex(of: "@") else { return nil }
    let parts = name[name.index(after: at)...].split(separator: ".")
    let products = products(String(name[..<at]))
    guard parts.count == 2, let index = Int(parts[0]), products.indices.contains(index) else { return nil }
    return (products[index], parts[1] == "up")
  }

  // MARK: - Weights

  public func type(ofWeight name: String) -> TensorType? {
    if let (product, isUp) = factor(name) {
      guard let type = product.adapter.checkpoint.type(of: isUp ? product.up : product.down) else { return nil }
      let rows = isUp ? type.shape.count / product.rank : product.rank
      return TensorType([rows, type.shape.count / rows], .f32)
    }
    return base.type(ofWeight: name)
  }

  public func weight(_ name: String) throws -> Tensor {
    if let (product, isUp) = factor(name), let type = type(ofWeight: name) {
      let stored = try product.adapter.checkpoint.requireTensor(isUp ? product.up : product.down)
      let values = stored.floats()
      return Tensor(isUp ? values.map { $0 * product.factor } : values, type.shape)
    }
    guard let type = base.type(ofWeight: name), changes(name, type) else { return try base.weight(name) }
    return try Tensor(type.shape, type.dtype) { try read(name, bytes: 0..<type.byteCount, into: $0) }
  }

  /// Whether the bytes of a weight differ from the checkpoint's.
  private func changes(_ name: String, _ type: TensorType) -> Bool {
    adapters.contains { adapter in
      (adapter.changes[name] ?? []).contains { change in
        if case .product = change { return !keepsApart(type) }
        return true
      }
    }
  }

  public func read(_ name: String, bytes range: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    if factor(name) != nil {
      return try weight(name).withUnsafeBytes { target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
    guard let type = base.type(ofWeight: name), changes(name, type), !range.isEmpty else {
      return try base.read(name, bytes: range, into: target)
    }
    guard !type.dtype.isBlocked else {
      throw LumosError(
        .badInput, "a difference of a weight in blocks (\(type.dtype.rawValue)) cannot be applied", at: name,
        advice: "use weights in f16 or bf16 with this adapter")
    }
    // Whole rows, of which the caller gets what it asked for.
    let rows = max(type.shape.rank == 0 ? 1 : type.shape[0], 1)
    let rowBytes = type.byteCount / rows
    let wanted = range.lowerBound / rowBytes..<(range.upperBound - 1) / rowBytes + 1
    let columns = type.shape.count / rows
    let before = try Tensor([wanted.count, columns], type.dtype) {
      try base.read(name, bytes: wanted.lowerBound * rowBytes..<wanted.upperBound * rowBytes, into: $0)
    }
    var sum = before.floats()
    for adapter in adapters {
      for change in adapter.changes[name] ?? [] { try Self.add(change, of: adapter, rows: wanted, columns, to: &sum) }
    }
    Tensor(sum, before.shape).converted(to: type.dtype).withUnsafeBytes { bytes in
      let first = range.lowerBound - wanted.lowerBound * rowBytes
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[first..<first + range.count]))
    }
  }

  /// Adds rows `rows` of a change to `sum`, `[rows.count, columns]`.
  private static func add(
    _ change: Adapter.Change, of adapter: Adapter, rows: Range<Int>, _ columns: Int, to sum: inout [Float]
  ) throws {
    switch change {
    case .difference(let key):
      let difference = try adapter.checkpoint.requireTensor(key).floats()
      let first = rows.lowerBound * columns
      for index in sum.indices { sum[index] += adapter.strength * difference[first + index] }
    case .product(let up, let down, let rank, let factor):
      let left = try adapter.checkpoint.requireTensor(up).floats()
      let right = try adapter.checkpoint.requireTensor(down).floats()
      sum.withUnsafeMutableBufferPointer { sum in
        nonisolated(unsafe) let sum = sum
        DispatchQueue.concurrentPerform(iterations: rows.count) { row in
          let line = UnsafeMutableBufferPointer(rebasing: sum[row * columns..<(row + 1) * columns])
          right.withUnsafeBufferPointer { right in
            for inner in 0..<rank {
              let weight = adapter.strength * factor * left[(rows.lowerBound + row) * rank + inner]
              let start = inner * columns
              for column in 0..<columns { line[column] += weight * right[start + column] }
            }
          }
        }
      }
    }
  }
}
