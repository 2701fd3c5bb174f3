#ifndef CJPEG_H
#define CJPEG_H
/// The version of libjpeg's interface.
int dms_jpeg_version(void);
#endif
