/// libjpeg without `setjmp` and macros: errors become codes with a text.
#ifndef CJPEG_H
#define CJPEG_H

/// What a JPEG's header says.
typedef struct {
  int width, height;
  /// EXIF orientation 1 ... 8; 1 where nothing is said.
  int orientation;
} dms_jpeg_header;

/// The longest error text, its final zero included.
enum { DMS_JPEG_MESSAGE = 256 };

/// Reads the header of `bytes`. 0, or nonzero with `message`.
int dms_jpeg_read_header(const unsigned char *bytes, unsigned long count, dms_jpeg_header *header, char *message);

/// Decodes to RGB at 1/`reduction` of the size (1, 2, 4 or 8) into `pixels`, which holds ceil(width / reduction) *
/// ceil(height / reduction) * 3 bytes; grey and CMYK become RGB. A damaged or truncated file is an error.
int dms_jpeg_decode(const unsigned char *bytes, unsigned long count, int reduction, unsigned char *pixels, char *message);

/// Encodes RGB `pixels`. `*bytes` must be freed with `dms_jpeg_free`.
int dms_jpeg_encode(const unsigned char *pixels, int width, int height, int quality, unsigned char **bytes,
                    unsigned long *count, char *message);
void dms_jpeg_free(unsigned char *bytes);

#endif
