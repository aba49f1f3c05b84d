import LumosTensor

/// Collects the reference images of a scene, folder by folder, in canonical order.
struct SceneReader {
  let mode: Scene.Mode
  private(set) var entities: [Scene.Entity] = []
  var warnings: [String]

  /// Endings of files that are taken for images.
  static let imageEndings = ["png", "jpg", "jpeg", "webp"]

  init(mode: Scene.Mode, warnings: [String]) {
    self.mode = mode
    self.warnings = warnings
  }

  mutating func readBackground(_ path: String) throws(LumosError) {
    let names = try images(path)
    guard names.count <= 1 else {
      let list = names.joined(separator: ", ")
      throw LumosError(
        .badInput, "holds \(names.count) images (\(list)), and a scene has one background", at: path,
        advice: "keep one of them")
    }
    for name in names { try append(.background, beforeFirstDot(name), "\(path)/\(name)") }
  }

  mutating func readObjects(_ path: String) throws(LumosError) {
    for name in try images(path) { try append(.object, beforeFirstDot(name), "\(path)/\(name)") }
  }

  mutating func readSubjects(_ path: String) throws(LumosError) {
    guard let listing = try FolderListing(path) else { return }
    for name in listing.files {
      warnings.append("\(path)/\(name): skipped, since every person has a folder of their own (subjects/1, ...)")
    }
    var group = 0
    for folder in listing.folders {
      let before = entities.count
      try readPerson("\(path)/\(folder)", group: group)
      if entities.count > before {
        group += 1
      } else {
        warnings.append("\(path)/\(folder): no usable image; this person is left out")
      }
    }
  }

  private mutating func readPerson(_ path: String, group: Int) throws(LumosError) {
    let names = try images(path).filter { !$0.contains("fullfullbody") }
    let faces = names.filter { $0.hasPrefix("face_") }
    for name in faces {
      let word = withoutEnding(String(name.dropFirst("face_".count)))
      guard !word.isEmpty, !word.hasPrefix("face_") else {
        throw LumosError(
          .badInput, "a face is named face_<word>, with the caption's word for the person", at: "\(path)/\(name)",
          advice: "rename it, for example to face_man.png")
      }
      try append(.face, word, "\(path)/\(name)", group: group)
    }
    if faces.count > 1 { warnings.append("\(path): \(faces.count) faces of one person") }
    guard mode == .subject else { return }
    for name in names where !name.hasPrefix("face_") {
      if name.lowercased().contains("face") {
        warnings.append("\(path)/\(name): taken for an attribute; a face's name begins with \"face_\"")
      }
      try append(.attribute, withoutEnding(name), "\(path)/\(name)", group: group)
    }
  }

  private mutating func append(
    _ kind: Scene.Entity.Kind, _ word: String, _ path: String, group: Int? = nil
  ) throws(LumosError) {
    if let other = entities.first(where: { $0.group == group && $0.word == word }) {
      throw LumosError(
        .badInput, "shows \"\(word)\", and so does \(other.path)", at: path, advice: "rename or remove one of them")
    }
    entities.append(Scene.Entity(word: word, path: path, kind: kind, group: group))
  }

  /// Names of the images in a folder, sorted; none if there is no folder.
  private mutating func images(_ path: String) throws(LumosError) -> [String] {
    guard let listing = try FolderListing(path) else { return [] }
    var names: [String] = []
    for name in listing.files {
      let scalars = name.unicodeScalars
      let ending = scalars.lastIndex(of: ".").map { String(scalars[scalars.index(after: $0)...]).lowercased() } ?? ""
      if Self.imageEndings.contains(ending) {
        names.append(name)
      } else {
        warnings.append("\(path)/\(name): skipped, since it is no image (\(Self.imageEndings.joined(separator: ", ")))")
      }
    }
    return names
  }

  private func beforeFirstDot(_ name: String) -> String { String(name.unicodeScalars.prefix { $0 != "." }) }

  private func withoutEnding(_ name: String) -> String {
    name.unicodeScalars.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
  }
}
