import LumosOps
import LumosTensor

extension Activation: OpCases {
  public static var cases: [OpCase] {
    // Where e^x or tanh over- and underflow; the outputs of the negative ones must vanish, not become NaN.
    let extremes: [Float] = [
      0, -0.0, 1e-30, -1e-30, 1, -1, 9, -9, 20, -20, 87, -87, 88.5, -88.5, 89, -89, 104, -104, -1000, -1e10, -1e30,
    ]
    return Kind.allCases.flatMap { kind in
      [
        OpCase("\(kind) one element", Activation(kind), [.init([1])]),
        OpCase("\(kind) [7, 1031]", Activation(kind), [.init([7, 1031], .f32, .normal(deviation: 3))]),
        OpCase("\(kind) [3, 5, 7, 11]", Activation(kind), [.init([3, 5, 7, 11], .f32, .uniform(lower: -6, upper: 6))]),
        OpCase("\(kind) far from zero", Activation(kind), [.init([extremes.count], .f32, .values(extremes))]),
        OpCase("\(kind) largest", Activation(kind), [.init([2], .f32, .values([1e30, 3.4e38]))]),
        OpCase("\(kind) hidden layer 480x832x81", Activation(kind), [.init([32760, 8960])], purpose: .benchmark),
      ]
    }
  }
}
