import Glibc
import LumosTensor

/// The timestep as the network sees it (MODEL.md section 6).
public enum TimeWave {
  /// f32 `[1, width]`: cosines, then sines, of `timestep · 10000^(-j / (width/2))`, computed in float64.
  public static func tensor(timestep: Int, width: Int) -> Tensor {
    let half = width / 2
    let angles = (0..<half).map { Double(timestep) * pow(10_000, -Double($0) / Double(half)) }
    return Tensor(angles.map { Float(cos($0)) } + angles.map { Float(sin($0)) }, [1, width])
  }
}
