/// Convolutions of 3x3 taps and stride 1 by Winograd's F(4x4,3x3) (Lavin and Gray 2016): tiles of 4x4 outputs take 36 products
/// instead of 144. Element f of 36 is (row, column) of a transformed 6x6 tile.
#ifndef DMS_WINOGRAD_H
#define DMS_WINOGRAD_H
#include "source.h"

/// `count` tiles side by side, of `rows` x `columns` outputs each, 1 to 4.
///
/// A tile of n < 4 outputs in a direction needs only the first n + 2 elements of that direction: the pixels that none of its outputs
/// reads are given values for which the other elements are zero. Those elements are neither written nor read.
typedef struct {
  long count, rows, columns;
} dms_tiles;

/// Input tiles: patches of 6x6 pixels, each 4 pixels right of the one before, to 36 matrices. Pixel (i, j) of tile 0
/// lies at `patch + i * line + j * channels`; `channels` is a multiple of 16. Value (tile, channel) of element f goes where
/// `layout` says, from `target + f * apart`.
void dms_winograd_input(const float *patch, long line, long channels, const dms_tiles *tiles, float *target, long apart,
                        const dms_layout *layout);

/// Tiles of an output's gradient, 4x4 pixels with zeros beyond the tile's, to 36 matrices; as above.
void dms_winograd_upstream(const float *patch, long line, long channels, const dms_tiles *tiles, float *target,
                           long apart, const dms_layout *layout);

/// 36 matrices back to outputs: value (tile, channel) of element f lies at `products[f * apart + tile * step + channel]`,
/// `step` a multiple of 16. Outputs go to `target`, with `line` floats from row to row of pixels and `pixel` from pixel to pixel,
/// or are added to what is there where `adds`.
void dms_winograd_output(const float *products, long apart, long step, const dms_tiles *tiles, long channels, int adds,
                         float *target, long line, long pixel);

/// Of a weight: depth `first ..< first + depth`, at most KC, and columns `column ..< column + columns`.
typedef struct {
  long first, depth, column, columns;
} dms_weight_part;

/// Transforms a part of a weight [3,3,inputs,outputs] and packs it as a right side of its own, [depth, columns]: depth are inputs
/// and columns outputs, or, rotated for the gradient of the map, the other way round. Elements lie `apart` floats
/// apart.
void dms_winograd_weight(const float *weight, long inputs, long outputs, int rotated, const dms_weight_part *part,
                         float *packed, long apart);

/// The gradient of a weight [3,3,inputs,outputs], or of `rows` inputs and `columns` outputs of it, from 36 matrices [rows, columns],
/// which lie `apart` floats apart: `line` floats from input to input, `tap` from tap to tap. Stored, or added.
void dms_winograd_weight_gradient(const float *products, long apart, long rows, long columns, float *gradient, long line,
                                  long tap, int accumulate);

#endif
