import LumosGraph
import LumosOps
import LumosTensor

/// A buffer of a plan, by what it holds. Two different identities never share memory.
public enum BufferID: Sendable, Hashable {
  /// Part `segment` of the arena of intermediate values.
  case arena(Int)
  /// An input of the graph.
  case input(String)
  /// The streamed weights of a segment of nodes, while they are in their slot: see `WeightLoad`. Only loads write them.
  case segment(Int)
  /// A weight in a layout, all of it on the device.
  case weight(String, WeightLayout)
  /// A constant of the graph: index of its value.
  case constant(Int)
  /// A state of the session.
  case state(String)
  /// A state's contents at the start of the run, kept where the run replaces them.
  case snapshot(String)
  /// An operand of a single op.
  case operand(String)
}

/// Bytes of a buffer.
public struct BufferRange: Sendable, Hashable, CustomStringConvertible {
  /// Which buffer.
  public var buffer: BufferID
  /// Which bytes of it.
  public var bytes: Range<Int>

  /// Bytes `bytes` of `buffer`.
  public init(_ buffer: BufferID, _ bytes: Range<Int>) {
    self.buffer = buffer
    self.bytes = bytes
  }

  /// Bytes `part` of these.
  func part(_ part: Range<Int>) -> BufferRange {
    BufferRange(buffer, bytes.lowerBound + part.lowerBound..<bytes.lowerBound + part.upperBound)
  }

  /// Whether a byte is in both. Empty ranges overlap nothing.
  public func overlaps(_ other: BufferRange) -> Bool {
    buffer == other.buffer && bytes.overlaps(other.bytes)
  }

  public var description: String { "\(buffer) bytes \(bytes)" }
}

/// One command of a plan: a dispatch of a kernel, or a copy.
public struct PlannedDispatch: Sendable {
  /// What is done.
  public enum Work: Sendable {
    /// A kernel on operands; its op may have scratch memory besides.
    case kernel(Dispatch, inputs: [BufferRange], outputs: [BufferRange], scratch: BufferRange? = nil)
    /// A copy of bytes.
    case copy(from: BufferRange, to: BufferRange)
  }

  /// Where in the model it stands.
  public let label: String
  /// What is done.
  public let work: Work
  /// Bytes that it may read.
  public let reads: [BufferRange]
  /// Bytes that it may write (and read).
  public let writes: [BufferRange]
  /// Reads that may be of exactly the bytes of a write of the same command: each element is read before the one in its
  /// place is written.
  public let inPlaceReads: Set<BufferRange>
  /// Name of the op that it belongs to; `"copy"` for a copy.
  public let op: String
  /// Its share of its op's floating-point operations. The shares of an op's dispatches add up to the whole.
  public let flops: Int
  /// Its share of the bytes that an ideal implementation of its op moves.
  public let bytesMoved: Int
  /// Whether it goes on with the op of the command before it and may run at the same time: the slices of one long
  /// computation write different parts of its results and read nothing of each other's, although they declare the same
  /// ranges.
  public let continuesSlices: Bool

  /// A command with declared accesses.
  public init(
    label: String, work: Work, reads: [BufferRange], writes: [BufferRange], inPlaceReads: Set<BufferRange> = [],
    op: String = "copy", flops: Int = 0, bytesMoved: Int = 0, continuesSlices: Bool = false
  ) {
    self.label = label
    self.work = work
    self.reads = reads
    self.writes = writes
    self.inPlaceReads = inPlaceReads
    self.op = op
    self.flops = flops
    self.bytesMoved = bytesMoved
    self.continuesSlices = continuesSlices
  }

  /// A copy.
  static func copy(_ label: String, from: BufferRange, to: BufferRange) -> PlannedDispatch {
    PlannedDispatch(
      label: label, work: .copy(from: from, to: to), reads: [from], writes: [to],
      bytesMoved: from.bytes.count + to.bytes.count)
  }

  /// The kernel's name, or nil for a copy.
  public var kernel: String? { if case .kernel(let dispatch, _, _, _) = work { dispatch.kernel } else { nil } }
}

extension PlannedDispatch {
  /// What it reads of its op's scratch memory.
  var scratchReads: [BufferRange] {
    guard case .kernel(let dispatch, _, _, let scratch?) = work else { return [] }
    return dispatch.push.compactMap { word in
      guard case .scratchIn(let bytes) = word else { return nil }
      return scratch.part(bytes)
    }
  }
}

/// An operand of an op: its type, and where a plan puts it.
struct PlacedOperand {
  let type: TensorType
  let range: BufferRange
}

extension PlannedDispatch {
  /// Where single ops have their scratch memory.
  static let operandScratch = BufferID.operand("scratch")

  /// The dispatches of one op on placed operands, its scratch memory in `operandScratch`. Parameters and errors as for
  /// `lowered` and `placed`.
  static func lowering(
    _ op: any OpDescriptor, label: String, inputs: [PlacedOperand], outputs: [PlacedOperand], _ device: DeviceProfile,
    editing: ([Dispatch]) -> [Dispatch] = { $0 }
  ) throws -> [PlannedDispatch] {
    let types = LoweredTypes(inputs: inputs.map(\.type), outputs: outputs.map(\.type))
    let dispatches = try lowered(op, label: label, types, device, editing: editing)
    return try placed(
      dispatches, of: op, label: label, inputs: inputs, outputs: outputs,
      scratch: BufferRange(operandScratch, 0..<dispatches.scratchByteCount), device)
  }

  /// The dispatches of one op on operands of these types.
  ///
  /// An op all of whose results are empty has none; nor has a dispatch without workgroups.
  /// - Parameter editing: may change the lowered dispatches, to run deliberately broken ones.
  /// - Throws: `LumosError(.internalDefect)` for an op without lowering.
  static func lowered(
    _ op: any OpDescriptor, label: String, _ types: LoweredTypes, _ device: DeviceProfile,
    editing: ([Dispatch]) -> [Dispatch] = { $0 }
  ) throws -> [Dispatch] {
    if types.outputs.allSatisfy({ $0.shape.count == 0 }) { return [] }
    guard let lowering = op as? any VulkanLowering else {
      throw LumosError(.internalDefect, "the op \(op.name) has no Vulkan lowering", at: label)
    }
    return editing(try lowering.lower(types, device.tuned(for: lowering, types))).filter {
      $0.grid.x != 0 && $0.grid.y != 0 && $0.grid.z != 0
    }
  }

  /// Lowered dispatches of an op on placed operands, checked against what every device can do.
  ///
  /// A kernel may read an operand from the offset that it is given to the operand's end, and may read and write a result
  /// likewise; of scratch memory it reads and writes what its push constants say. The op's operations belong to the
  /// dispatches that do not merely bring together what lies in scratch memory.
  /// - Parameter scratch: at least as many bytes as the dispatches need.
  /// - Throws: `LumosError(.internalDefect)` for a dispatch that cannot be recorded.
  static func placed(
    _ dispatches: [Dispatch], of op: any OpDescriptor, label: String, inputs: [PlacedOperand],
    outputs: [PlacedOperand], scratch: BufferRange, _ device: DeviceProfile
  ) throws -> [PlannedDispatch] {
    let types = inputs.map(\.type)
    let (flops, bytesMoved) = (op.flops(types), op.bytesMoved(types))
    let inPlace = Set(op.inPlaceInputs(types))
    let works = dispatches.map { !$0.readsScratch }
    let workerCount = works.count { $0 }
    var workers = 0
    return try dispatches.enumerated().map { index, dispatch in
      func share(_ total: Int, _ place: Int, of count: Int) -> Int {
        total / count + (place < total % count ? 1 : 0)
      }
      if works[index] { workers += 1 }
      if let reason = dispatch.defect(inputs: inputs, outputs: outputs, scratch: scratch, device) {
        throw LumosError(.internalDefect, "the dispatch of \(dispatch.kernel) \(reason)", at: label)
      }
      var reads: [BufferRange] = []
      var writes: [BufferRange] = []
      var inPlaceReads = Set<BufferRange>()
      func used(_ range: BufferRange, from offset: Int) -> BufferRange {
        BufferRange(range.buffer, range.bytes.lowerBound + offset..<range.bytes.upperBound)
      }
      for word in dispatch.push {
        switch word {
        case .input(let index, let offset):
          let range = used(inputs[index].range, from: offset)
          reads.append(range)
          if inPlace.contains(index) { inPlaceReads.insert(range) }
        case .output(let index, let offset): writes.append(used(outputs[index].range, from: offset))
        case .scratchIn(let bytes): reads.append(scratch.part(bytes))
        case .scratchOut(let bytes): writes.append(scratch.part(bytes))
        case .constants, .null, .uint, .float: break
        }
      }
      return PlannedDispatch(
        label: label,
        work: .kernel(dispatch, inputs: inputs.map(\.range), outputs: outputs.map(\.range), scratch: scratch),
        reads: reads, writes: writes, inPlaceReads: inPlaceReads, op: op.name,
        flops: works[index] ? share(flops, workers - 1, of: workerCount) : 0,
        bytesMoved: share(bytesMoved, index, of: dispatches.count),
        continuesSlices: index > 0 && dispatch.overlapsPrevious)
    }
  }
}

extension [PlannedDispatch] {
  /// Bytes of scratch memory that the commands of one op need.
  var scratchByteCount: Int {
    map { command in
      if case .kernel(_, _, _, let scratch?) = command.work { scratch.bytes.count } else { 0 }
    }.max() ?? 0
  }
}

extension Dispatch {
  /// Bytes of the push constants.
  var pushByteCount: Int { push.reduce(0) { $0 + $1.byteCount } }

  /// What makes the dispatch impossible, or nil.
  fileprivate func defect(
    inputs: [PlacedOperand], outputs: [PlacedOperand], scratch: BufferRange, _ device: DeviceProfile
  ) -> String? {
    let limit = device.maxWorkgroupCount
    if let axis = [grid.x, grid.y, grid.z].first(where: { $0 < 0 || $0 > limit }) {
      return "wants \(axis) workgroups along an axis, the device has at most \(limit)"
    }
    if pushByteCount > Pipelines.pushConstantBytes {
      return "has \(pushByteCount) bytes of push constants, at most \(Pipelines.pushConstantBytes) are guaranteed"
    }
    var position = 0
    for word in push {
      if position % word.byteCount != 0 { return "has an address at byte \(position) of its push constants" }
      position += word.byteCount
      switch word {
      case .input(let index, let offset):
        guard inputs.indices.contains(index) else { return "names input \(index) of \(inputs.count)" }
        guard (0...inputs[index].type.byteCount).contains(offset) else {
          return "starts past the end of input \(index)"
        }
      case .output(let index, let offset):
        guard outputs.indices.contains(index) else { return "names output \(index) of \(outputs.count)" }
        guard (0...outputs[index].type.byteCount).contains(offset) else {
          return "starts past the end of output \(index)"
        }
      case .scratchIn(let bytes), .scratchOut(let bytes):
        guard bytes.lowerBound >= 0, bytes.upperBound <= scratch.bytes.count else {
          return "names bytes \(bytes) of \(scratch.bytes.count) of scratch memory"
        }
      case .constants:
        if constants.isEmpty { return "names constants and has none" }
      case .null, .uint, .float: break
      }
    }
    return nil
  }
}

extension PushWord {
  /// Bytes of the word, which are also its alignment.
  var byteCount: Int {
    switch self {
    case .input, .output, .scratchIn, .scratchOut, .constants, .null: 8
    case .uint, .float: 4
    }
  }
}
