import CGlslang

/// GLSL to SPIR-V through the glslang library. `compile` may run on several threads between `start` and `stop`.
enum Glslang {
  static func start() { _ = glslang_initialize_process() }
  static func stop() { glslang_finalize_process() }

  /// SPIR-V 1.5 of one variant, for Vulkan 1.2.
  /// - Throws: `CompileFailure` with one message per GLSL error.
  static func compile(_ variant: ShaderVariant, _ sources: ShaderSources) throws -> [UInt32] {
    let (text, order) = try sources.assemble(variant.path, defines: variant.defines)
    func failure(_ log: UnsafePointer<CChar>?) -> CompileFailure {
      let messages = diagnostics(log.map { String(cString: $0) } ?? "", order)
      return CompileFailure(
        messages.isEmpty ? ["Shaders/\(variant.path):1: error: \(variant.name) does not compile"] : messages)
    }
    return try text.withCString { code in
      var input = glslang_input_t()
      input.language = GLSLANG_SOURCE_GLSL
      input.stage = GLSLANG_STAGE_COMPUTE
      input.client = GLSLANG_CLIENT_VULKAN
      input.client_version = GLSLANG_TARGET_VULKAN_1_2
      input.target_language = GLSLANG_TARGET_SPV
      input.target_language_version = GLSLANG_TARGET_SPV_1_5
      input.code = code
      input.default_version = 460
      input.default_profile = GLSLANG_NO_PROFILE
      input.messages = glslang_messages_t(
        GLSLANG_MSG_SPV_RULES_BIT.rawValue | GLSLANG_MSG_VULKAN_RULES_BIT.rawValue)
      input.resource = glslang_default_resource()
      let shader = glslang_shader_create(&input)
      defer { glslang_shader_delete(shader) }
      guard glslang_shader_preprocess(shader, &input) != 0, glslang_shader_parse(shader, &input) != 0 else {
        throw failure(glslang_shader_get_info_log(shader))
      }
      let program = glslang_program_create()
      defer { glslang_program_delete(program) }
      glslang_program_add_shader(program, shader)
      guard glslang_program_link(program, Int32(input.messages.rawValue)) != 0 else {
        throw failure(glslang_program_get_info_log(program))
      }
      // Drivers optimise better than a second optimiser in front of them would, and the validator catches code that
      // the front end lets through.
      var options = glslang_spv_options_t()
      options.disable_optimizer = true
      options.validate = true
      glslang_program_SPIRV_generate_with_options(program, GLSLANG_STAGE_COMPUTE, &options)
      let log = glslang_program_SPIRV_get_messages(program).map { String(cString: $0) } ?? ""
      let count = glslang_program_SPIRV_get_size(program)
      guard let words = glslang_program_SPIRV_get_ptr(program), count > 0, !log.contains("error") else {
        throw CompileFailure("Shaders/\(variant.path):1: error: \(variant.name): invalid SPIR-V: \(log)")
      }
      return Array(UnsafeBufferPointer(start: words, count: count))
    }
  }

  /// glslang's `ERROR: 1:12: text` as `Shaders/Common/types.glsl:12: error: text`; `order[1]` is the file.
  static func diagnostics(_ log: String, _ order: [String]) -> [String] {
    log.split(separator: "\n").compactMap { line in
      guard line.hasPrefix("ERROR: ") else { return nil }
      // A line that only ends the list of errors.
      if line.contains("compilation terminated") || line.contains("compilation errors") { return nil }
      let parts = line.dropFirst("ERROR: ".count).split(separator: ":", maxSplits: 2)
      guard parts.count == 3, let file = Int(parts[0]), order.indices.contains(file), let number = Int(parts[1]) else {
        return "Shaders/\(order.first ?? ""):1: error: \(line.dropFirst("ERROR: ".count))"
      }
      let text = parts[2].drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()
      return "Shaders/\(order[file]):\(number): error: \(String(text))"
    }
  }
}
