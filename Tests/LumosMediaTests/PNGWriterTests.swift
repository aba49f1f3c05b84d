import Foundation
import LumosTensor
import Testing

@testable import LumosMedia

@Suite struct PNGWriterTests {
  private let picture = MediaFixtures.movingPicture(width: 33, height: 17, time: 1)

  @Test func writesWhatIsReadBack() throws {
    try MediaFixtures.withFolder { folder in
      let path = folder + "/out.png"
      try Data("old".utf8).write(to: URL(fileURLWithPath: path))
      try PNGWriter.write(
        picture, path, text: [("Title", "A caption"), ("Comment", "größer als 80 °C")])
      #expect(try ImageReader.read(path) == picture)
      #expect(try MediaFixtures.names(folder) == ["out.png"])
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(bytes.range(of: Data("tEXtTitle\0A caption".utf8)) != nil)
      #expect(bytes.range(of: Data("iTXtComment\0\0\0\0\0größer als 80 °C".utf8)) != nil)
      // The same image gives the same file.
      try PNGWriter.write(picture, folder + "/a.png")
      try PNGWriter.write(picture, folder + "/b.png")
      #expect(FileManager.default.contentsEqual(atPath: folder + "/a.png", andPath: folder + "/b.png"))
    }
  }

  @Test func foldersThatCannotTakeIt() throws {
    try MediaFixtures.withFolder { folder in
      let missing = lumosError { try PNGWriter.write(picture, folder + "/none/out.png") }
      #expect(missing?.kind == .cannotWrite && missing?.advice == "create the folder first")
      #expect(lumosError { try PNGWriter.write(picture, folder) }?.kind == .cannotWrite)
      let readOnly = lumosError { try PNGWriter.write(picture, "/proc/out.png") }
      #expect(readOnly?.kind == .cannotWrite)
      let left = try MediaFixtures.names(folder)
      #expect(left.isEmpty)
    }
  }
}
