import Foundation
import PackagePlugin

/// Compiles `Shaders/` into one Swift file of the target that uses the plugin (`LumosKernels`).
///
/// Every shader, include file and variant list, and the pack of prebuilt kernels, is an input of the one build command,
/// so that an edit of any of them makes the pack anew; the command takes about a second.
@main struct ShaderBuild: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
    let shaders = context.package.directoryURL.appending(path: "Shaders")
    let output = context.pluginWorkDirectoryURL.appending(path: "PackedKernels.swift")
    var inputs: [URL] = []
    let files = FileManager.default.enumerator(at: shaders, includingPropertiesForKeys: nil)
    while let file = files?.nextObject() as? URL {
      let name = file.lastPathComponent
      if [".comp", ".glsl", ".variants.json", ".pack"].contains(where: name.hasSuffix) { inputs.append(file) }
    }
    inputs.sort { $0.path < $1.path }
    return [
      .buildCommand(
        displayName: "Compiling shaders", executable: try context.tool(named: "ShaderCompiler").url,
        arguments: [shaders.path, output.path] + inputs.map(\.path), inputFiles: inputs, outputFiles: [output])
    ]
  }
}
