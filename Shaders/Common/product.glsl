// The matrix product that Linear, MultiLinear and Conv3D share: one workgroup makes a tile of the result,
// TILE_ROWS x TILE_COLUMNS.
//
//   for every step of TILE_DEPTH along the inner axis:
//     all invocations copy a piece of the left and of the right operand into shared memory   (the includer's part)
//     every invocation adds its share: ROWS x COLUMNS sums in registers                       (accumulate)
//   every invocation writes its sums                                                          (the includer's part)
//
// The 128 invocations stand in rows of LANES_X, 8 rows of 16 as a rule and 32 of 4 for very narrow results. An
// invocation owns the rows y, y + LANES_Y ... and the columns x, x + LANES_X ... of the tile: neighbours read
// neighbouring words of the right tile and write neighbouring words of the result. Registers: for each inner index
// ROWS + COLUMNS words are read and ROWS * COLUMNS multiply-adds done; at the largest tile (64 x 128) that is 16 for 64.
// Shared memory at that tile and depth 16: 12.5 KiB.
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/epilogue.glsl"

layout(local_size_x = 128) in;

// TILE_ROWS is a multiple of LANES_Y, TILE_COLUMNS one of LANES_X; TILE_ROWS * TILE_DEPTH is a multiple of 128.
layout(constant_id = 0) const uint TILE_ROWS = 64;
layout(constant_id = 1) const uint TILE_COLUMNS = 128;
layout(constant_id = 2) const uint TILE_DEPTH = 16;
layout(constant_id = 3) const uint LANES_X = 16;
layout(constant_id = 4) const uint BIAS = TYPE_ABSENT;
layout(constant_id = 5) const uint EPILOGUE = EPILOGUE_NONE;
// Type of the left operand, and so of the product.
layout(constant_id = 6) const uint LEFT = TYPE_F32;
// Type of the result.
layout(constant_id = 7) const uint RESULT = TYPE_F32;
#if defined(WEIGHT_BLOCKS)
#include "Common/blocks.glsl"
// Type of the weights.
layout(constant_id = 8) const uint WEIGHT = TYPE_Q8_0;
#endif

const uint INVOCATIONS = 128;
const uint LANES_Y = INVOCATIONS / LANES_X;
const uint ROWS = TILE_ROWS / LANES_Y;
const uint COLUMNS = TILE_COLUMNS / LANES_X;

// Transposed tiles: element (inner, row) at inner * PITCH + row. Invocations that store neighbouring inner indices are
// PITCH words apart; with two words of padding those fall into different banks.
const uint LEFT_PITCH = TILE_ROWS + 2;
const uint RIGHT_PITCH = TILE_COLUMNS + 2;
shared float left_tile[TILE_DEPTH * LEFT_PITCH];
shared float right_tile[TILE_DEPTH * RIGHT_PITCH];

float sums[ROWS * COLUMNS];

void clear_sums() {
  [[unroll]] for (uint i = 0; i < ROWS * COLUMNS; i++) sums[i] = 0;
}

// Copies rows first_row ... of `weights` [rows, pitch], inner indices first ... first + TILE_DEPTH, into right_tile;
// zeros past the last row and from `end` on.
#if defined(WEIGHT_BLOCKS)
// Eight inner indices at a time: rows are whole blocks, so TILE_DEPTH and `end` are multiples of eight.
void load_right(WEIGHTS weights, uint first_row, uint rows, uint pitch, uint first, uint end) {
  const uint steps = TILE_DEPTH / 8;
  [[unroll]] for (uint e = gl_LocalInvocationIndex; e < TILE_COLUMNS * steps; e += INVOCATIONS) {
    const uint column = e / steps;
    const uint inner = e % steps * 8;
    const uint row = first_row + column;
    float values[8] = float[8](0, 0, 0, 0, 0, 0, 0, 0);
    if (row < rows && first + inner < end) load_block_factors(weights, WEIGHT, LEFT, row * pitch + first + inner, values);
    [[unroll]] for (uint j = 0; j < 8; j++) right_tile[(inner + j) * RIGHT_PITCH + column] = values[j];
  }
}
#else
void load_right(WEIGHTS weights, uint first_row, uint rows, uint pitch, uint first, uint end) {
  [[unroll]] for (uint e = gl_LocalInvocationIndex; e < TILE_COLUMNS * TILE_DEPTH; e += INVOCATIONS) {
    const uint column = e / TILE_DEPTH;
    const uint inner = e % TILE_DEPTH;
    const uint row = first_row + column;
    float value = 0;
    if (row < rows && first + inner < end) value = load_factor(weights, LEFT, row * pitch + first + inner);
    right_tile[inner * RIGHT_PITCH + column] = value;
  }
}
#endif

// Adds the product of the two tiles to this invocation's sums.
void accumulate() {
  const uint x = gl_LocalInvocationIndex % LANES_X;
  const uint y = gl_LocalInvocationIndex / LANES_X;
  for (uint inner = 0; inner < TILE_DEPTH; inner++) {
    float left[ROWS];
    [[unroll]] for (uint i = 0; i < ROWS; i++) left[i] = left_tile[inner * LEFT_PITCH + y + i * LANES_Y];
    [[unroll]] for (uint j = 0; j < COLUMNS; j++) {
      const float right = right_tile[inner * RIGHT_PITCH + x + j * LANES_X];
      [[unroll]] for (uint i = 0; i < ROWS; i++) sums[i * COLUMNS + j] = fma(left[i], right, sums[i * COLUMNS + j]);
    }
  }
}

// Writes the sums, with bias and epilogue, to rows first_row ..< end_row of `result` [.., width], from column
// first_column on, in type `type`. `residual` is laid out like the result, `gate` is one row of it.
void write_sums(
    FloatsOut result, uint type, FloatsIn bias, FloatsIn residual, FloatsIn gate, uint first_row, uint end_row,
    uint first_column, uint width) {
  [[unroll]] for (uint j = 0; j < COLUMNS; j++) {
    const uint column = first_column + gl_LocalInvocationIndex % LANES_X + j * LANES_X;
    if (column >= width) continue;
    const float offset = load_element(bias, BIAS, column);
    const float factor = load_gate(gate, EPILOGUE, column);
    [[unroll]] for (uint i = 0; i < ROWS; i++) {
      const uint row = first_row + gl_LocalInvocationIndex / LANES_X + i * LANES_Y;
      const uint at = row * width + column;
      if (row < end_row) {
        store_element(result, type, at, finish(sums[i * COLUMNS + j] + offset, residual, factor, EPILOGUE, at));
      }
    }
  }
}
