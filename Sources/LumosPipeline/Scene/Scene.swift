import LumosModels
import LumosTensor
import LumosText

/// A scene folder: what is said, and who and what is shown (MODEL.md section 2).
///
/// ```
/// caption.txt                       <sample name>;<prompt>
/// background/<word>.png             none or one
/// objects/<word>.png                any number
/// subjects/<k>/face_<word>.png      one person per folder
/// subjects/<k>/<word>.png           what that person wears or holds
/// ```
///
/// Deviations from the published reader, which takes files as the file system lists them: the order is fixed (see
/// `entities`), hidden files and other files than images are skipped, equal words that would overwrite each other are
/// refused, and a face is a file whose name begins with `face_` rather than one that contains `face` anywhere.
public struct Scene: Sendable {
  /// Which reference images count.
  public enum Mode: String, Sendable, Hashable, CaseIterable {
    /// All of them.
    case subject
    /// Faces only.
    case face
  }

  /// One reference image and the word in the caption that it shows.
  public struct Entity: Sendable, Hashable {
    /// What an image shows.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
      /// The place.
      case background
      /// A thing on its own.
      case object
      /// A person's face.
      case face
      /// Something that belongs to a person.
      case attribute
    }

    /// The word or words as they stand in the caption.
    public let word: String
    /// The image file.
    public let path: String
    /// What the image shows.
    public let kind: Kind
    /// Index of the person it belongs to; nil for background and objects.
    public let group: Int?
  }

  /// The folder.
  public let path: String
  /// Name of the sample, for the output file.
  public let sampleName: String
  /// The prompt.
  public let prompt: String
  /// The reference images in canonical order: background, objects by file name, then the people by folder name (`2`
  /// before `10`), of each the face first and then the attributes by file name.
  public let entities: [Entity]
  /// What deserves attention but does not stop the work.
  public let warnings: [String]

  /// Number of images that belong to no person.
  public var plainCount: Int { entities.count { $0.group == nil } }

  /// Number of images of each person, in order.
  public var humanGroups: [Int] {
    entities.reduce(into: []) { sizes, entity in
      guard let group = entity.group else { return }
      if group == sizes.count { sizes.append(0) }
      sizes[group] += 1
    }
  }

  /// Reads a scene folder. Images are found, not opened.
  ///
  /// - Throws: `LumosError(.badInput)` naming the file: no folder, no caption or an empty one, two backgrounds, two
  ///   images for one word, a face without a word.
  public init(_ path: String, mode: Mode = .subject) throws(LumosError) {
    guard let listing = try FolderListing(path) else {
      throw LumosError(.badInput, "does not exist", at: path, advice: "name a scene folder")
    }
    guard listing.files.contains("caption.txt") else {
      throw LumosError(.badInput, "has no caption.txt", at: path, advice: "write \"<name>;<prompt>\" into it")
    }
    let caption = try Caption(path: path + "/caption.txt")
    var reader = SceneReader(mode: mode, warnings: caption.warnings)
    if mode == .subject {
      try reader.readBackground(path + "/background")
      try reader.readObjects(path + "/objects")
    }
    try reader.readSubjects(path + "/subjects")
    if reader.entities.isEmpty {
      reader.warnings.append("\(path): no reference images; the video follows the text alone")
    }
    self.path = path
    sampleName = caption.sampleName
    prompt = caption.prompt
    entities = reader.entities
    warnings = reader.warnings
  }

  /// What a tokenizer has to say about the scene: words that the caption does not contain, whose images are then tied to
  /// no text, and a caption that is cut off.
  ///
  /// - Parameter length: text positions of the model.
  /// - Throws: what `Tokenizer.encode` throws.
  public func textWarnings(_ tokenizer: Tokenizer, length: Int) throws(LumosError) -> [String] {
    var warnings: [String] = []
    let whole = try tokenizer.encode(prompt, length: Int.max)
    if whole.count > length {
      warnings.append("the caption has \(whole.count) tokens, and only the first \(length - 1) count")
    }
    for (entity, mask) in zip(entities, try textMasks(tokenizer, length: length)) where !mask.contains(true) {
      warnings.append(
        "the caption does not contain \"\(entity.word)\" (\(entity.path)); nothing ties this image to the text")
    }
    return warnings
  }

  /// For every reference image in canonical order, which of the prompt's `length` positions its word covers. Errors as
  /// for `Tokenizer.encode`.
  public func textMasks(_ tokenizer: Tokenizer, length: Int) throws(LumosError) -> [[Bool]] {
    let ids = try tokenizer.encode(prompt, length: length)
    var masks: [[Bool]] = []
    for entity in entities {
      let word = try tokenizer.encode(entity.word, length: length)
      masks.append(
        EntityMask.mask(
          promptIDs: ids, wordIDs: word, length: length, padID: tokenizer.padID, endID: tokenizer.endID))
    }
    return masks
  }

  /// The published name of the output file, `<sample name>_sp1_<height>x<width>.mp4` with at most 150 characters of the
  /// sample's name (MODEL.md section 12); a single frame is a `.png`.
  public func outputName(height: Int, width: Int, frames: Int) -> String {
    let suffix = "_sp1_\(height)x\(width)." + (frames == 1 ? "png" : "mp4")
    var name = ""
    for character in sampleName.prefix(150) {
      // Characters that a file name cannot hold, or should not.
      let isUsable =
        character != "/" && !character.unicodeScalars.contains { $0.properties.generalCategory == .control }
      let next = isUsable ? String(character) : "_"
      if name.utf8.count + next.utf8.count + suffix.utf8.count > 255 { break }
      name += next
    }
    return (name.isEmpty ? "scene" : name) + suffix
  }
}
