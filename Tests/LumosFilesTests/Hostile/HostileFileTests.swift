import Glibc
import LumosTensor
import Testing

@testable import LumosFiles

/// Files made to do harm: each is refused with a message that names what is wrong, at once, and without much memory.
@Suite struct HostileFileTests {
  private static let measures = "LUMOSX_TEST_MEASURE_HOSTILE_FILES"

  /// What the table builds on is read, so that every case fails for its own reason.
  @Test func theUnchangedFilesAreRead() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(ZipBuilder.torch(PickleBuilder.file()).bytes(), to: "x")
    let file = try PyTorchFile(path)
    #expect(file.names == ["w"] && file.type(of: "w") == TensorType([2, 3], .f32))
    #expect(try file.requireTensor("w").floats().count == 6)

    var wide = ZipBuilder.torch(PickleBuilder.file())
    wide.wide = { ZipBuilder.wideEnd(at: $0, size: $1, start: $2, count: 4) }
    wide.entries[2].size = .max
    wide.entries[2].localSize = .max
    wide.entries[2].extra = [1, 0, 16, 0] + little(UInt64(24)) + little(UInt64(24))
    wide.entries[2].localExtra = wide.entries[2].extra
    #expect(try PyTorchFile(try folder.write(wide.bytes(), to: "wide")).names == ["w"])

    let part = HostileFile.part()
    _ = try folder.write(part, to: "__0_0.distcp")
    let tensor = PickleBuilder.described([2, 3], chunks: [PickleBuilder.chunk([0, 0], [2, 3])])
    let description = PickleBuilder.folder([("ema.w", tensor)], [PickleBuilder.piece("ema.w", length: part.count)])
    _ = try folder.write(description, to: ".metadata")
    #expect(try DistributedCheckpoint(folder.path).names == ["ema.w"])
  }

  @Test(arguments: HostileFile.all) func refuses(_ hostile: HostileFile) throws {
    let folder = try ScratchFolder()
    for file in hostile.files() { _ = try folder.write(file.bytes, to: file.name) }
    let error = try failure { try hostile.open(in: folder.path) }
    #expect(error.kind == .badInput)
    #expect(error.description.contains(hostile.fragment), "\(error)")
    #expect(error.place?.hasPrefix(folder.path) == true, "\(error)")
  }

  @Test func theTableIsLongEnough() {
    #expect(HostileFile.all.count >= 187)
    #expect(Set(HostileFile.all.map(\.testDescription)).count == HostileFile.all.count)
  }

  /// Time and memory of every case, in a process of its own, in which nothing else runs.
  @Test func refusesAtOnceAndInLittleMemory() throws {
    guard getenv(Self.measures) == nil else { return }
    let words = ["/proc/self/exe", "--testing-library", "swift-testing", "--filter", "HostileFileTests/measure"]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var environment: [UnsafeMutablePointer<CChar>?] = [strdup(Self.measures + "=1"), nil]
    defer { for text in arguments + environment { free(text) } }
    var process: pid_t = 0
    try #require(posix_spawn(&process, "/proc/self/exe", nil, nil, &arguments, &environment) == 0)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    #expect(status == 0, "what the process printed tells which file took too much")
  }

  /// The other process's part: the peak of its resident memory over what was there before, from VmHWM, which writing 5 to
  /// clear_refs sets back. Pages of the mapped file count.
  @Test(.enabled(if: getenv(measures) != nil)) func measure() throws {
    var (slowest, largest) = (("", 0.0), ("", 0))
    // Gives freed memory back, so that no case finds what an earlier one used.
    let trim = try #require(dlsym(UnsafeMutableRawPointer(bitPattern: 0), "malloc_trim"))
    let giveBack = unsafeBitCast(trim, to: (@convention(c) (Int) -> Int32).self)
    for hostile in HostileFile.all {
      let folder = try ScratchFolder()
      for file in hostile.files() { _ = try folder.write(file.bytes, to: file.name) }
      _ = giveBack(0)
      let reset = try #require(fopen("/proc/self/clear_refs", "w"))
      fputs("5", reset)
      #expect(fclose(reset) == 0)
      let before = try Self.kilobytes("VmRSS")
      let start = Self.seconds()
      try? hostile.open(in: folder.path)
      let seconds = Self.seconds() - start
      let growth = try Self.kilobytes("VmHWM") - before
      #expect(seconds < 1, "\(hostile.testDescription)")
      #expect(growth < 64 << 10, "kB for \(hostile.testDescription)")
      if seconds > slowest.1 { slowest = (hostile.testDescription, seconds) }
      if growth > largest.1 { largest = (hostile.testDescription, growth) }
    }
    print(
      "\(HostileFile.all.count) hostile files: at most \(slowest.1) s (\(slowest.0)), \(largest.1) kB (\(largest.0))")
  }

  /// Processor time of this thread: parsers wait for nothing, and machines may be busy.
  private static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private static func kilobytes(_ key: String) throws -> Int {
    let file = try #require(fopen("/proc/self/status", "r"))
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      guard text.hasPrefix(key + ":") else { continue }
      return try #require(Int(text.dropFirst(key.count + 1).filter(\.isNumber)))
    }
    throw LumosError(.internalDefect, "no \(key)")
  }
}
