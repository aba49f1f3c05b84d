import Glibc
import LumosTensor
import Testing

@testable import LumosFiles

struct AtomicFileTests {
  @Test func appearsCompleteAndAlone() throws {
    let folder = try ScratchFolder()
    let file = try AtomicFile(replacing: "\(folder.path)/out.txt")
    try file.write("hello ")
    #expect(folder.listing.count == 1 && folder.listing != ["out.txt"])
    try file.write("world")
    try file.commit()
    #expect(folder.listing == ["out.txt"])
    #expect(try folder.contents(of: "out.txt") == Array("hello world".utf8))
  }

  @Test func abandonedWorkLeavesTheOldFile() throws {
    let folder = try ScratchFolder()
    try AtomicFile.write("old", to: "\(folder.path)/out.txt")
    func attempt() throws {
      let file = try AtomicFile(replacing: "\(folder.path)/out.txt")
      try file.write("new")
      throw LumosError(.tryAgain, "interrupted")
    }
    #expect(throws: LumosError.self) { try attempt() }
    #expect(folder.listing == ["out.txt"])
    #expect(try folder.contents(of: "out.txt") == Array("old".utf8))
  }

  @Test func destinationsThatCannotBeWritten() throws {
    let folder = try ScratchFolder()
    let missing = try failure { try AtomicFile(replacing: "\(folder.path)/none/out.txt") }
    #expect(missing.kind == .cannotWrite && missing.place == "\(folder.path)/none/out.txt")
    let occupied = try failure { try AtomicFile(replacing: folder.path) }
    #expect(occupied.kind == .cannotWrite && occupied.what == "is a directory")
    #expect(folder.listing.isEmpty)
  }

  /// The device /dev/full answers every write as a full disk does.
  @Test func fullDisk() throws {
    let descriptor = open("/dev/full", O_WRONLY)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let full = try failure {
      try Array("text".utf8).withUnsafeBytes { try AtomicFile.write($0, to: descriptor, place: "out.txt") }
    }
    #expect(full.kind == .inputOutput && full.place == "out.txt")
    #expect(full.description.contains("No space left on device"))
  }

  @Test func aLibraryMayWriteByPath() throws {
    let folder = try ScratchFolder()
    let file = try AtomicFile(replacing: "\(folder.path)/out.bin")
    let stream = try #require(fopen(file.temporaryPath, "wb"))
    fputs("by path", stream)
    fclose(stream)
    try file.commit()
    #expect(try folder.contents(of: "out.bin") == Array("by path".utf8))
  }
}

struct MappedFileTests {
  @Test func contents() throws {
    let folder = try ScratchFolder()
    let path = try folder.write([1, 2, 3], to: "a")
    #expect(try MappedFile(path).withUnsafeBytes { Array($0) } == [1, 2, 3])
    #expect(try MappedFile(try folder.write([], to: "empty")).count == 0)
  }

  /// Bytes are read from the file and not from its mapping: a file that has become shorter is an error, not a signal.
  @Test func reading() throws {
    let folder = try ScratchFolder()
    let path = try folder.write((0..<200).map { UInt8($0) }, to: "data")
    let file = try MappedFile(path)
    var bytes = [UInt8](repeating: 255, count: 12)
    try bytes.withUnsafeMutableBytes { try file.read(100..<110, into: $0) }
    #expect(bytes == Array(100..<110) + [255, 255])
    try bytes.withUnsafeMutableBytes { try file.read(7..<7, into: $0) }
    #expect(bytes[0] == 100)

    let plan = FaultPlan()
    plan.arm(.fileRead, at: 0)
    let broken = try FaultPlan.$files.withValue(plan) {
      try failure { try bytes.withUnsafeMutableBytes { try file.read(0..<4, into: $0) } }
    }
    #expect(broken.kind == .inputOutput && broken.place == path && "\(broken)".contains("Input/output error"))

    #expect(truncate(path, 105) == 0)
    let short = try failure { try bytes.withUnsafeMutableBytes { try file.read(100..<110, into: $0) } }
    #expect(short.kind == .inputOutput && short.place == path && short.what.contains("byte 105 is missing"))
  }

  @Test func refusals() throws {
    let folder = try ScratchFolder()
    let missing = try failure { try MappedFile("\(folder.path)/none") }
    #expect(missing.kind == .badInput && missing.what == "does not exist")
    #expect(try failure { try MappedFile(folder.path) }.what == "is not a regular file")
    #expect(mkfifo("\(folder.path)/pipe", 0o600) == 0)
    #expect(try failure { try MappedFile("\(folder.path)/pipe") }.what == "is not a regular file")
  }
}
