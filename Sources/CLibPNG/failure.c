#include "failure.h"

#include <string.h>

void lumos_png_fail(png_structp png, png_const_charp message) {
  LumosPNGCatch *trap = png_get_error_ptr(png);
  // The first message is the cause; what the clean-up may add afterwards is not.
  if (trap->failure.message[0] == 0) {
    strncpy(trap->failure.message, message ? message : "unknown error", sizeof trap->failure.message - 1);
  }
  longjmp(trap->environment, 1);
}

void lumos_png_warn(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

void lumos_png_reset(LumosPNGCatch *trap) {
  memset(&trap->failure, 0, sizeof trap->failure);
  trap->failure.row = -1;
}
