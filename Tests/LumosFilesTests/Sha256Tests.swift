import Testing

@testable import LumosFiles

struct Sha256Tests {
  private func hex(_ text: String) -> String { Array(text.utf8).withUnsafeBytes { Sha256.hex($0) } }

  /// The examples of FIPS 180-4 (NIST, "SHA256.pdf" of the Cryptographic Standards examples) and the empty message.
  @Test func publishedExamples() {
    #expect(hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(
      hex(String(repeating: "a", count: 1_000_000))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// Every length around the block size, fed in pieces of every size, hashes like the whole.
  @Test func piecesHashLikeTheWhole() {
    for count in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 200] {
      let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let whole = message.withUnsafeBytes { Sha256.hex($0) }
      for piece in [1, 3, 55, 64, 65] {
        var hash = Sha256()
        for start in stride(from: 0, to: count, by: piece) {
          message[start..<min(start + piece, count)].withUnsafeBytes { hash.update($0) }
        }
        #expect(hash.hexDigest() == whole, "\(count) bytes in pieces of \(piece)")
      }
    }
  }
}
