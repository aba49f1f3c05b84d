import LumosOps
import LumosTensor

/// Result of one op on a device.
public struct OpRun: Sendable {
  /// The results.
  public let outputs: [Tensor]
  /// Bytes outside the results that the kernels changed, in words; empty if all is well.
  public let guardViolations: [String]
  /// Kernels that ran, in order.
  public let kernels: [String]
  /// Seconds on the device; nil if it has no timestamps.
  public let gpuSeconds: Double?
}

/// Runs single ops on a device, with every operand between guards: for parity tests, mutants and benchmarks.
public struct OpRunner: Sendable {
  private let device: VulkanDevice
  /// SPIR-V that replaces kernels of the pack, by name.
  public var kernelOverrides: [String: [UInt32]] = [:]
  /// Variants to run instead of those that the rules choose, by op; ignored where they cannot run.
  public var forcedVariants: [String: String] = [:]
  /// Choices in place of the device's, by `VulkanLowering.tuningKey`.
  public var tuning = TuningTable()
  /// The one operand, inputs before outputs, that a misaligned run puts off its alignment; nil for all of them.
  public var misalignedOperand: Int?
  /// Changes the lowered dispatches.
  public var editing: @Sendable ([Dispatch]) -> [Dispatch] = { $0 }

  /// A runner on `device`.
  public init(_ device: VulkanDevice) { self.device = device }

  /// Runs `op` once.
  /// - Parameters:
  ///   - inputs: its inputs, of the types that its shape rule takes.
  ///   - misaligned: whether every operand begins one element past an aligned address (4 bytes for f32, 2 for halves).
  /// - Throws: `OpError` if the inputs do not fit the op; `LumosError` if it cannot be run.
  public func run(_ op: any OpDescriptor, _ inputs: [Tensor], misaligned: Bool = false) throws -> OpRun {
    let prepared = try prepare(op, inputs, misaligned: misaligned)
    let seconds = try prepared.run()
    return OpRun(
      outputs: try prepared.outputs(), guardViolations: try prepared.guardViolations(), kernels: prepared.kernels,
      gpuSeconds: seconds)
  }

  /// Uploads and records `op`, to be run any number of times.
  public func prepare(_ op: any OpDescriptor, _ inputs: [Tensor], misaligned: Bool = false) throws -> PreparedOp {
    var profile = device.profile
    profile.forcedVariants.merge(forcedVariants) { _, new in new }
    if !tuning.entries.isEmpty { profile.tuning = tuning }
    return try PreparedOp(
      device, profile, op, inputs, misaligned: { misaligned && (misalignedOperand ?? $0) == $0 },
      overrides: kernelOverrides, editing: editing)
  }
}

/// An op with its operands on a device, recorded. Used from one task at a time.
public final class PreparedOp {
  /// An operand between two guards.
  private struct Operand {
    static let guardBytes = 256

    let name: String
    let type: TensorType
    let allocation: Allocation
    /// Bytes before the operand's first.
    let offset: Int

    init(_ name: String, _ type: TensorType, misaligned: Bool, _ pool: MemoryPool) throws {
      self.name = name
      self.type = type
      offset = Self.guardBytes + (misaligned ? type.dtype.alignment : 0)
      allocation = try pool.allocate(offset + type.byteCount + Self.guardBytes, name)
    }

    var planned: PlacedOperand {
      PlacedOperand(type: type, range: BufferRange(.operand(name), offset..<offset + type.byteCount))
    }
    /// The operand's own bytes.
    var contents: DeviceRange { allocation.range(offset..<offset + type.byteCount) }

    /// Writes guards and contents: those of a tensor, or NaN.
    func fill(_ tensor: Tensor?, _ transfers: Transfers) throws {
      let bytes = (0..<allocation.byteCount).map { RedZones.guardByte($0, seed: allocation.seed) }
      try bytes.withUnsafeBytes { try transfers.upload($0, to: allocation.all) }
      // The guard behind begins anew, so that its pattern does not depend on the operand's length.
      try bytes.prefix(Self.guardBytes).withUnsafeBytes { try transfers.upload($0, to: behind) }
      if let tensor {
        try transfers.upload(tensor, to: contents)
      } else if type.byteCount > 0 {
        try transfers.fill(contents, with: RedZones.poisonPattern)
      }
    }

    private var behind: DeviceRange {
      allocation.range(offset + type.byteCount..<allocation.byteCount)
    }

    /// Changes of the guards, and of the contents if they are to be `tensor`.
    func violations(_ tensor: Tensor?, _ transfers: Transfers) throws -> [String] {
      var bytes = [UInt8](repeating: 0, count: allocation.byteCount)
      try bytes.withUnsafeMutableBytes { try transfers.download(allocation.all, into: $0) }
      var found: [String] = []
      let front = Array(bytes[..<offset])
      let back = Array(bytes[(offset + type.byteCount)...])
      if let index = RedZones.firstChange(front, seed: allocation.seed, fromEnd: true) {
        found.append("\(name): byte \(offset - index) before its start was written")
      }
      if let index = RedZones.firstChange(back, seed: allocation.seed) {
        found.append("\(name): byte \(index) past its end was written")
      }
      let changed = tensor?.withUnsafeBytes { original in
        original.indices.first { original[$0] != bytes[offset + $0] }
      }
      if let byte = changed ?? nil { found.append("\(name): its byte \(byte) was overwritten") }
      return found
    }
  }

  private let device: VulkanDevice
  private let pool: MemoryPool
  private let pipelines: Pipelines
  private let recording: Recording
  private let inputTensors: [Tensor]
  private let inputs: [Operand]
  private let results: [Operand]
  private let scratch: Operand
  /// Kernels that a run dispatches, in order.
  public let kernels: [String]

  fileprivate init(
    _ device: VulkanDevice, _ profile: DeviceProfile, _ op: any OpDescriptor, _ tensors: [Tensor],
    misaligned: (_ operand: Int) -> Bool, overrides: [String: [UInt32]], editing: ([Dispatch]) -> [Dispatch]
  ) throws {
    let pool = MemoryPool(device, checked: false)
    let types = try op.outputTypes(tensors.map(\.type))
    let inputs = try tensors.enumerated().map {
      try Operand("input \($0)", $1.type, misaligned: misaligned($0), pool)
    }
    let results = try types.enumerated().map {
      try Operand("output \($0)", $1, misaligned: misaligned(inputs.count + $0), pool)
    }
    let dispatches = try PlannedDispatch.lowered(
      op, label: op.name, LoweredTypes(inputs: tensors.map(\.type), outputs: types), profile, editing: editing)
    let words = ceilingDivide(dispatches.scratchByteCount, 4)
    let scratch = try Operand("scratch", TensorType([words], .f32), misaligned: false, pool)
    let plan = try PlannedDispatch.placed(
      dispatches, of: op, label: op.name, inputs: inputs.map(\.planned), outputs: results.map(\.planned),
      scratch: scratch.planned.range, profile)
    for (operand, tensor) in zip(inputs, tensors) { try operand.fill(tensor, device.transfers) }

    let places = Dictionary(
      (inputs + results + [scratch]).map { (BufferID.operand($0.name), $0.allocation) },
      uniquingKeysWith: { first, _ in first })
    pipelines =
      overrides.isEmpty
      ? device.pipelines
      : try Pipelines(device.context, device.pipelineCache) { overrides[$0] ?? VulkanDevice.kernel($0) }
    recording = try Recording(
      device, pipelines, SmallOperands(plan, device, pool), plan, barriers: Hazards.barriers(for: plan),
      submissions: plan.isEmpty ? [] : [plan.indices], timesCommands: false
    ) { range in
      guard let allocation = places[range.buffer] else {
        throw LumosError(.internalDefect, "no operand \(range.buffer)", at: op.name)
      }
      return allocation.range(range.bytes)
    }
    self.device = device
    self.pool = pool
    self.inputs = inputs
    self.results = results
    self.scratch = scratch
    inputTensors = tensors
    kernels = plan.compactMap(\.kernel)
  }

  /// Fills the results and scratch memory with NaN and runs the op.
  /// - Returns: seconds on the device; nil if it has no timestamps.
  @discardableResult
  public func run() throws -> Double? {
    for operand in results + [scratch] { try operand.fill(nil, device.transfers) }
    return try recording.run().seconds
  }

  /// The results of the last run.
  public func outputs() throws -> [Tensor] {
    try results.map { operand in
      if operand.type.byteCount == 0 { return try Tensor(operand.type.shape, operand.type.dtype) }
      return try device.transfers.download(operand.contents, as: operand.type)
    }
  }

  /// What the runs changed outside the results and scratch memory.
  public func guardViolations() throws -> [String] {
    try zip(inputs, inputTensors).flatMap { try $0.violations($1, device.transfers) }
      + (results + [scratch]).flatMap { try $0.violations(nil, device.transfers) }
  }
}
