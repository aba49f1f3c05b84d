// PNG in and out through libpng's row interface, for Swift.
//
// libpng reports an error by longjmp, which Swift cannot call or survive. Every call that may jump is therefore made
// by the functions below, each of which catches the jump itself and returns 0 on failure with the reason in
// `LumosPNGFailure`. No memory of libpng crosses this header.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Why a call returned 0.
typedef struct {
  /// libpng's words or ours; no full stop.
  char message[192];
  /// Bytes of the file that were consumed or produced before the failure.
  uint64_t offset;
  /// Image row that was being decoded or encoded, or -1 outside the pixels.
  int64_t row;
  /// 1 if the input ended too early.
  int truncated;
  /// `errno` of the failed write, else 0.
  int systemError;
} LumosPNGFailure;

/// What the header says, after which every pixel has 8 bits a channel.
typedef struct {
  uint32_t width;
  uint32_t height;
  /// 3 (RGB) or 4 (RGB and straight alpha), whatever the colour type in the file is.
  int channels;
} LumosPNGHeader;

/// A PNG in memory that is being read.
typedef struct LumosPNGReader LumosPNGReader;

/// Reads everything before the pixels. `bytes` must outlive the reader. Sides longer than `sideLimit` are refused.
/// Returns NULL on failure.
LumosPNGReader *lumos_png_reader_open(const uint8_t *bytes, size_t size, uint32_t sideLimit, LumosPNGHeader *header,
                                      LumosPNGFailure *failure);

/// Decodes all rows into `pixels`, `height * width * channels` bytes, and reads the file to its end.
int lumos_png_reader_pixels(LumosPNGReader *reader, uint8_t *pixels, LumosPNGFailure *failure);

/// The eXIf chunk (a TIFF stream), which lives as long as the reader; NULL if there is none. Valid after
/// `lumos_png_reader_pixels`, because the chunk may follow the pixels.
const uint8_t *lumos_png_reader_exif(const LumosPNGReader *reader, size_t *size);

/// Frees the reader; NULL is allowed.
void lumos_png_reader_close(LumosPNGReader *reader);

/// Writes an RGB image of 8 bits a channel with `textCount` text entries (ASCII keys of 1 to 79 bytes, UTF-8 values)
/// to the file descriptor. Does not close the descriptor.
int lumos_png_write(int descriptor, const uint8_t *pixels, uint32_t width, uint32_t height, const char *const *keys,
                    const char *const *values, int textCount, LumosPNGFailure *failure);

#ifdef __cplusplus
}
#endif
