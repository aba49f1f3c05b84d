import Foundation
import LumosTensor
import Testing

@testable import LumosModels

@Suite struct NoiseTests {
  /// Known answers of Random123 1.14 (`kat_vectors`, philox4x32 with 10 rounds).
  @Test func philoxKnownAnswers() {
    #expect(Philox(seed: 0).words(SIMD4()) == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      Philox(seed: .max).words(SIMD4(repeating: .max)) == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      Philox(seed: 0x299f_31d0_a409_3822).words(SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  /// The polynomials agree with the C library to the last places of float64.
  @Test func functions() {
    var words: [UInt32] = [0, 1, 2, 0x2000_0000, 0x1fff_ffff, 0x7fff_ffff, 0x8000_0000, .max - 1, .max]
    words += (0..<2000).map { Philox(seed: 7).words(SIMD4($0, 0, 0, 0))[0] }
    for word in words {
      let u = (Double(word) + 1) / 4_294_967_296
      let logarithm = Noise.logarithm(ofUniform: word)
      #expect(abs(logarithm - log(u)) <= 4e-16 * max(abs(log(u)), 1e-300))
      let angle = 2 * Double.pi * Double(word) / 4_294_967_296
      let (sine, cosine) = Noise.sineCosine(ofTurns: word)
      // The library's argument is rounded: up to 2π ulp/2.
      #expect(abs(sine - sin(angle)) < 1e-15 && abs(cosine - cos(angle)) < 1e-15)
    }
  }

  /// The stream as every machine must make it; Tools/fixtures/check_noise.py gives the same number.
  @Test func pinned() {
    let values = Noise(seed: 42).normals(count: 4096)
    let print = ScheduleTests.fingerprint(Tensor(values, [4096]))
    #expect(print == 723_299_070)
    #expect(Noise(seed: 42).normals(count: 7) == Array(values[..<7]), "a stream does not depend on its length")
    #expect(Noise(seed: 43).normals(count: 4) != Array(values[..<4]))
  }

  @Test func moments() {
    let count = 1 << 17
    let values = Noise(seed: 1).normals(count: count).map(Double.init)
    let moments = (1...4).map { power in values.reduce(0) { $0 + pow($1, Double(power)) } / Double(count) }
    // Standard errors of the four means are √(1, 2, 15, 96) / √count; four of them are allowed.
    let error = 4 / Double(count).squareRoot()
    #expect(abs(moments[0]) < error)
    #expect(abs(moments[1] - 1) < error * 2.0.squareRoot())
    #expect(abs(moments[2]) < error * 15.0.squareRoot())
    #expect(abs(moments[3] - 3) < error * 96.0.squareRoot())
    for lag in 1...4 {
      let covariance = zip(values, values.dropFirst(lag)).reduce(0) { $0 + $1.0 * $1.1 } / Double(count - lag)
      #expect(abs(covariance) < error, "lag \(lag)")
    }
    let tail = values.count { abs($0) > 1.959_964 }
    #expect(abs(Double(tail) / Double(count) - 0.05) < 4 * (0.05 * 0.95 / Double(count)).squareRoot())
  }

  /// The latent's numbers come in the published order, whatever way they are stored.
  @Test func latentOrder() {
    let latent = Noise(seed: 5).latent(frames: 2, height: 3, width: 4, channels: 16)
    let stream = Noise(seed: 5).normals(count: 16 * 24)
    #expect(latent.shape == [2, 3, 4, 16])
    let values = latent.floats()
    for (channel, frame, row, column) in [(0, 0, 0, 0), (3, 1, 2, 1), (15, 1, 2, 3)] {
      let position = (frame * 3 + row) * 4 + column
      #expect(values[position * 16 + channel] == stream[channel * 24 + position])
    }
  }
}
