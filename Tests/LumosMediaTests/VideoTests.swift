import CLibAV
import Foundation
import LumosTensor
import Testing

@testable import LumosMedia

/// Videos written, probed and decoded again.
@Suite struct VideoTests {
  private let width = 112
  private let height = 64

  private func write(
    _ path: String, frameCount: Int = 21, metadata: [VideoWriter.MetadataKey: String] = [:]
  ) throws -> [Image] {
    let frames = (0..<frameCount).map { MediaFixtures.movingPicture(width: width, height: height, time: $0) }
    let writer = try VideoWriter(path: path, width: width, height: height, metadata: metadata)
    for frame in frames { try writer.append(frame) }
    #expect(writer.frameCount == frameCount)
    try writer.finish()
    return frames
  }

  @Test func framesComeBack() throws {
    try MediaFixtures.withFolder { folder in
      let path = folder + "/a name: with % signs.mp4"
      let frames = try write(path, metadata: [.title: "Strand", .comment: "seed 7, größer"])
      let info = try VideoProbe.info(path)
      #expect(info.width == width && info.height == height && info.frameCount == 21)
      #expect(info.framesPerSecond == 16 && info.duration == 21.0 / 16)
      #expect(info.codec == "h264" && info.pixelFormat == "yuv420p")
      #expect(info.colorRange == "tv" && info.colorMatrix == "smpte170m")
      #expect(info.colorPrimaries == "bt709" && info.colorTransfer == "iec61966-2-1")
      #expect(info.metadata["title"] == "Strand" && info.metadata["comment"] == "seed 7, größer")
      let decoded = try VideoProbe.frames(path)
      try #require(decoded.count == frames.count)
      for (index, (ours, theirs)) in zip(frames, decoded).enumerated() {
        #expect(MediaFixtures.psnr(ours, theirs) > 35, "frame \(index)")
      }
      // The order is right: a frame is nearer to itself than to its neighbour.
      #expect(MediaFixtures.psnr(frames[10], decoded[10]) > MediaFixtures.psnr(frames[11], decoded[10]) + 10)
      #expect(try MediaFixtures.names(folder).count == 1)
    }
  }

  /// A player can start before it has the whole file.
  @Test func indexLiesInFront() throws {
    try MediaFixtures.withFolder { folder in
      _ = try write(folder + "/v.mp4", frameCount: 3)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/v.mp4"))
      let index = try #require(bytes.range(of: Data("moov".utf8)))
      let data = try #require(bytes.range(of: Data("mdat".utf8)))
      #expect(index.lowerBound < data.lowerBound)
    }
  }

  @Test func sameFramesSameBytes() throws {
    try MediaFixtures.withFolder { folder in
      for name in ["a", "b"] { _ = try write("\(folder)/\(name).mp4", metadata: [.title: "t", .artist: "x"]) }
      #expect(FileManager.default.contentsEqual(atPath: folder + "/a.mp4", andPath: folder + "/b.mp4"))
    }
  }

  /// Flat colours show whether matrix and range of writer and reader agree; a wrong matrix is off by ten levels.
  @Test(arguments: [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 100, 50)])
  func flatColours(_ red: Int, _ green: Int, _ blue: Int) throws {
    try MediaFixtures.withFolder { folder in
      let frame = Image(width: 32, height: 32, red: UInt8(red), green: UInt8(green), blue: UInt8(blue))
      let writer = try VideoWriter(path: folder + "/v.mp4", width: 32, height: 32)
      try writer.append(frame)
      try writer.finish()
      let decoded = try #require(try VideoProbe.frames(folder + "/v.mp4").first)
      #expect(MediaFixtures.maximumDifference(frame, decoded) <= 3)
    }
  }

  /// Chroma is reduced, and interpolated, where the stream says that it lies: horizontally on the left column,
  /// vertically between two rows. Ramps of blue, two levels a pixel, show a displacement of a tenth of a pixel.
  @Test(arguments: [(2, 0), (-2, 0), (0, 2), (0, -2)])
  func chromaLiesOnTheLeft(_ slopeX: Int, _ slopeY: Int) throws {
    let (width, height) = (64, 48)
    func blue(_ x: Double, _ y: Double) -> Double { 128 + Double(slopeX) * (x - 32) + Double(slopeY) * (y - 24) }
    var pixels: [UInt8] = []
    for y in 0..<height { for x in 0..<width { pixels += [128, 100, UInt8(blue(Double(x), Double(y)))] } }
    let meaning = PixelConverter.Meaning(matrix: SWS_CS_ITU601, fullRange: false, chromaLeft: true)
    let rgb = try AVFrameBox(width: width, height: height, format: AV_PIX_FMT_RGB24)
    rgb.fill(from: Image(width: width, height: height, pixels: pixels))
    let yuv = try AVFrameBox(width: width, height: height, format: AV_PIX_FMT_YUV420P)
    try PixelConverter(
      width: width, height: height, from: AV_PIX_FMT_RGB24, to: AV_PIX_FMT_YUV420P, meaning, name: "test"
    ).convert(rgb, into: yuv)
    let back = try AVFrameBox(width: width, height: height, format: AV_PIX_FMT_RGB24)
    try PixelConverter(
      width: width, height: height, from: AV_PIX_FMT_YUV420P, to: AV_PIX_FMT_RGB24, meaning, name: "test"
    ).convert(yuv, into: back)

    // Cb = 128 + 224/255 (B - Y)/1.772 with Y = 0.299 R + 0.587 G + 0.114 B.
    func blueDifference(_ blue: Double) -> Double {
      128 + 224.0 / 255 * (blue * 0.886 - 0.299 * 128 - 0.587 * 100) / 1.772
    }
    let plane = yuv.plane(1, width: width / 2, height: height / 2)
    var shift = 0.0
    for y in 4..<20 {
      for x in 4..<28 {
        shift += Double(plane.samples[y * width / 2 + x]) - blueDifference(blue(Double(2 * x), Double(2 * y) + 0.5))
      }
    }
    #expect(abs(shift) / (16 * 24) < 0.2 * 0.4392)
    let samples = back.plane(0, width: width * 3, height: height).samples
    for (oddX, oddY) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
      var shift = 0
      for y in 4..<20 {
        for x in 4..<28 {
          let at = ((2 * y + oddY) * width + 2 * x + oddX) * 3 + 2
          shift += Int(samples[at]) - Int(pixels[at])
        }
      }
      #expect(abs(Double(shift)) / (16 * 24) < 0.3)
    }
  }

  @Test func probeRefusesOtherFiles() throws {
    for name in ["images/photo_444.jpg", "images/still.gif", "images/expected.safetensors", "none.mp4"] {
      let error = lumosError { _ = try VideoProbe.info(MediaFixtures.path(name)) }
      #expect(error?.kind == .badInput && error?.place == MediaFixtures.path(name))
    }
    try MediaFixtures.withFolder { folder in
      _ = try write(folder + "/v.mp4", frameCount: 5)
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/v.mp4")))
      var random = SplitMix(state: 3)
      for _ in 0..<60 {
        var damaged = bytes
        for _ in 0..<6 {
          damaged[Int.random(in: 8..<damaged.count, using: &random)] = .random(in: 0...255, using: &random)
        }
        try Data(damaged).write(to: URL(fileURLWithPath: folder + "/d.mp4"))
        do {
          for frame in try VideoProbe.frames(folder + "/d.mp4") { #expect(!frame.pixels.isEmpty) }
        } catch let error as LumosError { #expect(error.kind == .badInput || error.kind == .tryAgain, "\(error)") }
      }
    }
  }
}

/// What can go wrong while a video is written, and that nothing stays behind.
@Suite struct VideoFailureTests {
  private let frame = MediaFixtures.movingPicture(width: 64, height: 32, time: 0)

  @Test func nothingIsLeftWithoutFinish() throws {
    try MediaFixtures.withFolder { folder in
      try Data("old".utf8).write(to: URL(fileURLWithPath: folder + "/v.mp4"))
      do {
        let writer = try VideoWriter(path: folder + "/v.mp4", width: 64, height: 32)
        try writer.append(frame)
        #expect(try MediaFixtures.names(folder).count == 2)
      }
      #expect(try MediaFixtures.names(folder) == ["v.mp4"])
      #expect(try String(contentsOfFile: folder + "/v.mp4", encoding: .utf8) == "old")
      let writer = try VideoWriter(path: folder + "/v.mp4", width: 64, height: 32)
      try writer.append(frame)
      writer.cancel()
      #expect(try MediaFixtures.names(folder) == ["v.mp4"])
      #expect(lumosError { try writer.append(frame) }?.kind == .internalDefect)
      #expect(lumosError { try writer.finish() }?.kind == .internalDefect)
    }
  }

  @Test func refusedAtOnce() throws {
    try MediaFixtures.withFolder { folder in
      let odd = lumosError { _ = try VideoWriter(path: folder + "/v.mp4", width: 63, height: 32) }
      #expect(odd?.kind == .usage && odd?.advice == "choose even sides of at most 16384")
      let missing = lumosError { _ = try VideoWriter(path: folder + "/none/v.mp4", width: 64, height: 32) }
      #expect(missing?.kind == .cannotWrite && missing?.kind.exitCode == 73)
      #expect(missing?.place == folder + "/none/v.mp4" && missing?.advice == "create the folder first")
      #expect(lumosError { _ = try VideoWriter(path: folder, width: 64, height: 32) }?.kind == .cannotWrite)
      #expect(lumosError { _ = try VideoWriter(path: "/proc/v.mp4", width: 64, height: 32) }?.kind == .cannotWrite)
      let encoder = lumosError {
        _ = try VideoWriter(
          path: folder + "/v.mp4", width: 64, height: 32, framesPerSecond: 16, crf: 10, metadata: [:],
          encoderName: "libnone")
      }
      #expect(encoder?.kind == .cannotWrite && encoder?.what == "this FFmpeg has no encoder libnone")
      #expect(encoder?.advice?.contains("install") == true)
      let empty = try VideoWriter(path: folder + "/v.mp4", width: 64, height: 32)
      #expect(lumosError { try empty.finish() }?.what == "a video needs at least one frame")
      #expect(try MediaFixtures.names(folder) == [])
    }
  }

  /// A full disk, in a process of its own because the limit that stands in for it holds for all its files.
  @Test func fullDisk() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 20_000, rlim_max: 20_000)
      #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      try MediaFixtures.withFolder { folder in
        let writer = try VideoWriter(path: folder + "/v.mp4", width: 64, height: 32)
        let video = lumosError {
          for index in 0..<200 { try writer.append(VideoFailureTests.noise(index)) }
          try writer.finish()
        }
        #expect(video?.kind == .inputOutput && video?.kind.exitCode == 74)
        #expect(video?.what == "the file is larger than the system allows" && video?.advice != nil)
        #expect(try MediaFixtures.names(folder) == [])
        let large = ContactSheet.make(frames: (0..<6).map(VideoFailureTests.noise), columns: 2)
        let png = lumosError { try PNGWriter.write(large, folder + "/p.png") }
        #expect(png?.kind == .inputOutput && png?.place == folder + "/p.png")
        #expect(try MediaFixtures.names(folder) == [])
      }
    }
  }

  /// The same on a file system that is really full, where the kernel lets this process mount one.
  @Test func fullFileSystem() async {
    await #expect(processExitsWith: .success) {
      try MediaFixtures.withFolder { folder in
        guard mount("tmpfs", folder, "tmpfs", 0, "size=64k") == 0 else { return }
        defer { umount(folder) }
        let writer = try VideoWriter(path: folder + "/v.mp4", width: 64, height: 32)
        let error = lumosError {
          for index in 0..<200 { try writer.append(VideoFailureTests.noise(index)) }
          try writer.finish()
        }
        #expect(error?.kind == .inputOutput && error?.what == "the disk is full", "\(String(describing: error))")
        #expect(try MediaFixtures.names(folder) == [])
      }
    }
  }

  static func noise(_ index: Int) -> Image {
    var random = SplitMix(state: UInt64(index))
    return Image(
      width: 64, height: 32, pixels: (0..<64 * 32 * 3).map { _ in .random(in: 0...255, using: &random) })
  }
}
