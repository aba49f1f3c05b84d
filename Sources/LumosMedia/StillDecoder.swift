import CLibAV
import LumosTensor

/// One compressed still image through libavcodec. The container was taken apart before.
enum StillDecoder {
  /// Decodes `packet`, one complete image, to RGB; transparency is composited over white.
  ///
  /// `rules` says how YUV of this format becomes RGB.
  /// Throws `LumosError`: `.badInput` for damage, `.internalDefect` if this FFmpeg lacks the decoder.
  static func decode(_ packet: ArraySlice<UInt8>, _ codec: AVCodecID, _ rules: PlanarYUV.Rules, name: String) throws
    -> Image
  {
    _ = LibAV.quiet
    guard let decoder = avcodec_find_decoder(codec) else {
      throw LumosError(
        .internalDefect, "this FFmpeg has no decoder for \(String(cString: avcodec_get_name(codec)))", at: name,
        advice: "convert the image to PNG, or install a complete libavcodec")
    }
    var context = avcodec_alloc_context3(decoder)
    defer { avcodec_free_context(&context) }
    guard let context else { throw LibAV.outOfMemory(name) }
    // One thread, because frame threads would hold the only frame back.
    context.pointee.thread_count = 1
    context.pointee.err_recognition = lumos_av_strict_recognition()
    context.pointee.max_pixels = Int64(ImageReader.maximumPixelCount)
    // The exact transform: of all that libavcodec has it comes nearest to libjpeg's, which Pillow uses.
    context.pointee.idct_algo = FF_IDCT_FAAN
    try check(avcodec_open2(context, decoder, nil), name)

    let frame = try AVFrameBox()
    try send(packet, to: context, name)
    try check(avcodec_send_packet(context, nil), name)
    try check(avcodec_receive_frame(context, frame.pointer), name)
    guard frame.pointer.pointee.decode_error_flags == 0 else {
      throw ImageReader.corrupt(at: name, "the compressed data is damaged")
    }
    return try convert(frame, rules, name: name)
  }

  /// Sends a copy of the bytes with the padding that libav's bit readers need.
  private static func send(
    _ bytes: ArraySlice<UInt8>, to context: UnsafeMutablePointer<AVCodecContext>, _ name: String
  ) throws {
    var packet = av_packet_alloc()
    defer { av_packet_free(&packet) }
    guard let packet, let size = Int32(exactly: bytes.count), av_new_packet(packet, size) >= 0 else {
      throw LibAV.outOfMemory(name)
    }
    bytes.withUnsafeBytes { source in
      UnsafeMutableRawBufferPointer(start: packet.pointee.data, count: bytes.count).copyMemory(from: source)
    }
    try check(avcodec_send_packet(context, packet), name)
  }

  private static func convert(_ frame: AVFrameBox, _ rules: PlanarYUV.Rules, name: String) throws -> Image {
    let (width, height) = (Int(frame.pointer.pointee.width), Int(frame.pointer.pointee.height))
    try ImageReader.checkSize(width: width, height: height, name: name)
    let (format, _) = AVPixelFormat(frame.pointer.pointee.format).withoutRange
    let luma = frame.plane(0, width: width, height: height)
    var pixels: [UInt8]
    let hasAlpha = format.hasAlpha
    switch format {
    case AV_PIX_FMT_GRAY8:
      pixels = luma.samples.flatMap { [$0, $0, $0] }
    case AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV440P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUVA420P:
      let chromaWidth = format == AV_PIX_FMT_YUV440P || format == AV_PIX_FMT_YUV444P ? width : (width + 1) / 2
      let chromaHeight = format == AV_PIX_FMT_YUV422P || format == AV_PIX_FMT_YUV444P ? height : (height + 1) / 2
      let planes = PlanarYUV(
        luma: luma, blue: frame.plane(1, width: chromaWidth, height: chromaHeight),
        red: frame.plane(2, width: chromaWidth, height: chromaHeight), rules: rules)
      pixels = planes.pixels(alpha: hasAlpha ? frame.plane(3, width: width, height: height) : nil)
    default:
      // RGB (lossless WebP, some JPEG) and CMYK, which swscale only reorders; rare subsamplings in its own way.
      let target = hasAlpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24
      let converter = try PixelConverter(
        width: width, height: height, from: format, to: target,
        .init(matrix: SWS_CS_ITU601, fullRange: rules == .jpeg, chromaLeft: false), name: name)
      let converted = try AVFrameBox(width: width, height: height, format: target)
      try converter.convert(frame, into: converted)
      pixels = converted.plane(0, width: width * (hasAlpha ? 4 : 3), height: height).samples
    }
    if hasAlpha { Transparency.compositeOverWhite(&pixels) }
    return Image(width: width, height: height, pixels: pixels)
  }

  private static func check(_ code: Int32, _ name: String) throws {
    guard code < 0 else { return }
    if lumos_av_system_error(code) == ENOMEM { throw LibAV.outOfMemory(name) }
    throw ImageReader.corrupt(at: name, LibAV.message(code))
  }
}
