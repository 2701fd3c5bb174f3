/// libpng without `setjmp` and macros: errors become codes with a text.
#ifndef CPNG_H
#define CPNG_H

/// What a PNG's header says.
typedef struct {
  int width, height;
} dms_png_header;

/// The longest text, its final zero included.
enum { DMS_PNG_MESSAGE = 256 };

// Functions return 0, or nonzero with an error's text in `message`. `*warnings` counts what was odd about a picture that decodes
// all the same; `message` then holds the first of them.

/// Reads the header of `bytes`.
int dms_png_read_header(const unsigned char *bytes, unsigned long count, dms_png_header *header, char *message);

/// Decodes to RGB into `pixels`, which holds width * height * 3 bytes; NULL: the picture is decoded and thrown away. Grey,
/// palettes and 16 bits become RGB of 8 bits, transparency is laid over black. A wrong checksum or a file that ends too early
/// is an error.
int dms_png_decode(const unsigned char *bytes, unsigned long count, unsigned char *pixels, char *message, int *warnings);

#endif
