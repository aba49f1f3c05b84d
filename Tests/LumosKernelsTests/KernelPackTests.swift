import Foundation
import Testing

@testable import LumosKernels

@Suite struct KernelPackTests {
  @Test func everyKernelIsWholeSPIRV() throws {
    #expect(KernelPack.names.contains("Elementwise.add.f32"))
    #expect(KernelPack.names == KernelPack.names.sorted())
    for name in KernelPack.names {
      let words = try #require(KernelPack.spirv(name))
      // Matrices of whole workgroups need SPIR-V 1.6, and their devices know it.
      let version: UInt32 = name.contains(".workgroup.") ? 0x0001_0600 : 0x0001_0500
      #expect(words[0] == 0x0723_0203 && words[1] == version, "\(name) is not SPIR-V 1.5")
      // Walk the instructions: each begins with its length, and the last must end where the module does.
      var at = 5
      while at < words.count, words[at] >> 16 > 0 { at += Int(words[at] >> 16) }
      #expect(at == words.count, "\(name) breaks off")
    }
  }

  @Test func anUnknownKernelIsNil() { #expect(KernelPack.spirv("Elementwise.subtract") == nil) }

  @Test(arguments: [0, 1, 2, 3, 4, 7, 100])
  func base64GivesBackTheWords(_ count: Int) {
    let words = (0..<UInt32(count + 3)).map { $0 &* 2_654_435_761 &+ 0x8000_0000 }
    var bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    bytes += Array(repeating: 0, count: (12 - bytes.count % 12) % 12)
    let text = Array(Data(bytes).base64EncodedString().utf8)
    text.withUnsafeBufferPointer { text in
      #expect(Base64.words(text, at: 0, count: count) == Array(words.prefix(count)))
      #expect(Base64.words(text, at: 3, count: count) == Array(words.dropFirst(3)))
    }
  }
}
