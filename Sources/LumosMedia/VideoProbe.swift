import CLibAV
import LumosTensor

/// What a video file says about itself.
public struct VideoInfo: Sendable, Equatable {
  /// Pixels.
  public var width: Int
  /// Pixels.
  public var height: Int
  /// Frames in the file, counted.
  public var frameCount: Int
  /// Average frames a second.
  public var framesPerSecond: Double
  /// Seconds from the first frame to the end of the last.
  public var duration: Double
  /// FFmpeg's name of the codec: `"h264"`.
  public var codec: String
  /// FFmpeg's name of the pixel format: `"yuv420p"`.
  public var pixelFormat: String
  /// FFmpeg's name of the range of YUV: `"tv"` (limited) or `"pc"` (full).
  public var colorRange: String
  /// FFmpeg's name of the YUV matrix: `"smpte170m"` (BT.601), `"bt709"`.
  public var colorMatrix: String
  /// FFmpeg's name of the primaries: `"bt709"`.
  public var colorPrimaries: String
  /// FFmpeg's name of the transfer function: `"iec61966-2-1"` (sRGB).
  public var colorTransfer: String
  /// Title, comment and the like.
  public var metadata: [String: String]
}

/// Looks into MP4 and Matroska files and decodes them, for `inspect` and for tests.
public enum VideoProbe {
  /// What `path` says about itself; reads the whole file but decodes nothing.
  ///
  /// Throws `LumosError.badInput` for anything that is not a video in MP4 or Matroska.
  public static func info(_ path: String) throws -> VideoInfo {
    let file = try OpenVideo(path)
    let parameters = file.stream.pointee.codecpar.pointee
    let rate = file.stream.pointee.avg_frame_rate
    var frameCount = 0
    try file.forEachPacket { _ in
      frameCount += 1
      return true
    }
    let framesPerSecond = rate.den != 0 ? Double(rate.num) / Double(rate.den) : 0
    let base = file.stream.pointee.time_base
    let ticks = file.stream.pointee.duration
    let duration =
      ticks == lumos_av_no_timestamp() || base.den == 0
      ? (framesPerSecond > 0 ? Double(frameCount) / framesPerSecond : 0)
      : Double(ticks) * Double(base.num) / Double(base.den)
    func name(_ text: UnsafePointer<CChar>?) -> String { text.map { String(cString: $0) } ?? "unknown" }
    return VideoInfo(
      width: Int(parameters.width), height: Int(parameters.height), frameCount: frameCount,
      framesPerSecond: framesPerSecond, duration: duration, codec: name(avcodec_get_name(parameters.codec_id)),
      pixelFormat: AVPixelFormat(parameters.format).name,
      colorRange: name(av_color_range_name(parameters.color_range)),
      colorMatrix: name(av_color_space_name(parameters.color_space)),
      colorPrimaries: name(av_color_primaries_name(parameters.color_primaries)),
      colorTransfer: name(av_color_transfer_name(parameters.color_trc)), metadata: file.metadata)
  }

  /// Decodes `path` frame by frame to RGB; `body` returns false to stop. Throws as `info`, and what `body` throws.
  public static func decode(_ path: String, _ body: (Image) throws -> Bool) throws {
    let file = try OpenVideo(path)
    let decoder = try VideoFrameDecoder(file.stream.pointee.codecpar, path)
    var isWanted = true
    try file.forEachPacket { packet in
      isWanted = try decoder.decode(packet, body)
      return isWanted
    }
    if isWanted { _ = try decoder.decode(nil, body) }
  }

  /// All frames of `path`, for short videos.
  public static func frames(_ path: String) throws -> [Image] {
    var frames: [Image] = []
    try decode(path) {
      frames.append($0)
      return true
    }
    return frames
  }
}

/// A container that is open for reading, at its first video stream.
private final class OpenVideo {
  private var format: UnsafeMutablePointer<AVFormatContext>?
  private let path: String
  let stream: UnsafeMutablePointer<AVStream>

  init(_ path: String) throws {
    _ = LibAV.quiet
    self.path = path
    var options: OpaquePointer?
    defer { av_dict_free(&options) }
    // A hostile file may not make libav open other files or connections, nor meet its rarer demuxers.
    av_dict_set(&options, "protocol_whitelist", "file", 0)
    av_dict_set(&options, "format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm", 0)
    var format: UnsafeMutablePointer<AVFormatContext>?
    var code = avformat_open_input(&format, LibAV.url(path), nil, &options)
    if code >= 0 { code = avformat_find_stream_info(format, nil) }
    let index = code >= 0 ? av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, nil, 0) : code
    guard index >= 0, let format, let stream = format.pointee.streams[Int(index)] else {
      avformat_close_input(&format)
      throw LumosError(
        .badInput, "cannot be read as a video: \(LibAV.message(index))", at: path, advice: "name an MP4 file")
    }
    self.format = format
    self.stream = stream
  }

  deinit { avformat_close_input(&format) }

  var metadata: [String: String] {
    var result: [String: String] = [:]
    var entry: UnsafeMutablePointer<AVDictionaryEntry>?
    while let next = av_dict_get(format?.pointee.metadata, "", entry, AV_DICT_IGNORE_SUFFIX) {
      result[String(cString: next.pointee.key)] = String(cString: next.pointee.value)
      entry = next
    }
    return result
  }

  func forEachPacket(_ body: (UnsafeMutablePointer<AVPacket>) throws -> Bool) throws {
    var packet = av_packet_alloc()
    defer { av_packet_free(&packet) }
    guard let packet else { throw LibAV.outOfMemory(path) }
    while true {
      let code = av_read_frame(format, packet)
      if code == lumos_av_end_of_file() { return }
      guard code >= 0 else {
        throw LumosError(.badInput, "the video is damaged: \(LibAV.message(code))", at: path)
      }
      defer { av_packet_unref(packet) }
      if packet.pointee.stream_index == stream.pointee.index, try !body(packet) { return }
    }
  }
}

/// Packets to RGB images.
private final class VideoFrameDecoder {
  private var context: UnsafeMutablePointer<AVCodecContext>?
  private let path: String
  private let frame: AVFrameBox
  private var converter: PixelConverter?

  init(_ parameters: UnsafePointer<AVCodecParameters>, _ path: String) throws {
    self.path = path
    frame = try AVFrameBox()
    guard let codec = avcodec_find_decoder(parameters.pointee.codec_id) else {
      throw LumosError(.badInput, "this FFmpeg cannot decode its codec", at: path)
    }
    context = avcodec_alloc_context3(codec)
    guard let context else { throw LibAV.outOfMemory(path) }
    context.pointee.max_pixels = Int64(ImageReader.maximumPixelCount)
    try check(avcodec_parameters_to_context(context, parameters))
    try check(avcodec_open2(context, codec, nil))
  }

  deinit { avcodec_free_context(&context) }

  /// Feeds a packet (nil: the end) and hands over what comes out; false if the receiver wants no more.
  func decode(_ packet: UnsafeMutablePointer<AVPacket>?, _ body: (Image) throws -> Bool) throws -> Bool {
    try check(avcodec_send_packet(context, packet))
    while true {
      let code = avcodec_receive_frame(context, frame.pointer)
      if code == lumos_av_again() || code == lumos_av_end_of_file() { return true }
      try check(code)
      if try !body(image()) { return false }
    }
  }

  private func image() throws -> Image {
    let source = frame.pointer.pointee
    let (width, height) = (Int(source.width), Int(source.height))
    let (format, impliesFullRange) = AVPixelFormat(source.format).withoutRange
    let matrix: Int32 =
      switch source.colorspace {
      case AVCOL_SPC_BT709: SWS_CS_ITU709
      case AVCOL_SPC_FCC: SWS_CS_FCC
      case AVCOL_SPC_SMPTE240M: SWS_CS_SMPTE240M
      case AVCOL_SPC_BT2020_NCL, AVCOL_SPC_BT2020_CL: SWS_CS_BT2020
      default: SWS_CS_ITU601
      }
    let meaning = PixelConverter.Meaning(
      matrix: matrix, fullRange: impliesFullRange || source.color_range == AVCOL_RANGE_JPEG,
      chromaLeft: source.chroma_location != AVCHROMA_LOC_CENTER)
    if converter?.fits(width: width, height: height, from: format, meaning) != true {
      try ImageReader.checkSize(width: width, height: height, name: path)
      converter = try PixelConverter(
        width: width, height: height, from: format, to: AV_PIX_FMT_RGB24, meaning, name: path)
    }
    let target = try AVFrameBox(width: width, height: height, format: AV_PIX_FMT_RGB24)
    try converter?.convert(frame, into: target)
    return Image(width: width, height: height, pixels: target.plane(0, width: width * 3, height: height).samples)
  }

  private func check(_ code: Int32) throws {
    guard code < 0 else { return }
    throw LumosError(.badInput, "the video cannot be decoded: \(LibAV.message(code))", at: path)
  }
}
