import Glibc
import LumosTensor
import Testing

@testable import LumosFiles

/// Damaged files of every format, as many as there is time for (`Tools/fuzz`); a few thousand in every run of the tests.
///
/// Every file follows from the seed, its number and the name of its parser, so any one can be had again. What must hold: no
/// crash, only `LumosError(.badInput)`, no file longer than a second, and the promises that `FuzzTarget` checks.
@Suite(.serialized) struct FuzzTests {
  private static func setting(_ name: String) -> String? { getenv("LUMOSX_FUZZ_" + name).map { String(cString: $0) } }

  @Test(arguments: ["zip", "pickle", "pytorch", "description", "distributed", "safetensors", "json"])
  func survives(_ name: String) throws {
    if let only = Self.setting("TARGET"), only != name { return }
    let target = try #require(try FuzzTarget.all().first { $0.name == name })
    let runs = Self.setting("RUNS").flatMap { Int($0) } ?? 4000
    let first = Self.setting("FIRST").flatMap { Int($0) } ?? 0
    let seed = Self.setting("SEED").flatMap { UInt64($0) } ?? 1
    let note = try Self.setting("NOTE").map { try FuzzNote($0, target: name) }
    var (accepted, reasons) = (0, Set<String>())
    var before = Self.seconds()
    for number in first..<first + runs {
      note?.number = number
      var random = FuzzRandom(
        seed &* 0x1_0000_0001 &+ UInt64(number) &+ name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) } << 40)
      var bytes = target.corpus[random.below(target.corpus.count)]
      target.mutate(&bytes, &random, target.corpus[random.below(target.corpus.count)])
      let again = "LUMOSX_FUZZ_TARGET=\(name) LUMOSX_FUZZ_SEED=\(seed) LUMOSX_FUZZ_FIRST=\(number) LUMOSX_FUZZ_RUNS=1"
      do {
        try target.read(bytes)
        accepted += 1
      } catch let error as LumosError {
        if error.kind != .badInput { Issue.record(error, Comment(rawValue: again)) }
        if reasons.count < 10_000 { reasons.insert(String(error.what.filter { !$0.isNumber }.prefix(24))) }
      } catch let error as JSONParseError {
        if reasons.count < 10_000 { reasons.insert(error.reason) }
      } catch {
        Issue.record(error, Comment(rawValue: again))
      }
      let now = Self.seconds()
      if now - before > 1 { Issue.record("a file of \(bytes.count) bytes took \(now - before) s: \(again)") }
      before = now
    }
    // A fuzzer that is refused at the door, or never, tests nothing.
    if first == 0, runs >= 4000 {
      #expect(accepted > runs / 200 && accepted < runs)
      #expect(reasons.count >= 8, "\(reasons)")
    }
    if Self.setting("RUNS") != nil {
      var usage = rusage()
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      print("\(name): \(runs) files, \(accepted) accepted, \(reasons.count) reasons, peak \(usage.ru_maxrss >> 10) MB")
    }
  }

  /// Processor time of this thread: parsers wait for nothing, and machines may be busy.
  private static func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// Where the number of the current file is kept, so that it is known after a crash: eight bytes of a mapped file.
private final class FuzzNote {
  private let memory: UnsafeMutablePointer<Int64>

  init(_ path: String, target: String) throws {
    let file = open("\(path).\(target)", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(file) }
    guard file >= 0, ftruncate(file, 8) == 0,
      let base = mmap(nil, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), base != MAP_FAILED
    else { throw FuzzTarget.Broken(what: "cannot write \(path).\(target)") }
    memory = base.assumingMemoryBound(to: Int64.self)
  }

  deinit { munmap(memory, 8) }

  var number: Int {
    get { Int(memory.pointee) }
    set { memory.pointee = Int64(newValue) }
  }
}
