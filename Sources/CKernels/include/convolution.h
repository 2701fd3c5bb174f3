/// Rows of a convolution's matrix form: one row an output position, its columns the taps (row, column, channel).
#ifndef DMS_CONVOLUTION_H
#define DMS_CONVOLUTION_H

/// The geometry of a convolution over channels-last maps.
typedef struct {
  long height, width, channels;      ///< input map
  long out_height, out_width;        ///< output map
  long kernel_height, kernel_width;
  long stride, padding;
} dms_geometry;

/// Copies the input under output positions `first ..< first + rows` (counted over all images) to `columns`
/// [rows, kernel_height * kernel_width * channels]; outside the map lies zero.
void dms_gather_taps(const dms_geometry *g, const float *map, long first, long rows, float *columns);

/// Adds `columns` of output positions `first ..< first + rows` back to the taps they came from.
void dms_scatter_taps(const dms_geometry *g, const float *columns, long first, long rows, float *map);

#endif
