import Glibc
import LumosTensor

/// The timestep as the network sees it (MODEL.md section 6).
public enum TimeWave {
  /// f32 `[1, width]`: cosines, then sines, of `timestep · 10000^(-j / (width/2))`, computed in float64.
  public static func tensor(timestep: Int, width: Int) -> Tensor { tensor(timesteps: [timestep], width: width) }

  /// The same for several timesteps, f32 `[timesteps, width]`.
  public static func tensor(timesteps: [Int], width: Int) -> Tensor {
    let half = width / 2
    let frequencies = (0..<half).map { pow(10_000, -Double($0) / Double(half)) }
    let rows = timesteps.flatMap { timestep in
      let angles = frequencies.map { Double(timestep) * $0 }
      return angles.map { Float(cos($0)) } + angles.map { Float(sin($0)) }
    }
    return Tensor(rows, [timesteps.count, width])
  }
}
