import Glibc
import LumosFiles
import LumosModels
import LumosTensor
import LumosText
import Testing

@testable import LumosPipeline

struct SceneTests {
  // MARK: The published examples

  /// The tree of the published reader's example: same words, but faces come first, and names that merely contain
  /// "face" are attributes.
  @Test func thePublishedTree() throws {
    let folder = try SceneFolder(
      "demo;A prompt.",
      [
        "background/cozy, warmly lit room.v2.png", "objects/red.ball.png", "objects/white lamp.png",
        "subjects/1/denim jacket.png", "subjects/1/face_man_on_left.png", "subjects/1/fullfullbody_man.png",
        "subjects/2/face_woman.png", "subjects/2/light brown sweater.png", "subjects/3/surface tablet.png",
        "subjects/3/typeface.png",
      ])
    let scene = try Scene(folder.path)
    #expect(
      scene.entities.map(\.word) == [
        "cozy, warmly lit room", "red", "white lamp", "man_on_left", "denim jacket", "woman", "light brown sweater",
        "surface tablet", "typeface",
      ])
    #expect(
      scene.entities.map(\.kind) == [
        .background, .object, .object, .face, .attribute, .face, .attribute, .attribute, .attribute,
      ])
    #expect(scene.entities.map(\.group) == [nil, nil, nil, 0, 0, 1, 1, 2, 2])
    #expect(scene.plainCount == 3 && scene.humanGroups == [2, 2, 2])
    #expect(scene.entities[1].path == folder.path + "/objects/red.ball.png")
    #expect(scene.warnings.count == 2 && scene.warnings.allSatisfy { $0.contains("taken for an attribute") })

    let faces = try Scene(folder.path, mode: .face)
    #expect(faces.entities.map(\.word) == ["man_on_left", "woman"])
    #expect(faces.plainCount == 0 && faces.humanGroups == [1, 1])
    #expect(faces.warnings == ["\(folder.path)/subjects/3: no usable image; this person is left out"])
  }

  /// Order and groups of the demonstration scenes are those that their goldens were made with.
  @Test(arguments: ["2", "5"])
  func demonstrationScenes(name: String) throws {
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    let manifest = try MappedFile(root + "/Tests/Fixtures/demo-golden/manifest.json").withUnsafeBytes {
      try JSONValue(parsing: $0)
    }
    let golden = try #require(manifest["scenes"]?[name])
    let scene = try Scene(root + "/Tools/demo-bundle/scenes/" + name)
    let plain = try #require(golden["plain"]?.array).compactMap(\.string)
    let humans = try #require(golden["humans"]?.array).map { $0.array?.compactMap(\.string) ?? [] }
    #expect(scene.prompt == golden["caption"]?.string)
    #expect(scene.entities.map(\.word) == plain + humans.flatMap { $0 })
    #expect(scene.plainCount == plain.count && scene.humanGroups == humans.map(\.count))
    let tokenizer = try Tokenizer(modelPath: root + "/Tools/demo-bundle/tokenizer/spiece.model")
    #expect(try scene.textWarnings(tokenizer, length: 64) == [])
  }

  // MARK: Captions

  @Test(arguments: [
    ("a man;A man walks.", "a man", "A man walks."), ("one;two;three", "one", "two;three"),
    ("no name", "no name", "no name"), ("\u{feff}x; y \r\n", "x", "y"), (";only a prompt", "", "only a prompt"),
    (#"n;A man. {"reference_path": "a", "mask_strategy": "b"}"#, "n", "A man."),
    ("n;静态，风格", "n", "静态，风格"), ("n;\u{301}x", "n", "\u{301}x"),
  ])
  func captions(text: String, name: String, prompt: String) throws {
    let caption = try Caption(text, path: "caption.txt")
    #expect(caption.sampleName == name)
    #expect(caption.prompt == prompt)
  }

  @Test(arguments: [
    ("", "holds no prompt"), ("  \n", "holds no prompt"), ("name;", "holds no prompt"), ("name; \t", "holds no prompt"),
    (#"name;{"a": 1}"#, "holds no prompt"), ("n;a {b", "is not JSON"), (#"n;a {"b": {"c": 1}}"#, "more than one '{'"),
    ("n;|0|a|5|b", "several clips"),
  ])
  func refusedCaptions(text: String, reason: String) throws {
    let error = try refusal { try Caption(text, path: "caption.txt") }
    #expect(error.kind == .badInput && error.place == "caption.txt")
    #expect(error.what.contains(reason), "\(error)")
  }

  @Test func captionWarnings() throws {
    #expect(try Caption("A man; walks", path: "c").warnings.count == 1)
    #expect(try Caption("man1; walks", path: "c").warnings.isEmpty)
    #expect(try Caption("man1; walks {\"a\": 1}", path: "c").warnings == ["c: the settings from '{' on are ignored"])
  }

  @Test func captionFiles() throws {
    let folder = try SceneFolder(nil, [])
    #expect(try refusal { try Scene(folder.path) }.what == "has no caption.txt")
    try folder.write([0x61, 0xff], to: "caption.txt")
    #expect(try refusal { try Scene(folder.path) }.what == "is not UTF-8")
    #expect(try refusal { try Scene(folder.path + "/none") }.what == "does not exist")
    #expect(try refusal { try Scene(folder.path + "/caption.txt") }.what == "is not a folder")
  }

  // MARK: Folders

  @Test func peopleAreInNumericOrder() throws {
    let folder = try SceneFolder("x;y", ["10", "9", "02", "2", "b", "a"].map { "subjects/\($0)/face_p\($0).png" })
    let scene = try Scene(folder.path)
    #expect(scene.entities.map(\.word) == ["p02", "p2", "p9", "p10", "pa", "pb"])
    #expect(scene.humanGroups == [1, 1, 1, 1, 1, 1])
    let sorted = ["0", "00", "person2", "person10a", "person10b", "person100000000000000000000", "z01", "z1"]
    #expect(sorted.reversed().sorted(by: NaturalOrder.precedes) == sorted)
  }

  @Test func whatIsNoImageIsSkipped() throws {
    let folder = try SceneFolder(
      "x;y",
      [
        ".hidden", "objects/.DS_Store", "objects/.ball.png", "objects/notes.txt", "objects/ball.PNG",
        "objects/cup.webp",
        "objects/deep/x.png", "subjects/stray.png", "subjects/1/Thumbs.db", "subjects/2/hat.jpeg",
        "background/noending",
      ])
    let scene = try Scene(folder.path)
    #expect(scene.entities.map(\.word) == ["ball", "cup", "hat"])
    #expect(scene.humanGroups == [1])
    let skipped = [
      "background/noending", "objects/notes.txt", "subjects/stray.png", "subjects/1/Thumbs.db", "subjects/1:",
    ]
    #expect(scene.warnings.count == skipped.count)
    for (warning, name) in zip(scene.warnings, skipped) { #expect(warning.hasPrefix("\(folder.path)/\(name)")) }
  }

  @Test func withoutImagesItIsPlainVideo() throws {
    let folder = try SceneFolder("x;y", ["objects/deep/x.png", "subjects/1/deep/x.png"])
    let scene = try Scene(folder.path)
    #expect(scene.entities.isEmpty && scene.plainCount == 0 && scene.humanGroups == [])
    #expect(scene.warnings.last?.contains("no reference images") == true)
  }

  @Test(arguments: [
    (["background/a.png", "background/b.jpg"], "background", "one background"),
    (["background/sea.png", "objects/sea.png"], "objects/sea.png", "so does"),
    (["objects/red.ball.png", "objects/red.cup.png"], "objects/red.cup.png", "so does"),
    (["subjects/1/hat.png", "subjects/1/hat.jpg"], "subjects/1/hat.png", "so does"),
    (["subjects/1/face_man.png", "subjects/1/man.png"], "subjects/1/man.png", "so does"),
    (["subjects/1/face_.png"], "subjects/1/face_.png", "face_<word>"),
    (["subjects/1/face_face_man.png"], "subjects/1/face_face_man.png", "face_<word>"),
  ])
  func refusals(files: [String], place: String, reason: String) throws {
    let folder = try SceneFolder("x;y", files)
    let error = try refusal { try Scene(folder.path) }
    #expect(error.kind == .badInput && error.place == "\(folder.path)/\(place)")
    #expect(error.what.contains(reason), "\(error)")
  }

  @Test func equalWordsOfDifferentPeopleAreFine() throws {
    let folder = try SceneFolder("x;y", ["subjects/1/face_man.png", "subjects/2/face_man.png", "objects/man.png"])
    #expect(try Scene(folder.path).entities.map(\.word) == ["man", "man", "man"])
  }

  // MARK: Text and output

  @Test func wordsThatTheCaptionLacks() throws {
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    let tokenizer = try Tokenizer(modelPath: root + "/Tests/Fixtures/golden/tokenizer/spiece.model")
    let folder = try SceneFolder("x;A man in a black suit", ["objects/Man.png", "objects/man.png", "objects/lamp.png"])
    let warnings = try Scene(folder.path).textWarnings(tokenizer, length: 512)
    #expect(warnings.count == 2)
    #expect(warnings[0].contains("\"Man\"") && warnings[1].contains("\"lamp\""))
    let cut = try Scene(folder.path).textWarnings(tokenizer, length: 3)
    #expect(cut.first?.contains("only the first 2 count") == true)
  }

  @Test func outputNames() throws {
    func name(_ caption: String, frames: Int = 81) throws -> String {
      let folder = try SceneFolder(caption, [])
      return try Scene(folder.path).outputName(height: 480, width: 832, frames: frames)
    }
    #expect(try name("clip;y") == "clip_sp1_480x832.mp4")
    #expect(try name("clip;y", frames: 1) == "clip_sp1_480x832.png")
    #expect(try name("../a/b;y") == ".._a_b_sp1_480x832.mp4")
    #expect(try name(";y") == "scene_sp1_480x832.mp4")
    #expect(try name(String(repeating: "n", count: 400)) == String(repeating: "n", count: 150) + "_sp1_480x832.mp4")
    let wide = try name(String(repeating: "静", count: 400))
    #expect(wide.utf8.count <= 255 && wide.utf8.count > 250 && wide.hasSuffix("静_sp1_480x832.mp4"))
  }

  private func refusal<T>(of body: () throws -> T) throws -> LumosError {
    do {
      _ = try body()
    } catch let error as LumosError {
      return error
    }
    throw LumosError(.internalDefect, "nothing was thrown")
  }
}

/// A scene folder with a caption and files of no contents, which goes away with the object.
final class SceneFolder {
  let path: String

  init(_ caption: String?, _ files: [String]) throws {
    var template = Array("/tmp/lumos-scene-XXXXXX".utf8CString)
    path = try #require(mkdtemp(&template).map { String(cString: $0) })
    if let caption { try write(Array(caption.utf8), to: "caption.txt") }
    for file in files { try write([], to: file) }
  }

  deinit { remove(path) }

  func write(_ bytes: [UInt8], to name: String) throws {
    var folder = path
    for part in name.split(separator: "/").dropLast() {
      folder += "/" + part
      try #require(mkdir(folder, 0o755) == 0 || errno == EEXIST)
    }
    let file = try AtomicFile(replacing: "\(path)/\(name)")
    try bytes.withUnsafeBytes { try file.write($0) }
    try file.commit()
  }

  private func remove(_ path: String) {
    if unlink(path) == 0 { return }
    if let folder = opendir(path) {
      while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != "." && name != ".." { remove("\(path)/\(name)") }
      }
      closedir(folder)
    }
    rmdir(path)
  }
}
