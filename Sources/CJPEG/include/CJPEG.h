/// libjpeg without `setjmp` and macros: errors become codes with a text.
#ifndef CJPEG_H
#define CJPEG_H

/// What a JPEG's header says.
typedef struct {
  int width, height;
  /// EXIF orientation 1 ... 8; 1 where nothing is said.
  int orientation;
} dms_jpeg_header;

/// The longest text, its final zero included.
enum { DMS_JPEG_MESSAGE = 256 };

// Functions return 0, or nonzero with an error's text in `message`. `*warnings` counts what was odd about a picture that decodes
// all the same; `message` then holds the first of them.

/// Reads the header of `bytes`.
int dms_jpeg_read_header(const unsigned char *bytes, unsigned long count, dms_jpeg_header *header, char *message);

/// Decodes to RGB at 1/`reduction` of the size (1, 2, 4 or 8) into `pixels`, which holds ceil(width / reduction) *
/// ceil(height / reduction) * 3 bytes; NULL: the picture is decoded and thrown away. Grey and CMYK become RGB. A file that
/// ends too early is an error, as are more scans than a camera writes.
int dms_jpeg_decode(const unsigned char *bytes, unsigned long count, int reduction, unsigned char *pixels, char *message,
                    int *warnings);

/// Whether `dms_jpeg_decode` would succeed. A picture of one scan is not decoded for that: its header and its markers, down to
/// the last, tell.
int dms_jpeg_check(const unsigned char *bytes, unsigned long count, char *message, int *warnings);

/// Encodes RGB `pixels`. `*bytes` must be freed with `dms_jpeg_free`.
int dms_jpeg_encode(const unsigned char *pixels, int width, int height, int quality, unsigned char **bytes,
                    unsigned long *count, char *message);
void dms_jpeg_free(unsigned char *bytes);

#endif
