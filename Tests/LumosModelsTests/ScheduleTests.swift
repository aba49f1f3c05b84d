import LumosTensor
import Testing

@testable import LumosModels

@Suite struct ScheduleTests {
  /// FNV-1a over bytes, as in Tools/fixtures/make_schedules.py.
  static func fingerprint(_ tensor: Tensor) -> UInt32 {
    tensor.withUnsafeBytes { $0.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 } }
  }

  /// All 5000 schedules of 1 to 1000 steps equal numpy's in every bit.
  @Test func equalNumpys() throws {
    let file = try Fixtures.open("models/schedules.safetensors")
    let shifts = try file.requireTensor("shifts").floats()
    let timesteps = try file.requireTensor("timesteps").integers()
    let sigmas = try file.requireTensor("sigmas").integers()
    var different: [String] = []
    for (row, shift) in shifts.enumerated() {
      for steps in 1...1000 {
        let schedule = try Schedule(steps: steps, shift: Double(shift))
        let times = Tensor(schedule.timesteps.map(Int32.init), [steps])
        let levels = Tensor(schedule.sigmas, [steps + 1])
        let at = row * 1000 + steps - 1
        if Int(Int32(bitPattern: Self.fingerprint(times))) != timesteps[at] { different.append("\(steps) t") }
        if Int(Int32(bitPattern: Self.fingerprint(levels))) != sigmas[at] { different.append("\(steps) sigma") }
      }
    }
    #expect(different == [])
  }

  @Test func publishedTable() throws {
    #expect(try Schedule(steps: 10).timesteps == [1000, 986, 969, 949, 923, 888, 842, 774, 666, 470])
    #expect(try Schedule(steps: 6).timesteps == [1000, 975, 941, 888, 800, 615])
  }

  @Test func orderOfSteps() throws {
    for steps in [1, 2, 3, 4, 50] {
      let schedule = try Schedule(steps: steps)
      for index in 0..<steps {
        let scalars = schedule.coefficients(step: index, guidance: 6)
        #expect((scalars.correction != 0) == (index > 1 && index < steps - 1), "step \(index) of \(steps)")
        #expect(scalars.correction.isFinite && scalars.sigma == schedule.sigmas[index] && scalars.guidance == 6)
        #expect(abs(scalars.latent + scalars.prediction - 1) < 1e-7)
      }
      let last = schedule.coefficients(step: steps - 1, guidance: 6)
      #expect(last.latent == 0 && last.prediction == 1)
    }
  }

  @Test func refusals() {
    for (steps, shift) in [(0, 8.0), (1001, 8), (-3, 8), (5, 0), (5, -1), (5, .nan), (5, .infinity)] {
      #expect(throws: LumosError.self) { try Schedule(steps: steps, shift: shift) }
    }
  }
}
