#include "CJPEG.h"
#include <stdio.h>
#include <jpeglib.h>

int dms_jpeg_version(void) { return JPEG_LIB_VERSION; }
