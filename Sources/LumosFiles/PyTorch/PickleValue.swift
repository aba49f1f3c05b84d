import LumosTensor

/// A value of a pickle. Containers are nodes of the pickle that are named by number, so that values which contain each
/// other, or are nested a million times, are as harmless as any others: nothing here is recursive.
enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  /// Bytes, which checkpoints have no use for; only their number is kept.
  case bytes(Int)
  case global(PickleGlobal)
  /// A container or object: an index into `Pickle.nodes`.
  case node(Int)
}

/// What holds other values. The rare kinds lie elsewhere, so that a million of the common ones take little.
enum PickleNode: Sendable {
  case tuple([PickleValue])
  /// A list or a set.
  case list([PickleValue])
  /// Keys and values alternate, in the order of writing.
  case dictionary([PickleValue])
  /// Bytes of a file that tensors lie in.
  indirect case storage(PickleStorage)
  indirect case tensor(PickleTensor)
  /// An instance of an allowed class: its class, and what it was given as its state.
  indirect case object(PickleGlobal, state: PickleValue)
}

/// A persistent id: a piece of memory that was written beside the pickle.
struct PickleStorage: Sendable, Equatable {
  /// Type of the elements; nil for raw bytes.
  let element: PickleGlobal
  /// Name of the entry under `data/`.
  let key: String
  /// Elements, or bytes where the storage has no type.
  let count: Int
}

/// A view of a storage. All numbers are elements, as the pickle says them, unchecked.
struct PickleTensor: Sendable, Equatable {
  let storage: PickleStorage
  /// Type, where it is not the storage's.
  let element: PickleGlobal?
  let offset: Int
  let sizes: [Int]
  let strides: [Int]
}

/// The names that a pickle of a checkpoint may use. None of them is ever imported or called: they are words of a format,
/// and each has the meaning that the reader gives it.
enum PickleGlobal: Sendable, Hashable {
  case orderedDictionary, size, device
  case rebuildTensor, rebuildTensorWithType, rebuildParameter, rebuildParameterWithState, rebuildFromType
  /// `torch.Tensor`, `torch.nn.parameter.Parameter`.
  case tensorClass
  /// A storage class or a dtype, with the format's name: `"float32"`.
  case element(DType?, name: String)
  /// A storage class without a type.
  case bytes
  /// A class of torch.distributed.checkpoint's description of a folder.
  case description(Description)
  /// A name whose values say nothing about tensors: memory formats, layouts, paths.
  case unused

  /// Classes of torch.distributed.checkpoint.
  enum Description: String, Sendable, Hashable {
    case metadata = "Metadata"
    case tensor = "TensorStorageMetadata"
    case bytes = "BytesStorageMetadata"
    case chunk = "ChunkStorageMetadata"
    case properties = "TensorProperties"
    case index = "MetadataIndex"
    case storage = "StorageMeta"
    case place = "_StorageInfo"
    case prefix = "_StoragePrefix"
  }

  /// The meaning of a name; nil if no checkpoint needs it.
  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch", "Size"): self = .size
    case ("torch", "device"): self = .device
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTensorWithType
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch._utils", "_rebuild_parameter_with_state"): self = .rebuildParameterWithState
    case ("torch._tensor", "_rebuild_from_type_v2"): self = .rebuildFromType
    case ("torch", "Tensor"), ("torch.nn.parameter", "Parameter"): self = .tensorClass
    case ("torch", "UntypedStorage"), ("torch.storage", "UntypedStorage"): self = .bytes
    case ("torch", let name):
      if let type = Self.storages[name] ?? Self.types[name] {
        self = type
      } else {
        return nil
      }
    case ("torch.distributed.checkpoint.metadata", "_MEM_FORMAT_ENCODING"), ("torch.serialization", "_get_layout"),
      // A folder says where it was written. The path is read as a list of words and goes nowhere.
      ("pathlib", "PosixPath"), ("pathlib", "WindowsPath"), ("pathlib._local", "PosixPath"),
      ("pathlib._local", "WindowsPath"):
      self = .unused
    case ("torch.distributed.checkpoint.metadata", let name), ("torch.distributed.checkpoint.filesystem", let name):
      guard let description = Description(rawValue: name) else { return nil }
      self = .description(description)
    default: return nil
    }
  }

  private static let storages: [String: PickleGlobal] = [
    "FloatStorage": .element(.f32, name: "float32"), "DoubleStorage": .element(.f64, name: "float64"),
    "HalfStorage": .element(.f16, name: "float16"), "BFloat16Storage": .element(.bf16, name: "bfloat16"),
    "LongStorage": .element(.i64, name: "int64"), "IntStorage": .element(.i32, name: "int32"),
    "ByteStorage": .element(.u8, name: "uint8"), "BoolStorage": .element(.u8, name: "bool"),
    "ShortStorage": .element(nil, name: "int16"), "CharStorage": .element(nil, name: "int8"),
    "ComplexFloatStorage": .element(nil, name: "complex64"), "ComplexDoubleStorage": .element(nil, name: "complex128"),
  ]

  private static let types: [String: PickleGlobal] = {
    var types: [String: PickleGlobal] = [:]
    for type in storages.values { if case .element(_, let name) = type { types[name] = type } }
    types["float8_e4m3fn"] = .element(.f8e4m3, name: "float8_e4m3fn")
    for name in ["float8_e5m2", "uint16", "uint32", "uint64"] { types[name] = .element(nil, name: name) }
    return types
  }()
}

/// A pickle that has been read: its outermost value and what that leads to.
struct Pickle: Sendable {
  var root: PickleValue = .none
  var nodes: [PickleNode] = []

  /// The elements of a tuple or list.
  func elements(_ value: PickleValue) -> [PickleValue]? {
    guard case .node(let index) = value else { return nil }
    switch nodes[index] {
    case .tuple(let elements), .list(let elements): return elements
    default: return nil
    }
  }

  /// Keys and values of a dictionary, alternating.
  func dictionary(_ value: PickleValue) -> [PickleValue]? {
    guard case .node(let index) = value, case .dictionary(let pairs) = nodes[index] else { return nil }
    return pairs
  }

  /// The tensor that a value is.
  func tensor(_ value: PickleValue) -> PickleTensor? {
    guard case .node(let index) = value, case .tensor(let tensor) = nodes[index] else { return nil }
    return tensor
  }

  /// Integers of a tuple, list or torch.Size.
  func integers(_ value: PickleValue) -> [Int]? {
    guard let elements = elements(value), elements.count <= Self.highestRank else { return nil }
    var integers: [Int] = []
    for element in elements {
      guard case .integer(let integer) = element else { return nil }
      integers.append(integer)
    }
    return integers
  }

  /// The state of an object of a class: a tuple or dictionary. Nil also if it has more than `mostMembers`, which no
  /// class has and which would make looking them up slow.
  func state(_ value: PickleValue, of description: PickleGlobal.Description) -> PickleValue? {
    guard case .node(let index) = value, case .object(.description(description), let state) = nodes[index],
      (dictionary(state) ?? elements(state) ?? []).count <= 2 * Self.mostMembers
    else { return nil }
    return state
  }

  /// Members of an object at most.
  static let mostMembers = 32

  /// The value of a key in a dictionary; linear in its length.
  func member(_ key: String, of value: PickleValue) -> PickleValue? {
    guard let pairs = dictionary(value) else { return nil }
    for i in stride(from: 0, to: pairs.count, by: 2) where pairs[i] == .string(key) { return pairs[i + 1] }
    return nil
  }

  /// Axes of a tensor at most.
  static let highestRank = 16
}
