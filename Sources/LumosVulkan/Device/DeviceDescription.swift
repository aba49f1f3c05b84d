import LumosTensor

/// A Vulkan device as its driver describes it: plain facts for `lumosx devices`, for choosing one and for reports.
public struct DeviceDescription: Sendable, Hashable, Codable {
  /// What kind of hardware it is.
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// A card with its own memory.
    case discrete
    /// A GPU that shares the system's memory.
    case integrated
    /// A GPU of the host that a virtual machine sees.
    case virtual
    /// Vulkan in software (lavapipe): exact, slow, for tests.
    case cpu
    /// Anything else.
    case other
  }

  /// One heap of the device's memory.
  public struct MemoryHeap: Sendable, Hashable, Codable {
    /// Size in bytes.
    public var byteCount: Int
    /// Whether it is the device's own (fast) memory.
    public var isDeviceLocal: Bool
    /// Bytes that this process may use now, where the driver tells (VK_EXT_memory_budget).
    public var budgetBytes: Int?
    /// Bytes that this process uses now, where the driver tells.
    public var usedBytes: Int?
  }

  /// What the engine needs (the first four) or can use.
  public struct Features: Sendable, Hashable, Codable {
    /// Required.
    public var bufferDeviceAddress = false
    /// Required.
    public var storageBuffer16BitAccess = false
    /// Required.
    public var timelineSemaphore = false
    /// Required.
    public var scalarBlockLayout = false
    /// 64-bit integers in shaders.
    public var shaderInt64 = false
    /// 16-bit integers in shaders.
    public var shaderInt16 = false
    /// f16 arithmetic in shaders.
    public var shaderFloat16 = false
    /// The Vulkan memory model, which cooperative matrices need.
    public var vulkanMemoryModel = false
    /// Choice of the subgroup size.
    public var subgroupSizeControl = false
    /// Workgroups of full subgroups on demand.
    public var computeFullSubgroups = false
    /// Invocations of a subgroup of a compute shader read each other's registers.
    public var subgroupShuffle = false
    /// VK_KHR_cooperative_matrix.
    public var cooperativeMatrix = false
    /// VK_NV_cooperative_matrix2 with workgroup scope, flexible sizes, reductions, conversions and block loads.
    public var cooperativeMatrix2 = false
    /// VK_KHR_shader_bfloat16: bf16 as a type of shaders.
    public var bfloat16 = false
    /// bf16 in cooperative matrices.
    public var bfloat16CooperativeMatrix = false
    /// VK_EXT_memory_budget.
    public var memoryBudget = false
    /// VK_EXT_device_fault: the reason of a device loss.
    public var deviceFault = false

    /// Nothing.
    public init() {}
  }

  /// Numbers that bound what can be asked of the device.
  public struct Limits: Sendable, Hashable, Codable {
    /// Lanes of a subgroup by default.
    public var subgroupSize = 1
    /// Smallest number of lanes of a subgroup.
    public var minSubgroupSize = 1
    /// Largest number of lanes of a subgroup.
    public var maxSubgroupSize = 1
    /// Largest number of subgroups in a workgroup.
    public var maxWorkgroupSubgroups = 1
    /// Shared memory of a workgroup in bytes.
    public var sharedMemoryBytes = 0
    /// Largest number of invocations of a workgroup.
    public var maxWorkgroupInvocations = 0
    /// Largest number of workgroups along x, y and z.
    public var maxWorkgroupCount = [0, 0, 0]
    /// Push constants in bytes.
    public var pushConstantBytes = 0
    /// Largest single allocation in bytes.
    public var maxAllocationBytes = 0
    /// Largest buffer in bytes.
    public var maxBufferBytes = 0
    /// Largest number of allocations at a time.
    public var maxAllocationCount = 0
    /// Largest side of a matrix of flexible size; 0 where there are none.
    public var maxMatrixDimension = 0
    /// Nanoseconds per timestamp tick.
    public var timestampPeriod: Float = 0

    /// All zero.
    public init() {}
  }

  /// One kind of matrix product that the device has units for: `D[m, n] = A[m, k] B[k, n] + C[m, n]`.
  public struct MatrixShape: Sendable, Hashable, Codable {
    /// Rows of the result.
    public var m: Int
    /// Columns of the result.
    public var n: Int
    /// Length of the sums.
    public var k: Int
    /// Element type of A: `f16`, `bf16`, `f32`, `s8` …
    public var a: String
    /// Element type of B.
    public var b: String
    /// Element type of C.
    public var c: String
    /// Element type of the result.
    public var result: String
    /// Who holds the matrix together: `subgroup`, `workgroup` …
    public var scope: String
  }

  /// Matrix products of any size in certain steps (VK_NV_cooperative_matrix2).
  public struct FlexibleShape: Sendable, Hashable, Codable {
    /// Of what m, n and k are multiples; types and scope.
    public var steps: MatrixShape
    /// Invocations of the workgroup that holds such matrices; 0 for those of a subgroup.
    public var workgroupInvocations: Int
  }

  /// Position in the drivers' order; what `--device 1` names.
  public var index: Int
  /// `"NVIDIA H200"`.
  public var name: String
  /// `"NVIDIA"`.
  public var vendor: String
  /// PCI number of the vendor.
  public var vendorID: UInt32
  /// PCI number of the device.
  public var deviceID: UInt32
  /// Kind of hardware.
  public var kind: Kind
  /// `"NVIDIA"`, `"radv"`, `"llvmpipe"`.
  public var driver: String
  /// `"570.86.15"`, `"Mesa 22.3.6 (LLVM 15.0.6)"`.
  public var driverInfo: String
  /// The driver's version as it packs it.
  public var driverVersion: UInt32
  /// Vulkan version: `"1.3.230"`.
  public var apiVersion: String
  /// Identity across runs: 32 hexadecimal digits.
  public var uuid: String
  /// Memory heaps.
  public var heaps: [MemoryHeap]
  /// Features.
  public var features: Features
  /// Limits.
  public var limits: Limits
  /// Matrix products (empty without cooperative matrices).
  public var matrixShapes: [MatrixShape]
  /// Matrix products of flexible sizes (empty without VK_NV_cooperative_matrix2).
  public var flexibleShapes: [FlexibleShape] = []
  /// Why the engine cannot run on it, or nil if it can.
  public var unusableReason: String?

  /// Whether the engine can run on it.
  public var isUsable: Bool { unusableReason == nil }

  /// Size of the device's own memory in bytes: the largest device-local heap.
  public var deviceLocalBytes: Int { heaps.filter(\.isDeviceLocal).map(\.byteCount).max() ?? 0 }

  /// Bytes of the device's own memory that may be used now: the budget where known, else the heap.
  public var availableBytes: Int {
    let heap = heaps.filter(\.isDeviceLocal).max { $0.byteCount < $1.byteCount }
    guard let heap else { return 0 }
    guard let budget = heap.budgetBytes else { return heap.byteCount }
    return max(0, budget - (heap.usedBytes ?? 0))
  }

  /// What lowerings need to know. Along each axis the smallest of the three workgroup limits holds.
  public var profile: DeviceProfile {
    var profile = DeviceProfile(
      subgroupSize: limits.subgroupSize, sharedMemoryBytes: limits.sharedMemoryBytes,
      maxWorkgroupInvocations: limits.maxWorkgroupInvocations,
      maxWorkgroupCount: limits.maxWorkgroupCount.min() ?? 0)
    profile.matrixShapes = usableMatrixShapes
    profile.workgroupShapes = usableWorkgroupShapes
    profile.exchangesWithinSubgroups =
      features.subgroupShuffle && pinsSubgroups && [8, 16, 32, 64, 128].contains(limits.subgroupSize)
    return profile
  }

  /// Whether kernels can rely on subgroups of `limits.subgroupSize` invocations, none of them missing.
  var pinsSubgroups: Bool {
    limits.minSubgroupSize == limits.maxSubgroupSize || features.subgroupSizeControl && features.computeFullSubgroups
  }

  /// The matrix products that our kernels can use: of a subgroup, of one half type, with sums in float32.
  private var usableMatrixShapes: [DeviceProfile.MatrixShape] {
    guard features.cooperativeMatrix, features.vulkanMemoryModel, pinsSubgroups else { return [] }
    return matrixShapes.compactMap { shape in
      guard shape.scope == "subgroup" else { return nil }
      return profileShape(shape)
    }
  }

  /// The matrix products of a whole workgroup that our kernels can use, likewise.
  private var usableWorkgroupShapes: [DeviceProfile.WorkgroupShape] {
    guard features.cooperativeMatrix, features.cooperativeMatrix2, features.vulkanMemoryModel else { return [] }
    return flexibleShapes.compactMap { flexible in
      guard flexible.steps.scope == "workgroup", let steps = profileShape(flexible.steps),
        flexible.workgroupInvocations > 0, flexible.workgroupInvocations <= limits.maxWorkgroupInvocations
      else { return nil }
      return .init(
        steps: steps, invocations: flexible.workgroupInvocations, largestSide: limits.maxMatrixDimension)
    }
  }

  /// A product of one half type that exists in shaders, with sums in float32; nil for others.
  private func profileShape(_ shape: MatrixShape) -> DeviceProfile.MatrixShape? {
    guard shape.a == shape.b, shape.c == "f32", shape.result == "f32", shape.m > 0, shape.n > 0, shape.k > 0,
      let input = DType(rawValue: shape.a)
    else { return nil }
    switch input {
    case .f16 where features.shaderFloat16: break
    case .bf16 where features.bfloat16 && features.bfloat16CooperativeMatrix: break
    default: return nil
    }
    return DeviceProfile.MatrixShape(m: shape.m, n: shape.n, k: shape.k, input: input)
  }

  /// What the device lacks, in words, or nil if it has all that the engine requires (DESIGN: Vulkan conventions).
  static func missingRequirements(version: APIVersion, _ features: Features, _ limits: Limits) -> String? {
    guard version >= APIVersion(1, 2) else { return "it has Vulkan \(version), 1.2 is needed" }
    var missing: [String] = []
    if !features.bufferDeviceAddress { missing.append("buffer device addresses") }
    if !features.storageBuffer16BitAccess { missing.append("16-bit storage") }
    if !features.timelineSemaphore { missing.append("timeline semaphores") }
    if !features.scalarBlockLayout { missing.append("scalar block layout") }
    return missing.isEmpty ? nil : "it lacks " + missing.joined(separator: ", ")
  }
}
