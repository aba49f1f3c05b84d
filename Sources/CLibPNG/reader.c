// All state lives on the heap: automatic variables changed between setjmp and longjmp would be indeterminate.
#include <stdlib.h>
#include <string.h>

#include "failure.h"

/// An ancillary chunk (profile, text) may inflate to this much; none of them is used.
enum { kChunkMemoryLimit = 16 << 20, kChunkCountLimit = 1000 };

struct LumosPNGReader {
  LumosPNGCatch trap;
  png_structp png;
  png_infop info;
  png_infop end;
  const uint8_t *bytes;
  size_t size;
  size_t offset;
  uint32_t width, height;
  size_t stride;
  int passes;
};

static void read_bytes(png_structp png, png_bytep out, size_t count) {
  LumosPNGReader *reader = png_get_io_ptr(png);
  if (count > reader->size - reader->offset) {
    reader->offset = reader->size;
    reader->trap.failure.truncated = 1;
    png_error(png, "the file ends too early");
  }
  memcpy(out, reader->bytes + reader->offset, count);
  reader->offset += count;
}

static void report(LumosPNGReader *reader, LumosPNGFailure *failure) {
  reader->trap.failure.offset = reader->offset;
  *failure = reader->trap.failure;
}

LumosPNGReader *lumos_png_reader_open(const uint8_t *bytes, size_t size, uint32_t sideLimit, LumosPNGHeader *header,
                                      LumosPNGFailure *failure) {
  memset(failure, 0, sizeof *failure);
  failure->row = -1;
  LumosPNGReader *reader = calloc(1, sizeof *reader);
  if (!reader) {
    strcpy(failure->message, "out of memory");
    return NULL;
  }
  lumos_png_reset(&reader->trap);
  reader->bytes = bytes;
  reader->size = size;
  if (setjmp(reader->trap.environment)) {
    report(reader, failure);
    lumos_png_reader_close(reader);
    return NULL;
  }
  // A version mismatch or exhausted memory is reported through the handler, like all else.
  reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader->trap, lumos_png_fail, lumos_png_warn);
  if (reader->png) reader->info = png_create_info_struct(reader->png);
  if (reader->info) reader->end = png_create_info_struct(reader->png);
  if (!reader->end) {
    strcpy(reader->trap.failure.message, "libpng could not be initialised");
    longjmp(reader->trap.environment, 1);
  }
  png_structp png = reader->png;
  png_set_read_fn(png, reader, read_bytes);
  png_set_user_limits(png, sideLimit, sideLimit);
  png_set_chunk_malloc_max(png, kChunkMemoryLimit);
  png_set_chunk_cache_max(png, kChunkCountLimit);
  png_read_info(png, reader->info);

  // Palette and grey of 1, 2, 4 bits become 8; a colour key becomes alpha; 16 bits lose the lower byte, as in Pillow.
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  reader->passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);

  reader->width = png_get_image_width(png, reader->info);
  reader->height = png_get_image_height(png, reader->info);
  reader->stride = png_get_rowbytes(png, reader->info);
  header->width = reader->width;
  header->height = reader->height;
  header->channels = png_get_channels(png, reader->info);
  if (png_get_bit_depth(png, reader->info) != 8 || (header->channels != 3 && header->channels != 4) ||
      reader->stride != (size_t)header->width * (size_t)header->channels) {
    png_error(png, "the pixels cannot be brought to 8 bits a channel");
  }
  return reader;
}

int lumos_png_reader_pixels(LumosPNGReader *reader, uint8_t *pixels, LumosPNGFailure *failure) {
  lumos_png_reset(&reader->trap);
  if (setjmp(reader->trap.environment)) {
    report(reader, failure);
    return 0;
  }
  for (int pass = 0; pass < reader->passes; pass++) {
    for (uint32_t y = 0; y < reader->height; y++) {
      reader->trap.failure.row = y;
      png_read_row(reader->png, pixels + (size_t)y * reader->stride, NULL);
    }
  }
  reader->trap.failure.row = -1;
  png_read_end(reader->png, reader->end);
  return 1;
}

const uint8_t *lumos_png_reader_exif(const LumosPNGReader *reader, size_t *size) {
  *size = 0;
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 count = 0;
  png_bytep bytes = NULL;
  if (png_get_eXIf_1(reader->png, reader->info, &count, &bytes) == 0 &&
      png_get_eXIf_1(reader->png, reader->end, &count, &bytes) == 0) {
    return NULL;
  }
  *size = count;
  return bytes;
#else
  (void)reader;
  return NULL;
#endif
}

void lumos_png_reader_close(LumosPNGReader *reader) {
  if (!reader) return;
  if (reader->png) png_destroy_read_struct(&reader->png, &reader->info, &reader->end);
  free(reader);
}
