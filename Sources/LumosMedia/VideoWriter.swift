import CLibAV
import LumosTensor

/// H.264 in MP4, frame by frame, through libx264.
///
/// Settings are those of the published code (MODEL.md section 12): yuv420p, constant rate factor 10, preset medium. RGB
/// becomes YUV with the BT.601 matrix in limited range, as the published code's ffmpeg does it; unlike there, the
/// stream says so (primaries BT.709, transfer sRGB, matrix BT.601: the usual triple for sRGB pixels in YUV), so that
/// players need not guess from the size. The index is moved to the front.
///
/// On one machine the same frames give the same bytes: no dates, no library versions, one encoder thread, and no
/// macroblock tree, whose vector code in x264 (build 164) reads memory that was never written. Without it the files
/// are about a quarter larger and 2 dB better.
///
/// The file is written under a temporary name and renamed by `finish`; without it, or after an error, nothing is left.
/// Memory does not grow with the number of frames. Not for use from several tasks at once.
public final class VideoWriter {
  /// What MP4 players show about a file.
  public enum MetadataKey: String, Sendable, Hashable, CaseIterable {
    case title, comment, description, artist, copyright, date
  }

  /// Columns of every frame, pixels.
  public let width: Int
  /// Rows of every frame, pixels.
  public let height: Int
  /// Frames a second.
  public let framesPerSecond: Int
  /// Frames appended so far.
  public private(set) var frameCount = 0

  private var file: PartialFile?
  private let path: String
  private var format: UnsafeMutablePointer<AVFormatContext>?
  private var encoder: UnsafeMutablePointer<AVCodecContext>?
  private var packet: UnsafeMutablePointer<AVPacket>?
  private let source: AVFrameBox
  private let converted: AVFrameBox
  private let converter: PixelConverter

  /// Opens `path` for frames of `height` x `width` pixels, both even.
  ///
  /// `crf` is x264's constant rate factor, 0 (lossless) to 51. Throws `LumosError`: `.usage` for odd sizes,
  /// `.cannotWrite` if the file cannot be created or FFmpeg lacks libx264.
  public convenience init(
    path: String, width: Int, height: Int, framesPerSecond: Int = 16, crf: Int = 10,
    metadata: [MetadataKey: String] = [:]
  ) throws {
    try self.init(
      path: path, width: width, height: height, framesPerSecond: framesPerSecond, crf: crf, metadata: metadata,
      encoderName: "libx264")
  }

  /// As above, with another encoder, which the tests name to see what happens if it is missing.
  init(
    path: String, width: Int, height: Int, framesPerSecond: Int, crf: Int, metadata: [MetadataKey: String],
    encoderName: String
  ) throws {
    precondition(framesPerSecond > 0 && (0...51).contains(crf), "\(framesPerSecond) frames/s, rate factor \(crf)")
    guard width > 0, height > 0, width % 2 == 0, height % 2 == 0, max(width, height) <= 16_384 else {
      throw LumosError(
        .usage, "a video of \(width) x \(height) pixels cannot be encoded", at: path,
        advice: "choose even sides of at most 16384")
    }
    _ = LibAV.quiet
    self.path = path
    self.width = width
    self.height = height
    self.framesPerSecond = framesPerSecond
    source = try AVFrameBox(width: width, height: height, format: AV_PIX_FMT_RGB24)
    converted = try AVFrameBox(width: width, height: height, format: AV_PIX_FMT_YUV420P)
    converter = try PixelConverter(
      width: width, height: height, from: AV_PIX_FMT_RGB24, to: AV_PIX_FMT_YUV420P,
      .init(matrix: SWS_CS_ITU601, fullRange: false, chromaLeft: true), name: path)
    guard let codec = avcodec_find_encoder_by_name(encoderName) else {
      throw LumosError(
        .cannotWrite, "this FFmpeg has no encoder \(encoderName)", at: path,
        advice: "install FFmpeg libraries that contain it, such as those of Debian or Ubuntu (libavcodec)")
    }
    let file = try PartialFile(for: path)
    self.file = file
    // All is initialised: from here on `deinit` cleans up after a throw.
    try openEncoder(codec, crf: crf)
    try openContainer(LibAV.url(file.partialPath), metadata)
  }

  deinit { close() }

  /// Encodes one frame of `height` x `width`. Throws `LumosError.inputOutput` if writing fails (disk full), after which
  /// the video is gone and the writer of no more use.
  public func append(_ frame: Image) throws {
    precondition(
      frame.width == width && frame.height == height,
      "a frame of \(frame.width) x \(frame.height) in a video of \(width) x \(height)")
    try attempt {
      source.fill(from: frame)
      // The encoder may still look at the previous frame.
      try check(av_frame_make_writable(converted.pointer), "a frame cannot be prepared")
      try converter.convert(source, into: converted)
      converted.pointer.pointee.pts = Int64(frameCount)
      converted.pointer.pointee.color_range = AVCOL_RANGE_MPEG
      try check(avcodec_send_frame(encoder, converted.pointer), "frame \(frameCount) cannot be encoded")
      frameCount += 1
      try drain()
    }
  }

  /// Completes the file and gives it its name. Throws `LumosError`: `.inputOutput` if writing fails, `.cannotWrite` if
  /// the name cannot be taken, `.internalDefect` without frames.
  public func finish() throws {
    try attempt {
      guard frameCount > 0 else {
        throw LumosError(.internalDefect, "a video needs at least one frame", at: path)
      }
      try check(avcodec_send_frame(encoder, nil), "the encoder cannot be flushed")
      try drain()
      try check(av_write_trailer(format), "the index cannot be written")
      try checkOutput()
      if let format { try check(avio_closep(&format.pointee.pb), "the file cannot be closed") }
      try file?.commit()
    }
    close()
  }

  /// Drops the video: nothing is left of it.
  public func cancel() { close() }

  /// Runs a step of an open writer; a failure drops the video.
  private func attempt(_ step: () throws -> Void) throws {
    guard file != nil else {
      throw LumosError(.internalDefect, "the video was finished or dropped before", at: path)
    }
    do { try step() } catch {
      close()
      throw error
    }
  }

  private func close() {
    av_packet_free(&packet)
    avcodec_free_context(&encoder)
    if let format { avio_closep(&format.pointee.pb) }
    avformat_free_context(format)
    format = nil
    file = nil
  }

  private func openEncoder(_ codec: UnsafePointer<AVCodec>, crf: Int) throws {
    packet = av_packet_alloc()
    encoder = avcodec_alloc_context3(codec)
    guard packet != nil, let encoder else { throw LibAV.outOfMemory(path) }
    encoder.pointee.width = Int32(width)
    encoder.pointee.height = Int32(height)
    encoder.pointee.pix_fmt = AV_PIX_FMT_YUV420P
    encoder.pointee.time_base = AVRational(num: 1, den: Int32(framesPerSecond))
    encoder.pointee.framerate = AVRational(num: Int32(framesPerSecond), den: 1)
    encoder.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
    encoder.pointee.color_range = AVCOL_RANGE_MPEG
    encoder.pointee.colorspace = AVCOL_SPC_SMPTE170M
    encoder.pointee.color_primaries = AVCOL_PRI_BT709
    encoder.pointee.color_trc = AVCOL_TRC_IEC61966_2_1
    encoder.pointee.chroma_sample_location = AVCHROMA_LOC_LEFT
    // The bytes depend on the number of threads.
    encoder.pointee.thread_count = 1
    // MP4 keeps the parameter sets in its header.
    encoder.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT
    av_opt_set(encoder.pointee.priv_data, "preset", "medium", 0)
    av_opt_set(encoder.pointee.priv_data, "crf", String(crf), 0)
    av_opt_set(encoder.pointee.priv_data, "mbtree", "0", 0)
    try check(avcodec_open2(encoder, codec, nil), "the encoder cannot be opened")
  }

  private func openContainer(_ url: String, _ metadata: [MetadataKey: String]) throws {
    try check(avformat_alloc_output_context2(&format, nil, "mp4", url), "MP4 cannot be written")
    guard let format, let encoder, let stream = avformat_new_stream(format, nil) else { throw LibAV.outOfMemory(path) }
    format.pointee.flags |= AVFMT_FLAG_BITEXACT
    stream.pointee.time_base = encoder.pointee.time_base
    stream.pointee.avg_frame_rate = encoder.pointee.framerate
    try check(avcodec_parameters_from_context(stream.pointee.codecpar, encoder), "the encoder cannot be described")
    for (key, value) in metadata.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      av_dict_set(&format.pointee.metadata, key.rawValue, value, 0)
    }
    try check(avio_open(&format.pointee.pb, url, AVIO_FLAG_WRITE), "the file cannot be opened")
    var options: OpaquePointer?
    defer { av_dict_free(&options) }
    av_dict_set(&options, "movflags", "+faststart+write_colr", 0)
    try check(avformat_write_header(format, &options), "the header cannot be written")
    try checkOutput()
  }

  /// Writes what the encoder has ready.
  private func drain() throws {
    guard let encoder, let format, let packet, let stream = format.pointee.streams[0] else { return }
    while true {
      let code = avcodec_receive_packet(encoder, packet)
      if code == lumos_av_again() || code == lumos_av_end_of_file() { break }
      try check(code, "the encoder failed")
      packet.pointee.stream_index = 0
      packet.pointee.duration = 1
      av_packet_rescale_ts(packet, encoder.pointee.time_base, stream.pointee.time_base)
      try check(av_interleaved_write_frame(format, packet), "a frame cannot be written")
    }
    try checkOutput()
  }

  /// Writes are buffered: their failure shows here, not where they were made.
  private func checkOutput() throws {
    if let output = format?.pointee.pb { try check(output.pointee.error, "writing failed") }
  }

  private func check(_ code: Int32, _ what: String) throws {
    guard code < 0 else { return }
    let systemError = lumos_av_system_error(code)
    switch systemError {
    case ENOMEM: throw LibAV.outOfMemory(path)
    case 0, EINVAL: throw LumosError(.internalDefect, "\(what): \(LibAV.message(code))", at: path)
    default:
      throw file?.writeFailure(systemError) ?? LumosError(.inputOutput, "\(what): \(LibAV.message(code))", at: path)
    }
  }
}
