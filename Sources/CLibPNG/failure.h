// The jump that ends a libpng call, shared by the reader and the writer.
#pragma once
#include <png.h>
#include <setjmp.h>

#include "include/CLibPNG.h"

/// What libpng's error pointer refers to: where to jump to and what to fill in before.
typedef struct {
  jmp_buf environment;
  LumosPNGFailure failure;
} LumosPNGCatch;

/// libpng's error handler: notes the message, jumps.
void lumos_png_fail(png_structp png, png_const_charp message);

/// libpng's warning handler: warnings concern ancillary data that is not used here.
void lumos_png_warn(png_structp png, png_const_charp message);

/// Forgets an earlier failure.
void lumos_png_reset(LumosPNGCatch *trap);
