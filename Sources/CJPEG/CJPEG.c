#include "CJPEG.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>

/// libjpeg's error handler with a place to return to. Warnings (a damaged or truncated file) are kept, not printed.
typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf back;
  char *message;
} handler;

static void fail(j_common_ptr info) {
  handler *h = (handler *)info->err;
  h->base.format_message(info, h->message);
  longjmp(h->back, 1);
}

static void warn(j_common_ptr info, int level) {
  if (level >= 0) return;
  fail(info);
}

static struct jpeg_error_mgr *install(handler *h, char *message) {
  _Static_assert((int)DMS_JPEG_MESSAGE >= (int)JMSG_LENGTH_MAX, "messages fit");
  jpeg_std_error(&h->base);
  h->base.error_exit = fail;
  h->base.emit_message = warn;
  h->message = message;
  message[0] = 0;
  return &h->base;
}

static unsigned number(const unsigned char *p, int bytes, int little) {
  unsigned value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | p[little ? bytes - 1 - i : i];
  return value;
}

/// The orientation tag (0x0112) of an EXIF block's first directory.
static int orientation(const struct jpeg_marker_struct *marker) {
  for (; marker; marker = marker->next) {
    const unsigned char *p = marker->data;
    const unsigned length = marker->data_length;
    if (marker->marker != JPEG_APP0 + 1 || length < 14 || memcmp(p, "Exif\0\0", 6)) continue;
    const unsigned char *tiff = p + 6;
    const unsigned room = length - 6;
    const int little = tiff[0] == 'I';
    const unsigned start = number(tiff + 4, 4, little);
    if (start > room - 2) continue;
    const unsigned entries = number(tiff + start, 2, little);
    for (unsigned i = 0; i < entries && start + 2 + (i + 1) * 12 <= room; i++) {
      const unsigned char *entry = tiff + start + 2 + i * 12;
      if (number(entry, 2, little) != 0x0112) continue;
      const unsigned value = number(entry + 8, 2, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

int dms_jpeg_read_header(const unsigned char *bytes, unsigned long count, dms_jpeg_header *header, char *message) {
  struct jpeg_decompress_struct info;
  handler h;
  info.err = install(&h, message);
  if (setjmp(h.back)) {
    jpeg_destroy_decompress(&info);
    return 1;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, count);
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&info, TRUE);
  header->width = info.image_width;
  header->height = info.image_height;
  header->orientation = orientation(info.marker_list);
  jpeg_destroy_decompress(&info);
  return 0;
}

int dms_jpeg_decode(const unsigned char *bytes, unsigned long count, int reduction, unsigned char *pixels, char *message) {
  struct jpeg_decompress_struct info;
  handler h;
  unsigned char *volatile line = NULL;
  info.err = install(&h, message);
  if (setjmp(h.back)) {
    jpeg_destroy_decompress(&info);
    free(line);
    return 1;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, count);
  jpeg_read_header(&info, TRUE);
  info.scale_num = 1;
  info.scale_denom = reduction;
  info.dct_method = JDCT_ISLOW;
  const int inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = inks ? JCS_CMYK : info.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&info);
  const unsigned width = info.output_width, channels = info.output_components;
  line = malloc((size_t)width * channels);
  if (!line) {
    snprintf(message, DMS_JPEG_MESSAGE, "no memory for a line of %u pixels", width);
    longjmp(h.back, 1);
  }
  while (info.output_scanline < info.output_height) {
    unsigned char *row = line;
    unsigned char *target = pixels + (size_t)info.output_scanline * width * 3;
    jpeg_read_scanlines(&info, &row, 1);
    for (unsigned x = 0; x < width; x++)
      for (int k = 0; k < 3; k++) {
        if (channels == 1) target[3 * x + k] = row[x];
        else if (channels == 3) target[3 * x + k] = row[3 * x + k];
        else {
          // Adobe stores inks inverted.
          const int ink = info.saw_Adobe_marker ? row[4 * x + k] : 255 - row[4 * x + k];
          const int black = info.saw_Adobe_marker ? row[4 * x + 3] : 255 - row[4 * x + 3];
          target[3 * x + k] = (ink * black + 127) / 255;
        }
      }
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  free(line);
  return 0;
}

int dms_jpeg_encode(const unsigned char *pixels, int width, int height, int quality, unsigned char **bytes,
                    unsigned long *count, char *message) {
  struct jpeg_compress_struct info;
  handler h;
  *bytes = NULL;
  *count = 0;
  info.err = install(&h, message);
  if (setjmp(h.back)) {
    jpeg_destroy_compress(&info);
    return 1;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, bytes, count);
  info.image_width = width;
  info.image_height = height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  info.dct_method = JDCT_ISLOW;
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    unsigned char *row = (unsigned char *)pixels + (size_t)info.next_scanline * width * 3;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return 0;
}

void dms_jpeg_free(unsigned char *bytes) { free(bytes); }
