import CLibAV
import LumosTensor

/// What the decoders and the encoder share of FFmpeg's libraries.
enum LibAV {
  /// Stops libav from writing to stderr: every failure is thrown instead. Evaluated once, by whoever starts work.
  static let quiet: Void = av_log_set_level(AV_LOG_QUIET)

  /// libav's words for an error code.
  static func message(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    av_strerror(code, &buffer, buffer.count)
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The URL of a local file, whatever characters its name has.
  static func url(_ path: String) -> String { "file:" + path }

  /// What is thrown when an allocation in libav fails.
  static func outOfMemory(_ place: String?) -> LumosError {
    LumosError(.tryAgain, "out of memory in libav", at: place, advice: "close other programs")
  }
}

/// A frame of libav, freed with this object.
final class AVFrameBox {
  /// The frame; never null while the object lives.
  let pointer: UnsafeMutablePointer<AVFrame>

  /// A frame without buffers, for a decoder to fill.
  init() throws {
    guard let frame = av_frame_alloc() else { throw LibAV.outOfMemory(nil) }
    pointer = frame
  }

  /// A frame with buffers that are aligned and padded as libav's vector code wants.
  convenience init(width: Int, height: Int, format: AVPixelFormat) throws {
    try self.init()
    pointer.pointee.width = Int32(width)
    pointer.pointee.height = Int32(height)
    pointer.pointee.format = format.rawValue
    guard av_frame_get_buffer(pointer, 0) >= 0 else { throw LibAV.outOfMemory(nil) }
  }

  deinit {
    var frame: UnsafeMutablePointer<AVFrame>? = pointer
    av_frame_free(&frame)
  }

  /// Copies an RGB image of the frame's size into the frame, whose format is RGB24.
  func fill(from image: Image) {
    let (row, stride) = (image.width * 3, Int(pointer.pointee.linesize.0))
    guard let data = pointer.pointee.data.0 else { preconditionFailure("a frame without buffers") }
    image.pixels.withUnsafeBytes { source in
      for y in 0..<image.height {
        UnsafeMutableRawPointer(data + y * stride).copyMemory(from: source.baseAddress! + y * row, byteCount: row)
      }
    }
  }

  /// Plane `index`, of which a row has `width` bytes, rows tightly packed.
  func plane(_ index: Int, width: Int, height: Int) -> PlanarYUV.Plane {
    let frame = pointer.pointee
    let data = [frame.data.0, frame.data.1, frame.data.2, frame.data.3][index]
    let strides = [frame.linesize.0, frame.linesize.1, frame.linesize.2, frame.linesize.3]
    let stride = Int(strides[index])
    guard let data else { preconditionFailure("a frame without plane \(index)") }
    let samples = [UInt8](unsafeUninitializedCapacity: width * height) { out, initialized in
      for y in 0..<height {
        UnsafeMutableRawPointer(out.baseAddress! + y * width).copyMemory(from: data + y * stride, byteCount: width)
      }
      initialized = width * height
    }
    return PlanarYUV.Plane(width: width, height: height, samples: samples)
  }
}

/// Converts frames of one size and format into another format.
final class PixelConverter {
  /// How YUV is meant.
  struct Meaning: Equatable {
    /// `SWS_CS_ITU601` or another matrix of swscale.
    var matrix: Int32
    /// 0...255 instead of 16...235.
    var fullRange: Bool
    /// 4:2:0 chroma lies on the left column (H.264), else amid four pixels (JPEG).
    var chromaLeft: Bool
  }

  private let context: UnsafeMutableRawPointer
  private let width: Int
  private let height: Int
  private let source: AVPixelFormat
  private let meaning: Meaning

  /// Throws `LumosError.badInput` if swscale cannot convert these formats; `name` is for the message.
  init(
    width: Int, height: Int, from: AVPixelFormat, to: AVPixelFormat, _ meaning: Meaning, name: String
  ) throws {
    guard
      let context = lumos_sws_create(
        Int32(width), Int32(height), from.rawValue, to.rawValue, meaning.matrix, meaning.fullRange ? 1 : 0,
        meaning.chromaLeft ? 1 : 0)
    else {
      throw LumosError(.badInput, "pixel format \(from.name) at \(width) x \(height) cannot be converted", at: name)
    }
    self.context = context
    self.width = width
    self.height = height
    source = from
    self.meaning = meaning
  }

  /// Whether this is the converter for such frames: streams may change on the way.
  func fits(width: Int, height: Int, from: AVPixelFormat, _ meaning: Meaning) -> Bool {
    self.width == width && self.height == height && source == from && self.meaning == meaning
  }

  deinit { lumos_sws_free(context) }

  /// Converts a whole frame.
  func convert(_ source: AVFrameBox, into target: AVFrameBox) throws {
    let code = lumos_sws_convert(context, source.pointer, target.pointer)
    guard code >= 0 else { throw LumosError(.internalDefect, "swscale failed: \(LibAV.message(code))") }
  }
}

extension AVPixelFormat {
  /// libav's name: `"yuv420p"`.
  var name: String { av_get_pix_fmt_name(self).map { String(cString: $0) } ?? "unknown" }

  /// The format without the full range that the old `yuvj` formats imply, and whether they do.
  var withoutRange: (format: AVPixelFormat, isFullRange: Bool) {
    switch self {
    case AV_PIX_FMT_YUVJ420P: (AV_PIX_FMT_YUV420P, true)
    case AV_PIX_FMT_YUVJ422P: (AV_PIX_FMT_YUV422P, true)
    case AV_PIX_FMT_YUVJ444P: (AV_PIX_FMT_YUV444P, true)
    case AV_PIX_FMT_YUVJ440P: (AV_PIX_FMT_YUV440P, true)
    case AV_PIX_FMT_YUVJ411P: (AV_PIX_FMT_YUV411P, true)
    default: (self, false)
    }
  }

  /// Whether pixels carry alpha.
  var hasAlpha: Bool {
    guard let descriptor = av_pix_fmt_desc_get(self) else { return false }
    return descriptor.pointee.flags & UInt64(AV_PIX_FMT_FLAG_ALPHA) != 0
  }
}
