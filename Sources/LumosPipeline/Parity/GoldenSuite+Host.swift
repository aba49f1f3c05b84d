import LumosFiles
import LumosMedia
import LumosModels
import LumosTensor
import LumosText

/// Goldens of what the host computes, whatever the backend: token ids, entity masks and condition pixels.
extension GoldenSuite {
  /// Texts with their cleaned form and ids, and entity words with the positions they cover. The SentencePiece model lies
  /// beside the list as `spiece.model`, with `tokenizer.json` if there is one.
  func runTokenizer(_ entry: GoldenManifest.Entry, into recorder: inout GoldenRecorder) throws {
    let path = manifest.directory + "/" + entry.path
    let cases = try GoldenManifest.json(path)
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    let fast = folder + "/tokenizer.json"
    let tokenizer = try Tokenizer(
      modelPath: folder + "/spiece.model", tokenizerJSONPath: (try? MappedFile(fast)) == nil ? nil : fast)
    let length = TransformerConfiguration().textLength

    func text(_ json: JSONValue, _ key: String, _ place: String) throws -> String {
      guard let text = json[key]?.string else { throw LumosError(.badInput, "\(key) is no text", at: place) }
      return text
    }
    func numbers(_ json: JSONValue, _ key: String, _ place: String) throws -> [Int] {
      guard let numbers = json[key]?.array?.map(\.integer), !numbers.contains(nil) else {
        throw LumosError(.badInput, "\(key) is no list of whole numbers", at: place)
      }
      return numbers.compactMap { $0 }
    }
    guard let texts = cases["texts"]?.array, let entities = cases["entities"]?.array else {
      throw LumosError(.badInput, "has no lists \"texts\" and \"entities\"", at: path)
    }
    for (index, item) in texts.enumerated() {
      let (name, place) = ("\(entry.name)/texts[\(index)]", "\(path), text \(index)")
      let raw = try text(item, "text", place)
      let cleaned = try text(item, "cleaned", place)
      try recorder.exact(name + "/cleaned", TextCleaner.clean(raw).utf8.map(Int.init), cleaned.utf8.map(Int.init))
      let ids = try tokenizer.encode(raw, length: length).map(Int.init)
      try recorder.exact(name + "/ids", ids, try numbers(item, "ids", place))
    }
    for (index, item) in entities.enumerated() {
      let (name, place) = ("\(entry.name)/entities[\(index)]", "\(path), entity \(index)")
      let prompt = try tokenizer.encode(try text(item, "prompt", place), length: length)
      let word = try tokenizer.encode(try text(item, "word", place), length: length)
      let mask = EntityMask.mask(
        promptIDs: prompt, wordIDs: word, length: length, padID: tokenizer.padID, endID: tokenizer.endID)
      let found = mask.indices.filter { mask[$0] }
      try recorder.exact(name + "/positions", found, try numbers(item, "mask_positions", place))
    }
  }

  /// Reference images as the encoder sees them: `NAME_src` (8 bits, `[h, w, channels]` or grey `[h, w]`) fitted into
  /// `target_hw` is `NAME_out [3, height, width]`, every bit of it.
  func runPreprocess(_ entry: GoldenManifest.Entry, into recorder: inout GoldenRecorder) throws {
    let file = try manifest.open(entry)
    let place = "manifest.json, \(entry.path)"
    guard let cases = entry.fields["cases"]?.array else {
      throw LumosError(.badInput, "has no list \"cases\"", at: place)
    }
    for item in cases {
      let fields = GoldenFields(item, place: place)
      guard let name = item["name"]?.string else { throw LumosError(.badInput, "a case has no name", at: place) }
      let target = try fields.integers("target_hw", in: 1...16_384)
      guard target.count == 2 else { throw LumosError(.badInput, "target_hw is no height and width", at: place) }
      let (image, isTransparent) = try image(file.requireTensor(name + "_src"), "\(entry.path), \(name)_src")
      let pixels = ConditionImage.channelsFirst(
        ConditionImage.pixels(image, height: target[0], width: target[1]))
      let golden = try file.requireTensor(name + "_out")
      if isTransparent {
        // Published: transparent becomes black when resized. Ours: white, like the margins (MODEL.md section 3).
        try recorder.mustDiffer("\(entry.name)/\(name)", pixels, golden, atLeast: 1e-4)
      } else {
        try recorder.compare("\(entry.name)/\(name)", pixels, golden, bound: 0)
      }
    }
  }

  /// 8-bit pixels as an image over white, and whether anything of the white shows.
  private func image(_ pixels: Tensor, _ place: String) throws -> (Image, isTransparent: Bool) {
    let channels = pixels.shape.rank == 2 ? 1 : pixels.shape.rank == 3 ? pixels.shape[2] : 0
    guard pixels.dtype == .u8, [1, 3, 4].contains(channels), pixels.count > 0 else {
      throw LumosError(.badInput, "is \(pixels.type), not an 8-bit image", at: place)
    }
    let values = pixels.withUnsafeBytes { Array($0) }
    var isTransparent = false
    let colours = stride(from: 0, to: values.count, by: channels).flatMap { at -> [UInt8] in
      if channels == 1 { return [values[at], values[at], values[at]] }
      if channels == 3 { return Array(values[at..<at + 3]) }
      let alpha = Int(values[at + 3])
      if alpha < 255 { isTransparent = true }
      return values[at..<at + 3].map { colour -> UInt8 in
        let sum: Int = Int(colour) * alpha + 255 * (255 - alpha)
        return UInt8((sum + 127) / 255)
      }
    }
    return (Image(width: pixels.shape[1], height: pixels.shape[0], pixels: colours), isTransparent)
  }
}
