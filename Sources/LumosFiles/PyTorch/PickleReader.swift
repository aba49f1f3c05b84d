import LumosTensor

/// Reads the pickles of checkpoints: an allow-list of instructions and names, and nothing behind it.
///
/// A pickle is a program for a machine with a stack, and Python's machine can call anything. This one has the instructions
/// that `torch.save` and `torch.distributed.checkpoint` write (protocols 2 to 5), calls nothing, and gives a handful of
/// names the meaning they have in checkpoints (`PickleGlobal`). Anything else is refused by its name.
///
/// Memory and time are linear in the length of the pickle: containers are never copied, and their number, the number of
/// values and the height of the stack have limits. Source: CPython's Lib/pickletools.py, which specifies every instruction.
struct PickleReader {
  /// Limits of a pickle.
  struct Limits {
    /// Bytes.
    var bytes: Int
    /// Values that its instructions make.
    var values: Int
    /// Values on the stack at a time; dictionaries are written in pieces of 2000.
    var stack = 100_000

    /// Of a file that `torch.save` wrote: some 40 values for each of 10 000 tensors.
    static let file = Limits(bytes: 16 << 20, values: 400_000)
    /// Of the description of a folder, which lists every piece of every tensor.
    static let folder = Limits(bytes: 128 << 20, values: 8_000_000)
  }

  private let bytes: UnsafeRawBufferPointer
  private let place: String
  private let limits: Limits
  private var at = 0
  /// Where the current instruction begins.
  private var start = 0
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [PickleValue?] = []
  private var made = 0
  private var pickle = Pickle()

  private init(_ bytes: UnsafeRawBufferPointer, at place: String, limits: Limits) {
    (self.bytes, self.place, self.limits) = (bytes, place, limits)
  }

  /// Reads a whole pickle.
  ///
  /// - Parameter place: what the bytes are, for errors.
  /// - Throws: `LumosError(.badInput)` with the byte and the reason.
  static func read(
    _ bytes: UnsafeRawBufferPointer, at place: String, limits: Limits = .file
  ) throws(LumosError) -> Pickle {
    guard bytes.count <= limits.bytes else {
      throw LumosError(
        .badInput, "pickle of \(bytes.count) bytes is longer than a checkpoint's (\(limits.bytes))", at: place)
    }
    var reader = PickleReader(bytes, at: place, limits: limits)
    return try reader.run()
  }

  private func refusal(_ what: String, advice: String = "fetch or save the file again") -> LumosError {
    LumosError(.badInput, what, at: "\(place) byte \(start)", advice: advice)
  }

  // MARK: Bytes

  private mutating func take(_ count: Int) throws(LumosError) -> Range<Int> {
    guard count >= 0, count <= bytes.count - at else { throw refusal("pickle ends within an instruction") }
    defer { at += count }
    return at..<at + count
  }

  private mutating func number<T: FixedWidthInteger>(_: T.Type) throws(LumosError) -> T {
    let range = try take(MemoryLayout<T>.size)
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self))
  }

  private mutating func length<T: FixedWidthInteger>(_: T.Type) throws(LumosError) -> Int {
    guard let length = Int(exactly: try number(T.self)) else { throw refusal("pickle ends within an instruction") }
    return length
  }

  private mutating func text(_ count: Int) throws(LumosError) -> PickleValue {
    let range = try take(count)
    guard let text = String(validating: bytes[range], as: UTF8.self) else { throw refusal("text is not UTF-8") }
    return .string(text)
  }

  /// A name up to the end of the line.
  private mutating func line() throws(LumosError) -> String {
    let rest = bytes[at..<min(bytes.count, at + 256)]
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { throw refusal("name has no end") }
    defer { at = end + 1 }
    guard let name = String(validating: bytes[at..<end], as: UTF8.self) else { throw refusal("name is not UTF-8") }
    return name
  }

  /// An integer in `count` bytes, least significant first, in two's complement.
  private mutating func long(_ count: Int) throws(LumosError) -> PickleValue {
    guard (0...8).contains(count) else { throw refusal("integer of \(count) bytes is larger than any size") }
    let range = try take(count)
    var value: UInt64 = 0
    for (i, byte) in bytes[range].enumerated() { value |= UInt64(byte) << (8 * i) }
    if count > 0, count < 8, bytes[range.upperBound - 1] & 0x80 != 0 { value |= UInt64.max << (8 * count) }
    return .integer(Int(truncatingIfNeeded: value))
  }

  // MARK: Stack

  /// Checkpoints spend eight bytes or more on a container; one costs a hundred bytes here.
  private var mostNodes: Int { 10_000 + bytes.count / 5 }

  private mutating func push(_ value: PickleValue) throws(LumosError) {
    made += 1
    guard made <= limits.values else { throw refusal("pickle has more than \(limits.values) values") }
    guard stack.count < limits.stack else { throw refusal("pickle piles up more than \(limits.stack) values") }
    stack.append(value)
  }

  private mutating func push(_ node: PickleNode) throws(LumosError) {
    guard pickle.nodes.count < mostNodes else {
      throw refusal("pickle has more than \(mostNodes) containers, and \(bytes.count) bytes are too few for as many")
    }
    try push(.node(pickle.nodes.count))
    pickle.nodes.append(node)
  }

  private mutating func pop() throws(LumosError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else {
      throw refusal("pickle takes a value that is not there")
    }
    return value
  }

  private func top() throws(LumosError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.last else {
      throw refusal("pickle uses a value that is not there")
    }
    return value
  }

  /// Takes all above the last mark.
  private mutating func popMark() throws(LumosError) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw refusal("pickle takes a mark that is not there") }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  private mutating func put(_ index: Int) throws(LumosError) {
    // Writers number what they remember, so no number exceeds the values before it.
    guard index >= 0, index <= made else { throw refusal("memo \(index) is out of order") }
    let value = try top()
    if index >= memo.count { memo.append(contentsOf: repeatElement(nil, count: index - memo.count + 1)) }
    memo[index] = value
  }

  private mutating func get(_ index: Int) throws(LumosError) {
    guard index < memo.count, let value = memo[index] else { throw refusal("memo \(index) is not there") }
    try push(value)
  }

  // MARK: Instructions

  private mutating func run() throws(LumosError) -> Pickle {
    guard bytes.count >= 2, bytes[0] == 0x80, (2...5).contains(bytes[1]) else {
      throw refusal("is no pickle of protocol 2 to 5", advice: "save the file again with torch.save")
    }
    at = 2
    while true {
      start = at
      let instruction = try number(UInt8.self)
      if instruction == UInt8(ascii: ".") { break }
      if try !value(instruction), try !container(instruction), try !object(instruction) {
        throw Self.refused[instruction].map { refusal("has the instruction \($0), which no checkpoint needs") }
          ?? refusal("has the unknown instruction 0x\(String(instruction, radix: 16))")
      }
    }
    pickle.root = try pop()
    guard stack.isEmpty, marks.isEmpty else { throw refusal("pickle ends with \(stack.count) values left over") }
    return pickle
  }

  /// Instructions that push one value without a container.
  private mutating func value(_ instruction: UInt8) throws(LumosError) -> Bool {
    switch instruction {
    case UInt8(ascii: "N"): try push(.none)
    case 0x88: try push(.bool(true))
    case 0x89: try push(.bool(false))
    case UInt8(ascii: "J"): try push(.integer(Int(try number(Int32.self))))
    case UInt8(ascii: "K"): try push(.integer(Int(try number(UInt8.self))))
    case UInt8(ascii: "M"): try push(.integer(Int(try number(UInt16.self))))
    case 0x8a: try push(try long(Int(try number(UInt8.self))))
    case 0x8b: try push(try long(Int(try number(Int32.self))))
    case UInt8(ascii: "G"): try push(.number(Double(bitPattern: try number(UInt64.self).byteSwapped)))
    case 0x8c, UInt8(ascii: "U"): try push(try text(try length(UInt8.self)))
    case UInt8(ascii: "X"), UInt8(ascii: "T"): try push(try text(try length(UInt32.self)))
    case 0x8d: try push(try text(try length(UInt64.self)))
    case UInt8(ascii: "C"): try push(.bytes(try take(try length(UInt8.self)).count))
    case UInt8(ascii: "B"): try push(.bytes(try take(try length(UInt32.self)).count))
    case 0x8e, 0x96: try push(.bytes(try take(try length(UInt64.self)).count))
    case UInt8(ascii: "q"): try put(Int(try number(UInt8.self)))
    case UInt8(ascii: "r"): try put(Int(try number(UInt32.self)))
    case 0x94: try put(memo.count)
    case UInt8(ascii: "h"): try get(Int(try number(UInt8.self)))
    case UInt8(ascii: "j"): try get(Int(try number(UInt32.self)))
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popMark()
    case UInt8(ascii: "2"): try push(try top())
    // A frame says how much to read ahead.
    case 0x95:
      guard let count = Int(exactly: try number(UInt64.self)), count <= bytes.count - at else {
        throw refusal("frame leaves the pickle")
      }
    case 0x80:
      guard (2...5).contains(try number(UInt8.self)) else { throw refusal("is no pickle of protocol 2 to 5") }
    default: return false
    }
    return true
  }

  /// Instructions that make and fill containers.
  private mutating func container(_ instruction: UInt8) throws(LumosError) -> Bool {
    switch instruction {
    case UInt8(ascii: "("):
      guard marks.count < limits.stack else { throw refusal("pickle piles up more than \(limits.stack) marks") }
      marks.append(stack.count)
    case UInt8(ascii: ")"): try push(.tuple([]))
    case 0x85: try tuple(1)
    case 0x86: try tuple(2)
    case 0x87: try tuple(3)
    case UInt8(ascii: "t"): try push(.tuple(try popMark()))
    case UInt8(ascii: "]"), 0x8f: try push(.list([]))
    case 0x91: try push(.list(try popMark()))
    case UInt8(ascii: "a"): try append([try pop()])
    case UInt8(ascii: "e"), 0x90: try append(try popMark())
    case UInt8(ascii: "}"): try push(.dictionary([]))
    case UInt8(ascii: "s"):
      let value = try pop()
      try insert([try pop(), value])
    case UInt8(ascii: "u"): try insert(try popMark())
    default: return false
    }
    return true
  }

  private mutating func tuple(_ count: Int) throws(LumosError) {
    guard stack.count - count >= marks.last ?? 0 else { throw refusal("pickle takes a value that is not there") }
    let elements = Array(stack.suffix(count))
    stack.removeLast(count)
    try push(.tuple(elements))
  }

  private mutating func append(_ elements: [PickleValue]) throws(LumosError) {
    guard case .node(let index) = try top(), case .list(var list) = pickle.nodes[index] else {
      throw refusal("pickle appends to something else than a list")
    }
    // The node lets go of its elements, so that they are not copied.
    pickle.nodes[index] = .list([])
    list += elements
    pickle.nodes[index] = .list(list)
  }

  private mutating func insert(_ pairs: [PickleValue]) throws(LumosError) {
    guard case .node(let index) = try top(), case .dictionary(var dictionary) = pickle.nodes[index] else {
      throw refusal("pickle sets items of something else than a dictionary")
    }
    guard pairs.count % 2 == 0 else { throw refusal("pickle sets a key without a value") }
    pickle.nodes[index] = .dictionary([])
    dictionary += pairs
    pickle.nodes[index] = .dictionary(dictionary)
  }

  // MARK: Objects

  /// Instructions that name and make objects.
  private mutating func object(_ instruction: UInt8) throws(LumosError) -> Bool {
    switch instruction {
    case UInt8(ascii: "c"):
      let module = try line()
      try push(.global(try global(module, try line())))
    case 0x93:
      guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
        throw refusal("pickle names an object by something else than text")
      }
      try push(.global(try global(module, name)))
    case UInt8(ascii: "R"):
      let arguments = try pop()
      try reduce(try pop(), arguments)
    case 0x81:
      let arguments = try pop()
      guard case .global(let type) = try pop() else {
        throw refusal("pickle makes an instance of something else than a class")
      }
      guard case .description = type, pickle.elements(arguments)?.isEmpty == true else {
        throw refusal("pickle makes an instance of \(type), which no checkpoint needs")
      }
      try push(.object(type, state: .none))
    case UInt8(ascii: "b"):
      let state = try pop()
      guard case .node(let index) = try top() else { throw refusal("pickle gives a state to something without one") }
      switch pickle.nodes[index] {
      case .object(let type, .none): pickle.nodes[index] = .object(type, state: state)
      // Modules note their versions beside their tensors.
      case .dictionary: break
      default: throw refusal("pickle gives a state to something without one")
      }
    case UInt8(ascii: "Q"): try push(.storage(try storage(try pop())))
    default: return false
    }
    return true
  }

  private func global(_ module: String, _ name: String) throws(LumosError) -> PickleGlobal {
    guard let global = PickleGlobal(module: module, name: name) else {
      throw refusal(
        "calls \(module.prefix(80)).\(name.prefix(80)), which no checkpoint needs",
        advice: "do not open it with other programs if you do not trust it; "
          + "otherwise load it in PyTorch and save its state_dict alone")
    }
    return global
  }

  /// The effect of calling an allowed name.
  private mutating func reduce(_ function: PickleValue, _ arguments: PickleValue) throws(LumosError) {
    guard case .global(let name) = function, case .node(let index) = arguments,
      case .tuple(let arguments) = pickle.nodes[index]
    else { throw refusal("pickle calls something that is no function") }
    switch name {
    case .orderedDictionary where arguments.isEmpty: try push(.dictionary([]))
    case .size where arguments.count == 1: try push(arguments[0])
    case .device, .unused: try push(.none)
    case .rebuildTensor where arguments.count >= 6: try push(.tensor(try tensor(arguments, element: nil)))
    case .rebuildTensorWithType where arguments.count >= 7:
      guard case .global(let element) = arguments[6], case .element = element else {
        throw refusal("tensor has no type")
      }
      try push(.tensor(try tensor(arguments, element: element)))
    case .rebuildParameter where arguments.count == 3, .rebuildParameterWithState where arguments.count == 4:
      guard pickle.tensor(arguments[0]) != nil else {
        throw refusal("parameter is made of something else than a tensor")
      }
      try push(arguments[0])
    case .rebuildFromType where arguments.count == 4:
      guard arguments[1] == .global(.tensorClass), case .global(let inner) = arguments[0],
        [.rebuildTensor, .rebuildTensorWithType, .rebuildParameter].contains(inner)
      else { throw refusal("tensor is of an unknown class") }
      // Once: the inner name is none that leads here again.
      try reduce(arguments[0], arguments[2])
    default: throw refusal("pickle calls \(name) with \(arguments.count) arguments")
    }
  }

  private func tensor(_ arguments: [PickleValue], element: PickleGlobal?) throws(LumosError) -> PickleTensor {
    guard case .node(let index) = arguments[0], case .storage(let storage) = pickle.nodes[index] else {
      throw refusal("tensor has no storage")
    }
    guard case .integer(let offset) = arguments[1], let sizes = pickle.integers(arguments[2]),
      let strides = pickle.integers(arguments[3]), sizes.count == strides.count
    else { throw refusal("tensor has no offset, sizes and strides of at most \(Pickle.highestRank) axes") }
    return PickleTensor(storage: storage, element: element, offset: offset, sizes: sizes, strides: strides)
  }

  private func storage(_ id: PickleValue) throws(LumosError) -> PickleStorage {
    guard let parts = pickle.elements(id), parts.count >= 5, parts[0] == .string("storage"),
      case .global(let element) = parts[1], case .string(let key) = parts[2], case .integer(let count) = parts[4]
    else { throw refusal("storage is not described by its type, key and size") }
    switch element {
    case .element, .bytes: return PickleStorage(element: element, key: key, count: count)
    default: throw refusal("storage is of an unknown type")
    }
  }

  /// Instructions that exist and have no place in a checkpoint.
  private static let refused: [UInt8: String] = [
    UInt8(ascii: "i"): "INST", UInt8(ascii: "o"): "OBJ", UInt8(ascii: "P"): "PERSID", UInt8(ascii: "F"): "FLOAT",
    UInt8(ascii: "I"): "INT", UInt8(ascii: "L"): "LONG", UInt8(ascii: "S"): "STRING", UInt8(ascii: "V"): "UNICODE",
    UInt8(ascii: "d"): "DICT", UInt8(ascii: "g"): "GET", UInt8(ascii: "l"): "LIST", UInt8(ascii: "p"): "PUT",
    0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x92: "NEWOBJ_EX", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
  ]
}
