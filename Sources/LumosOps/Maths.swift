import Glibc

/// The C library's functions under one name for both precisions.
public enum Maths {
  /// Natural logarithm.
  public static func log(_ x: Float) -> Float { logf(x) }
  /// Natural logarithm.
  public static func log(_ x: Double) -> Double { Glibc.log(x) }
}
