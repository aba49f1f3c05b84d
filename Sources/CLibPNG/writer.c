#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failure.h"

/// On the heap for the same reason as the reader.
typedef struct {
  LumosPNGCatch trap;
  png_structp png;
  png_infop info;
  png_textp text;
  int descriptor;
  uint64_t offset;
} Writer;

static void write_bytes(png_structp png, png_bytep bytes, size_t count) {
  Writer *writer = png_get_io_ptr(png);
  while (count > 0) {
    ssize_t done = write(writer->descriptor, bytes, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      writer->trap.failure.systemError = done < 0 ? errno : EIO;
      png_error(png, "writing failed");
    }
    bytes += done;
    count -= (size_t)done;
    writer->offset += (uint64_t)done;
  }
}

/// Nothing is buffered here.
static void flush_bytes(png_structp png) { (void)png; }

static void close_writer(Writer *writer) {
  if (writer->png) png_destroy_write_struct(&writer->png, &writer->info);
  free(writer->text);
  free(writer);
}

static int is_ascii(const char *text) {
  for (; *text; text++) {
    if ((unsigned char)*text >= 0x80) return 0;
  }
  return 1;
}

int lumos_png_write(int descriptor, const uint8_t *pixels, uint32_t width, uint32_t height, const char *const *keys,
                    const char *const *values, int textCount, LumosPNGFailure *failure) {
  memset(failure, 0, sizeof *failure);
  failure->row = -1;
  Writer *writer = calloc(1, sizeof *writer);
  if (!writer) {
    strcpy(failure->message, "out of memory");
    return 0;
  }
  lumos_png_reset(&writer->trap);
  writer->descriptor = descriptor;
  if (setjmp(writer->trap.environment)) {
    writer->trap.failure.offset = writer->offset;
    *failure = writer->trap.failure;
    close_writer(writer);
    return 0;
  }
  writer->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer->trap, lumos_png_fail, lumos_png_warn);
  if (writer->png) writer->info = png_create_info_struct(writer->png);
  if (textCount > 0) writer->text = calloc((size_t)textCount, sizeof *writer->text);
  if (!writer->info || (textCount > 0 && !writer->text)) {
    strcpy(writer->trap.failure.message, "libpng could not be initialised");
    longjmp(writer->trap.environment, 1);
  }
  png_structp png = writer->png;
  png_set_write_fn(png, writer, write_bytes, flush_bytes);
  png_set_IHDR(png, writer->info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
               PNG_FILTER_TYPE_BASE);
  png_set_sRGB(png, writer->info, PNG_sRGB_INTENT_PERCEPTUAL);
  for (int i = 0; i < textCount; i++) {
    // tEXt is Latin-1; anything beyond ASCII goes into iTXt, which is UTF-8.
    writer->text[i].compression = is_ascii(values[i]) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    writer->text[i].key = (png_charp)keys[i];
    writer->text[i].text = (png_charp)values[i];
  }
  if (textCount > 0) png_set_text(png, writer->info, writer->text, textCount);
  png_write_info(png, writer->info);
  for (uint32_t y = 0; y < height; y++) {
    writer->trap.failure.row = y;
    png_write_row(png, pixels + (size_t)y * width * 3);
  }
  writer->trap.failure.row = -1;
  png_write_end(png, writer->info);
  close_writer(writer);
  return 1;
}
