#include "CJPEG.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

/// libjpeg's error handler with a place to return to. Warnings are counted, and the first one's text is kept.
typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf back;
  char *message;
  /// The header is read.
  int is_decoding;
  /// The file ended before its end marker; data of the scan were missing.
  int is_cut, is_short;
  /// More scans than these are refused.
  int most_scans;
} handler;

static void fail(j_common_ptr info) {
  handler *h = (handler *)info->err;
  h->base.format_message(info, h->message);
  longjmp(h->back, 1);
}

/// A picture is cut off where the file ends before the data do. One that lacks nothing but its end marker is whole; of several
/// scans the last ones may be missing without a trace.
static void warn(j_common_ptr info, int level) {
  if (level >= 0) return;
  handler *h = (handler *)info->err;
  if (h->base.num_warnings++ == 0) h->base.format_message(info, h->message);
  if (h->base.msg_code == JWRN_JPEG_EOF) h->is_cut = 1;
  if (h->base.msg_code == JWRN_HIT_MARKER) h->is_short = 1;
  if (!h->is_cut) return;
  const j_decompress_ptr picture = (j_decompress_ptr)info;
  if (h->is_decoding && !h->is_short && !picture->arith_code && !jpeg_has_multiple_scans(picture)) return;
  h->base.msg_code = JWRN_JPEG_EOF;
  fail(info);
}

static void limit_scans(j_common_ptr info) {
  handler *h = (handler *)info->err;
  if (((j_decompress_ptr)info)->input_scan_number <= h->most_scans) return;
  snprintf(h->message, DMS_JPEG_MESSAGE, "more than %d scans", h->most_scans);
  longjmp(h->back, 1);
}

static struct jpeg_error_mgr *install(handler *h, char *message) {
  _Static_assert((int)DMS_JPEG_MESSAGE >= (int)JMSG_LENGTH_MAX, "messages fit");
  memset(h, 0, sizeof *h);
  jpeg_std_error(&h->base);
  h->base.error_exit = fail;
  h->base.emit_message = warn;
  h->message = message;
  message[0] = 0;
  return &h->base;
}

/// Reads the header, with what a decoder needs set up: colours, and how many scans may come. A scan takes time for every pixel
/// and may take next to no bytes, so large pictures get fewer; photographs have about ten.
static void read_header(j_decompress_ptr info, const unsigned char *bytes, unsigned long count,
                        struct jpeg_progress_mgr *progress) {
  handler *h = (handler *)info->err;
  jpeg_mem_src(info, bytes, count);
  jpeg_save_markers(info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(info, TRUE);
  if (info->data_precision != 8) {
    snprintf(h->message, DMS_JPEG_MESSAGE, "%d bits a sample, expected 8", info->data_precision);
    longjmp(h->back, 1);
  }
  h->is_decoding = 1;
  const double scans = 2147483648.0 / info->image_width / info->image_height;
  h->most_scans = scans < 500 ? (int)scans : 500;
  progress->progress_monitor = limit_scans;
  info->progress = progress;
  info->dct_method = JDCT_ISLOW;
  const int inks = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
  info->out_color_space = inks ? JCS_CMYK : info->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
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
  struct jpeg_progress_mgr progress;
  handler h;
  info.err = install(&h, message);
  if (setjmp(h.back)) {
    jpeg_destroy_decompress(&info);
    return 1;
  }
  jpeg_create_decompress(&info);
  read_header(&info, bytes, count, &progress);
  header->width = info.image_width;
  header->height = info.image_height;
  header->orientation = orientation(info.marker_list);
  jpeg_destroy_decompress(&info);
  return 0;
}

int dms_jpeg_decode(const unsigned char *bytes, unsigned long count, int reduction, unsigned char *pixels, char *message,
                    int *warnings) {
  struct jpeg_decompress_struct info;
  struct jpeg_progress_mgr progress;
  handler h;
  unsigned char *volatile line = NULL;
  info.err = install(&h, message);
  if (setjmp(h.back)) {
    jpeg_destroy_decompress(&info);
    free(line);
    return 1;
  }
  jpeg_create_decompress(&info);
  read_header(&info, bytes, count, &progress);
  info.scale_num = 1;
  info.scale_denom = reduction;
  jpeg_start_decompress(&info);
  const unsigned width = info.output_width, channels = info.output_components;
  line = malloc((size_t)width * channels);
  if (!line) {
    snprintf(message, DMS_JPEG_MESSAGE, "no memory for a line of %u pixels", width);
    longjmp(h.back, 1);
  }
  while (info.output_scanline < info.output_height) {
    unsigned char *row = line;
    unsigned char *target = pixels ? pixels + (size_t)info.output_scanline * width * 3 : NULL;
    jpeg_read_scanlines(&info, &row, 1);
    if (!target) continue;
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
  *warnings = (int)h.base.num_warnings;
  jpeg_destroy_decompress(&info);
  free(line);
  return 0;
}

/// Whether entropy-coded data come to the end marker, with nothing before it but restarts. The decoder finds no error in such
/// data, whatever they are: it warns and goes on.
static int reaches_end(const unsigned char *next, const unsigned char *end) {
  while (end - next > 1 && (next = memchr(next, 0xFF, end - next - 1))) {
    const unsigned char code = next[1];
    if (code == JPEG_EOI) return 1;
    if (code != 0 && code != 0xFF && (code < JPEG_RST0 || code > JPEG_RST0 + 7)) return 0;
    next += code == 0xFF ? 1 : 2;
  }
  return 0;
}

int dms_jpeg_check(const unsigned char *bytes, unsigned long count, char *message, int *warnings) {
  struct jpeg_decompress_struct info;
  struct jpeg_progress_mgr progress;
  handler h;
  info.err = install(&h, message);
  if (setjmp(h.back)) {
    jpeg_destroy_decompress(&info);
    return 1;
  }
  jpeg_create_decompress(&info);
  read_header(&info, bytes, count, &progress);
  int is_sound = 0;
  if (!jpeg_has_multiple_scans(&info) && !info.arith_code) {
    jpeg_start_decompress(&info);
    is_sound = reaches_end(info.src->next_input_byte, bytes + count);
  }
  *warnings = (int)h.base.num_warnings;
  jpeg_destroy_decompress(&info);
  return is_sound ? 0 : dms_jpeg_decode(bytes, count, 8, NULL, message, warnings);
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
