import COpenBLAS
import Dispatch
import Glibc
import LumosOps
import LumosReference
import LumosTensor

/// `cpu-bench [RUNS] [FILTER]`: how fast the CPU backend computes the model's products, attention and convolutions, beside
/// OpenBLAS called directly in the same run.
///
/// Rounds alternate between the two, so that both see the same machine; shown is the fastest of RUNS (default 5).
@main struct CPUBench {
  /// Something to time.
  struct Case {
    let name: String
    let op: any OpDescriptor
    let inputs: [Tensor]
    /// The product that OpenBLAS is timed with: rows, columns and inner extent.
    let yardstick: (rows: Int, columns: Int, inner: Int)

    var flops: Int { op.flops(inputs.map(\.type)) }
  }

  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    let runs = arguments.first.flatMap(Int.init) ?? 5
    let filter = arguments.dropFirst(arguments.first.flatMap(Int.init) == nil ? 0 : 1).first ?? ""
    print(row("case", "GFLOP/s", "OpenBLAS", "ratio"))
    for item in cases where filter.isEmpty || item.name.contains(filter) {
      let arrays = item.inputs.map { ReferenceArray<Float>($0) }
      guard let kernel = item.op as? any ReferenceKernel else { continue }
      let types = try item.op.outputTypes(item.inputs.map(\.type))
      let yardstick = Product(item.yardstick)
      var (ours, theirs) = (Double.infinity, Double.infinity)
      for _ in 0..<runs {
        theirs = min(theirs, seconds { yardstick.run() })
        ours = min(ours, seconds { _ = kernel.evaluateSingle(arrays, outputs: types) })
      }
      let (rate, blas) = (Double(item.flops) / ours / 1e9, yardstick.flops / theirs / 1e9)
      print(
        row(item.name, "\(Int(rate.rounded()))", "\(Int(blas.rounded()))", "\((rate / blas * 100).rounded() / 100)"))
    }
  }

  static var cases: [Case] {
    let rows = 1560
    func linear(_ width: Int, _ depth: Int) -> Case {
      Case(
        name: "linear \(rows) rows, \(depth) -> \(width)", op: Linear(),
        inputs: [random([rows, depth]), random([width, depth]), random([width])], yardstick: (rows, width, depth))
    }
    func attention(_ keys: Int) -> Case {
      let op = Attention(
        heads: 12, scale: 1 / Float(128).squareRoot(), spans: [.init(queries: 0..<rows, keys: 0..<keys)])
      return Case(
        name: "attention 12 x 128, \(rows) queries, \(keys) keys", op: op,
        inputs: [random([rows, 1536]), random([keys, 1536]), random([keys, 1536])], yardstick: (rows, 1536, 1536))
    }
    func convolution(_ channels: Int, _ height: Int, _ width: Int, upsamples: Bool = false) -> Case {
      let op = Conv3D(padding: .init(leading: 1, trailing: 1), upsamples: upsamples)
      let frame = random([1, upsamples ? height / 2 : height, upsamples ? width / 2 : width, channels])
      let size = upsamples ? 1 : 3
      return Case(
        name: "conv3d \(size) x 3 x 3, \(channels) channels, \(height) x \(width)" + (upsamples ? ", nearest 2x" : ""),
        op: op,
        inputs: [frame, random([channels, size, 3, 3, channels]), random([channels])]
          + (upsamples ? [] : [random([2, height, width, channels])]),
        yardstick: (height * width, channels, 9 * size * channels))
    }
    return [
      linear(1536, 1536), linear(8960, 1536), linear(1536, 8960), attention(512), attention(1560), attention(3120),
      convolution(384, 30, 52), convolution(192, 60, 104), convolution(96, 120, 208),
      convolution(96, 120, 208, upsamples: true),
    ]
  }

  /// Uniform numbers in -0.5 ..< 0.5.
  static func random(_ shape: Shape) -> Tensor {
    var state: UInt32 = 1
    return Tensor(
      (0..<shape.count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(state >> 8) * 0x1p-24 - 0.5
      }, shape)
  }

  static func seconds(_ body: () -> Void) -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    body()
    return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
  }

  static func row(_ name: String, _ columns: String...) -> String {
    func pad(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(width - text.count, 0)) }
    return name + pad(name, 52) + columns.map { pad($0, 10) + $0 }.joined()
  }
}

/// `C = A Bᵀ` by OpenBLAS itself.
final class Product {
  let (rows, columns, inner): (Int, Int, Int)
  private let a, b: [Float]
  private var c: [Float]

  var flops: Double { 2 * Double(rows) * Double(columns) * Double(inner) }

  init(_ size: (rows: Int, columns: Int, inner: Int)) {
    (rows, columns, inner) = size
    a = [Float](repeating: 0.25, count: rows * inner)
    b = [Float](repeating: 0.5, count: columns * inner)
    c = [Float](repeating: 0, count: rows * columns)
  }

  /// On all cores, as OpenBLAS spreads it; the CPU backend keeps OpenBLAS to one thread and spreads products itself.
  func run() {
    openblas_set_num_threads(openblas_get_num_procs())
    defer { openblas_set_num_threads(1) }
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(columns), Int32(inner), 1, a, Int32(inner), b,
      Int32(inner), 0, &c, Int32(columns))
  }
}
