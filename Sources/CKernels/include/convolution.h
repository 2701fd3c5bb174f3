/// A convolution's matrix form: one row an output position, its columns the taps (row, column, channel) under it.
#ifndef DMS_CONVOLUTION_H
#define DMS_CONVOLUTION_H
#include "source.h"

/// The geometry of a convolution over channels-last maps.
typedef struct {
  long height, width, channels;      ///< input map
  long out_height, out_width;        ///< output map
  long kernel_height, kernel_width;
  long stride, padding;
} dms_geometry;

/// im2col: copies the input under output positions `first ..< first + rows` (counted over all images) to `columns`
/// [rows, kernel_height * kernel_width * channels]; outside the map lies zero. The source's rows are the map's pixels.
void dms_im2col(const dms_geometry *g, const dms_source *map, long first, long rows, float *columns);

/// col2im, its transpose: adds `columns` of output positions `first ..< first + rows` to the input elements they stand for.
void dms_col2im(const dms_geometry *g, const float *columns, long first, long rows, float *map);

/// Loads lines `line ..< line + lines` of one image, pixels `column ..< column + columns` of each, to `patch`
/// [lines, columns, padded]; outside the map and beyond the channels lies zero.
void dms_load_patch(const dms_geometry *g, const dms_source *map, long image, long line, long lines, long column,
                    long columns, long padded, float *patch);

#endif
