// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Warnings are errors where `LUMOSX_STRICT` is set (`.ci/run` and `Tools/test` set it).
let strict = ProcessInfo.processInfo.environment["LUMOSX_STRICT"] != nil
let swift: [SwiftSetting] = strict ? [.treatAllWarnings(as: .error)] : []

/// One module: `Sources/NAME`.
func module(_ name: String, _ dependencies: [Target.Dependency], plugins: [Target.PluginUsage] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swift, plugins: plugins)
}

/// One test bundle: `Tests/NAME`, with its fixtures (if any) left where they are and found by `#filePath`.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  let fixtures = FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/Tests/\(name)/Fixtures")
  return .testTarget(
    name: name, dependencies: dependencies, exclude: fixtures ? ["Fixtures"] : [], swiftSettings: swift)
}

let package = Package(
  name: "LumosX",
  products: [
    .library(name: "LumosX", targets: ["LumosPipeline"]),
    .executable(name: "lumosx", targets: ["lumosx"]),
    .executable(name: "lumosx-bench", targets: ["lumosx-bench"]),
    // For tests and measurements: a Vulkan driver that runs nothing.
    .library(name: "NullVulkan", type: .dynamic, targets: ["NullVulkan"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
  ],
  targets: [
    // C faces. CVulkan carries no link flag: the loader is opened at run time.
    .target(name: "CVulkan"),
    .systemLibrary(name: "CLibAV", providers: [.apt(["libavcodec-dev", "libavformat-dev", "libswscale-dev"])]),
    .target(name: "CLibPNG", linkerSettings: [.linkedLibrary("png")]),
    .target(name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
    .target(name: "CRowMath"),
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),

    // Engine.
    module("LumosTensor", []),
    module("LumosFiles", ["LumosTensor"]),
    module("LumosOps", ["LumosTensor"]),
    module("LumosReference", ["LumosGraph", "LumosOps", "LumosTensor", "COpenBLAS", "CRowMath"]),
    // The link Sources/LumosKernels/Shaders makes the package manager see files that appear or go in Shaders/.
    .target(name: "LumosKernels", exclude: ["Shaders"], swiftSettings: swift, plugins: ["ShaderBuild"]),
    module("LumosVulkan", ["LumosOps", "LumosTensor", "LumosKernels", "LumosGraph", "CVulkan"]),
    module("LumosGraph", ["LumosOps", "LumosTensor"]),
    module("LumosText", ["LumosFiles", "LumosTensor", "CSentencePiece"]),
    module("LumosModels", ["LumosGraph", "LumosOps", "LumosFiles", "LumosTensor"]),
    module("LumosMedia", ["LumosTensor", "CLibAV", "CLibPNG"]),
    module(
      "LumosPipeline",
      [
        "LumosModels", "LumosText", "LumosMedia", "LumosFiles", "LumosGraph", "LumosOps", "LumosOpSuite",
        "LumosTensor", .product(name: "Logging", package: "swift-log"),
      ]),
    module("LumosOpSuite", ["LumosOps", "LumosTensor"]),
    module(
      "LumosCommand",
      [
        "LumosVulkan", "LumosReference", "LumosOpSuite", "LumosOps", "LumosGraph", "LumosFiles", "LumosTensor",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "lumosx-bench",
      dependencies: [
        "LumosCommand", "LumosModels", "LumosVulkan", "LumosReference", "LumosOpSuite", "LumosGraph", "LumosOps",
        "LumosFiles", "LumosTensor", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tools/lumosx-bench", swiftSettings: swift),
    .executableTarget(
      name: "lumosx",
      dependencies: [
        "LumosCommand", "LumosPipeline", "LumosText", "LumosVulkan", "LumosReference", "LumosOpSuite", "LumosGraph",
        "LumosMedia",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swift),

    .executableTarget(
      name: "cpu-bench", dependencies: ["LumosReference", "LumosOps", "LumosTensor", "COpenBLAS"],
      path: "Tools/cpu-bench", swiftSettings: swift),

    // Shaders/ -> SPIR-V, while the package builds.
    .systemLibrary(name: "CGlslang", path: "Tools/ShaderBuild/CGlslang", providers: [.apt(["glslang-dev"])]),
    .executableTarget(
      name: "ShaderCompiler", dependencies: ["CGlslang"], path: "Tools/ShaderBuild/Compiler", swiftSettings: swift),
    .plugin(
      name: "ShaderBuild", capability: .buildTool(), dependencies: ["ShaderCompiler"],
      path: "Tools/ShaderBuild/Plugin"),

    // Tests.
    .target(name: "NullVulkan", path: "Tests/NullVulkan"),
    tests("LumosTensorTests", ["LumosTensor"]),
    tests("LumosKernelsTests", ["LumosKernels", "ShaderCompiler"]),
    tests("LumosFilesTests", ["LumosFiles", "LumosTensor"]),
    tests(
      "LumosOpsTests",
      ["LumosOps", "LumosReference", "LumosVulkan", "LumosKernels", "LumosOpSuite", "LumosTensor", "CRowMath"]),
    tests("LumosGraphTests", ["LumosGraph", "LumosReference", "LumosOps", "LumosTensor"]),
    tests(
      "LumosVulkanTests",
      ["LumosVulkan", "LumosGraph", "LumosReference", "LumosOpSuite", "LumosTensor", "LumosOps", "CVulkan"]),
    tests(
      "LumosModelsTests", ["LumosModels", "LumosText", "LumosReference", "LumosGraph", "LumosFiles", "LumosTensor"]),
    tests("LumosMediaTests", ["LumosMedia", "LumosFiles", "LumosTensor"]),
    tests(
      "LumosPipelineTests",
      ["LumosPipeline", "LumosText", "LumosMedia", "LumosReference", "LumosGraph", "LumosFiles", "LumosTensor"]),
    tests(
      "ParityTests",
      [
        "LumosPipeline", "LumosText", "LumosVulkan", "LumosReference", "LumosOpSuite", "LumosOps", "LumosGraph",
        "LumosTensor",
        "ShaderCompiler",
      ]),
    tests(
      "PlanTests",
      [
        "LumosPipeline", "LumosText", "LumosVulkan", "LumosModels", "LumosGraph", "LumosOps", "LumosTensor", "CVulkan",
        "NullVulkan",
      ]),
    tests(
      "FaultTests",
      [
        "LumosPipeline", "LumosVulkan", "LumosReference", "LumosOpSuite", "LumosGraph", "LumosModels", "LumosFiles",
        "LumosTensor",
      ]),
    tests(
      "CommandTests",
      [
        "lumosx", "lumosx-bench", "LumosCommand", "LumosPipeline", "LumosModels", "LumosVulkan", "LumosReference",
        "LumosGraph", "LumosMedia",
        "LumosFiles", "LumosTensor",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)
