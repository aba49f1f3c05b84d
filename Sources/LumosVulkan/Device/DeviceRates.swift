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

  /// What a piece of a run did, and how long that took: one command, or all commands of a submission.
  public struct Measurement: Sendable, Hashable {
    /// Arithmetic and traffic of one command.
    public struct Work: Sendable, Hashable {
      /// Floating-point operations.
      public var flops: Int
      /// Bytes read and written.
      public var bytesMoved: Int

      public init(flops: Int, bytesMoved: Int) {
        self.flops = flops
        self.bytesMoved = bytesMoved
      }
    }

    /// The commands.
    public var work: [Work]
    /// Seconds by the device's clock from the first command's start to the last one's end.
    public var seconds: Double

    public init(_ work: [Work], seconds: Double) {
      self.work = work
      self.seconds = seconds
    }
  }

  /// The rates that explain best, by least squares, what was measured.
  ///
  /// Which commands are bound by arithmetic and which by traffic follows from the rates themselves, so that question and
  /// answer take turns a few times. A rate that no command tells anything about stays; none changes by more than a
  /// thousandfold, so that a broken clock cannot make a plan absurd. Pieces too short for the clock, of which launching is
  /// most, say nothing.
  public func corrected(by measurements: [Measurement]) -> DeviceRates {
    var rates = self
    for _ in 0..<4 {
      let next = self.fitted(to: measurements, boundAsWith: rates)
      if next == rates { break }
      rates = next
    }
    return rates
  }

  /// One turn: the least-squares solution of `operations / rate + bytes / rate = busy seconds`, one row per piece, each
  /// row in proportion to its own time so that long and short pieces count alike.
  private func fitted(to measurements: [Measurement], boundAsWith rates: DeviceRates) -> DeviceRates {
    var (aa, ab, bb, ay, by) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for one in measurements {
      let launches = secondsPerDispatch * Double(one.work.count)
      let busy = one.seconds - launches
      guard busy.isFinite, busy > launches else { continue }
      // In units of today's rates, which keeps the equations well scaled.
      var (arithmetic, traffic) = (0.0, 0.0)
      for work in one.work {
        let (operations, bytes) = (Double(work.flops), Double(work.bytesMoved))
        if operations / rates.flopsPerSecond >= bytes / rates.bytesPerSecond {
          arithmetic += operations / flopsPerSecond / busy
        } else {
          traffic += bytes / bytesPerSecond / busy
        }
      }
      aa += arithmetic * arithmetic
      ab += arithmetic * traffic
      bb += traffic * traffic
      ay += arithmetic
      by += traffic
    }
    // Slowness of either kind relative to these rates; negative ones mean that the other explains everything.
    var (slowArithmetic, slowTraffic) = (aa > 0 ? ay / aa : 1, bb > 0 ? by / bb : 1)
    let determinant = aa * bb - ab * ab
    if aa > 0, bb > 0 {
      if determinant > 1e-12 * aa * bb {
        slowArithmetic = (ay * bb - by * ab) / determinant
        slowTraffic = (by * aa - ay * ab) / determinant
      }
      if slowArithmetic <= 0 { (slowArithmetic, slowTraffic) = (1, by / bb) }
      if slowTraffic <= 0 { (slowArithmetic, slowTraffic) = (ay / aa, 1) }
    }
    func rate(_ old: Double, _ slowness: Double) -> Double { min(max(old / slowness, old / 1000), old * 1000) }
    return DeviceRates(
      flopsPerSecond: rate(flopsPerSecond, slowArithmetic), bytesPerSecond: rate(bytesPerSecond, slowTraffic),
      secondsPerDispatch: secondsPerDispatch)
  }
}
