/// How fast a device is, as far as plans need to know: they cut work by it and predict how long it takes.
///
/// A dispatch takes as long as the slower of its arithmetic and its memory traffic (the roofline model), and then the
/// time that it takes to launch it.
public struct DeviceRates: Sendable, Hashable {
  /// Floating-point operations per second that this engine's products and attention reach; not the data sheet's peak.
  public var flopsPerSecond: Double
  /// Bytes per second that this engine's elementwise kernels move.
  public var bytesPerSecond: Double
  /// Seconds that a dispatch takes however little it does, its barrier included.
  public var secondsPerDispatch: Double

  /// - Precondition: both rates are positive.
  public init(flopsPerSecond: Double, bytesPerSecond: Double, secondsPerDispatch: Double) {
    precondition(flopsPerSecond > 0 && bytesPerSecond > 0 && secondsPerDispatch >= 0, "rates that are not positive")
    self.flopsPerSecond = flopsPerSecond
    self.bytesPerSecond = bytesPerSecond
    self.secondsPerDispatch = secondsPerDispatch
  }

  /// Rates that nearly every device of this kind exceeds, for cutting the work of one that nobody has measured: an old
  /// integrated GPU, or two processor cores that run shaders.
  public static func cautious(for device: DeviceProfile) -> DeviceRates {
    device.isProcessor
      ? DeviceRates(flopsPerSecond: 4e9, bytesPerSecond: 4e9, secondsPerDispatch: 30e-6)
      : DeviceRates(flopsPerSecond: 0.4e12, bytesPerSecond: 20e9, secondsPerDispatch: 10e-6)
  }

  /// Predicted seconds of a dispatch or copy.
  public func seconds(flops: Int, bytesMoved: Int) -> Double {
    secondsPerDispatch + max(Double(flops) / flopsPerSecond, Double(bytesMoved) / bytesPerSecond)
  }

  /// Predicted seconds of a command.
  public func seconds(of command: PlannedDispatch) -> Double {
    seconds(flops: command.flops, bytesMoved: command.bytesMoved)
  }

  /// What a command did, and how long that took.
  public struct Measurement: Sendable, Hashable {
    /// Floating-point operations.
    public var flops: Int
    /// Bytes read and written.
    public var bytesMoved: Int
    /// Seconds by the device's clock.
    public var seconds: Double

    public init(flops: Int, bytesMoved: Int, seconds: Double) {
      self.flops = flops
      self.bytesMoved = bytesMoved
      self.seconds = seconds
    }
  }

  /// The rates that explain what was measured: arithmetic from the commands that these rates take to be bound by it,
  /// bandwidth from the others. A rate that no command tells anything about stays; none changes by more than a
  /// thousandfold, so that a broken clock cannot make a plan absurd.
  ///
  /// Commands too short for the clock, of which launching is most, say nothing.
  public func corrected(by measurements: [Measurement]) -> DeviceRates {
    var arithmetic = (amount: 0.0, seconds: 0.0)
    var traffic = (amount: 0.0, seconds: 0.0)
    for one in measurements {
      let busy = one.seconds - secondsPerDispatch
      guard busy.isFinite, busy > secondsPerDispatch, one.flops > 0 || one.bytesMoved > 0 else { continue }
      if Double(one.flops) / flopsPerSecond >= Double(one.bytesMoved) / bytesPerSecond {
        arithmetic = (arithmetic.amount + Double(one.flops), arithmetic.seconds + busy)
      } else {
        traffic = (traffic.amount + Double(one.bytesMoved), traffic.seconds + busy)
      }
    }
    func rate(_ sum: (amount: Double, seconds: Double), _ old: Double) -> Double {
      sum.seconds > 0 ? min(max(sum.amount / sum.seconds, old / 1000), old * 1000) : old
    }
    return DeviceRates(
      flopsPerSecond: rate(arithmetic, flopsPerSecond), bytesPerSecond: rate(traffic, bytesPerSecond),
      secondsPerDispatch: secondsPerDispatch)
  }
}
