#include "CPNG.h"
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/// Bytes still to be read, and where to return to on an error.
typedef struct {
  const unsigned char *next;
  size_t left;
  jmp_buf back;
  char *message;
  int warnings;
} source;

static void fail(png_structp png, png_const_charp text) {
  source *s = png_get_error_ptr(png);
  snprintf(s->message, DMS_PNG_MESSAGE, "%s", text);
  longjmp(s->back, 1);
}

static void warn(png_structp png, png_const_charp text) {
  source *s = png_get_error_ptr(png);
  if (s->warnings++ == 0) snprintf(s->message, DMS_PNG_MESSAGE, "%s", text);
}

static void read_bytes(png_structp png, png_bytep target, size_t count) {
  source *s = png_get_io_ptr(png);
  if (count > s->left) png_error(png, "the file ends too early");
  memcpy(target, s->next, count);
  s->next += count;
  s->left -= count;
}

/// Reads up to the pixels. Chunks that do not change them (text, profiles) are passed over, so that they cost no memory; their
/// checksums count.
static void read_header(png_structp png, png_infop info, source *s) {
  png_set_read_fn(png, s, read_bytes);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_user_limits(png, 65535, 65535);
  png_read_info(png, info);
}

/// Has libpng turn whatever there is into rows of RGB. Returns how often an interlaced picture's rows are gone through.
static int convert_to_rgb(png_structp png, png_infop info) {
  const png_color_16 black = {0};
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
  if (png_get_color_type(png, info) & PNG_COLOR_MASK_ALPHA || png_get_valid(png, info, PNG_INFO_tRNS))
    png_set_background(png, &black, PNG_BACKGROUND_GAMMA_SCREEN, 0, 1);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return passes;
}

int dms_png_read_header(const unsigned char *bytes, unsigned long count, dms_png_header *header, char *message) {
  source s = {.next = bytes, .left = count, .message = message};
  png_structp volatile png = NULL;
  png_infop volatile info = NULL;
  message[0] = 0;
  if (setjmp(s.back)) {
    png_destroy_read_struct((png_structp *)&png, (png_infop *)&info, NULL);
    return 1;
  }
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, fail, warn);
  info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    snprintf(message, DMS_PNG_MESSAGE, "no memory to read it");
    longjmp(s.back, 1);
  }
  read_header(png, info, &s);
  header->width = (int)png_get_image_width(png, info);
  header->height = (int)png_get_image_height(png, info);
  png_destroy_read_struct((png_structp *)&png, (png_infop *)&info, NULL);
  return 0;
}

int dms_png_decode(const unsigned char *bytes, unsigned long count, unsigned char *pixels, char *message, int *warnings) {
  source s = {.next = bytes, .left = count, .message = message};
  png_structp volatile png = NULL;
  png_infop volatile info = NULL;
  message[0] = 0;
  if (setjmp(s.back)) {
    png_destroy_read_struct((png_structp *)&png, (png_infop *)&info, NULL);
    return 1;
  }
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, fail, warn);
  info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    snprintf(message, DMS_PNG_MESSAGE, "no memory to read it");
    longjmp(s.back, 1);
  }
  read_header(png, info, &s);
  const int passes = convert_to_rgb(png, info);
  const size_t row = (size_t)png_get_image_width(png, info) * 3;
  const unsigned height = png_get_image_height(png, info);
  if (png_get_rowbytes(png, info) != row) png_error(png, "a picture of this kind cannot be turned into RGB");
  for (int pass = 0; pass < passes; pass++)
    for (unsigned y = 0; y < height; y++) png_read_row(png, pixels ? pixels + y * row : NULL, NULL);
  png_read_end(png, NULL);
  *warnings = s.warnings;
  png_destroy_read_struct((png_structp *)&png, (png_infop *)&info, NULL);
  return 0;
}
