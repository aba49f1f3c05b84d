// The matrix product on matrix units that Linear, MultiLinear and Conv3D share: one workgroup makes a tile of the
// result, TILE_ROWS x TILE_COLUMNS, each of its subgroups a share of it, SHARE_ROWS x SHARE_COLUMNS.
//
//   fetch the first step's pieces of both operands into registers, store them to shared memory
//   for every step of TILE_DEPTH along the inner axis:
//     fetch the next step's pieces: the loads are under way while the units multiply
//     multiply: fragments from shared memory, sums in fragments of float32
//     store the next pieces into the other half of the tiles; one barrier
//   sums go through shared memory, fragments' row by row, and out with the epilogue
//
// Shared memory holds factors eight to a word of 16 bytes. A row of a tile is TILE_DEPTH factors, 64 bytes, and one
// word of padding: eight rows that a fragment's load reads side by side then begin 80 bytes from each other, which is
// at eight different multiples of four among 32 banks of 4 bytes. Where two pairs of tiles do not fit there is one, and
// a second barrier.
//
// The fragments' shape is what the device reports. Registers: a subgroup holds SHARE_ROWS * SHARE_COLUMNS sums. For
// each inner index it reads SHARE_ROWS + SHARE_COLUMNS factors from shared memory; at 64 x 64 that is one byte for 32
// floating-point operations.
//
// The includer defines what the left operand is (fetch_left). FACTOR_BF16 makes factors bf16 instead of f16.
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/epilogue.glsl"
#include "Common/blocks.glsl"
#include "Common/factors.glsl"
#include "Common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 128;
// A fragment of the left operand is ROWS x DEPTH, of the right one DEPTH x COLUMNS.
layout(constant_id = 1) const uint FRAGMENT_ROWS = 16;
layout(constant_id = 2) const uint FRAGMENT_COLUMNS = 16;
layout(constant_id = 3) const uint FRAGMENT_DEPTH = 16;
layout(constant_id = 4) const uint TILE_ROWS = 128;
layout(constant_id = 5) const uint TILE_COLUMNS = 128;
layout(constant_id = 6) const uint SHARE_ROWS = 64;
layout(constant_id = 7) const uint SHARE_COLUMNS = 64;
// Pairs of tiles in shared memory: 1 or 2.
layout(constant_id = 8) const uint BUFFERS = 2;
layout(constant_id = 9) const uint BIAS = TYPE_ABSENT;
layout(constant_id = 10) const uint EPILOGUE = EPILOGUE_NONE;
// What the right operand is stored in, blocks included; other numbers than those of FACTOR_TYPE are rounded to it.
layout(constant_id = 11) const uint WEIGHT = FACTOR_TYPE;
// Type of the result, or of several: four bits each.
layout(constant_id = 12) const uint RESULT = TYPE_F32;

const uint TILE_DEPTH = 32;
// Words of a tile's row, and where the next row begins.
const uint WORDS = TILE_DEPTH / 8;
const uint PITCH = WORDS + 1;
// An invocation loads a word of every LINES-th row of a tile. Of the right tile the last ones may load nothing.
const uint LINES = INVOCATIONS / WORDS;
const uint LEFT_LOADS = TILE_ROWS / LINES;
const uint RIGHT_LOADS = (TILE_COLUMNS + LINES - 1) / LINES;
// Words of memory that eight factors of the right operand take.
const uint RIGHT_WORDS = WEIGHT == TYPE_F32 ? 2 : 1;

const uint ROW_FRAGMENTS = SHARE_ROWS / FRAGMENT_ROWS;
const uint COLUMN_FRAGMENTS = SHARE_COLUMNS / FRAGMENT_COLUMNS;
const uint SHARES_ACROSS = TILE_COLUMNS / SHARE_COLUMNS;
const uint SHARES = TILE_ROWS / SHARE_ROWS * SHARES_ACROSS;

// On their way out, sums of one row of fragments take SHARE_COLUMNS floats and one word of padding.
const uint STAGE_PITCH = SHARE_COLUMNS / 4 + 1;
const uint STAGE_WORDS = SHARES * FRAGMENT_ROWS * STAGE_PITCH;
const uint PAIR_WORDS = (TILE_ROWS + TILE_COLUMNS) * PITCH;
const uint TILES_WORDS = BUFFERS * PAIR_WORDS;
const uint SHARED_WORDS = TILES_WORDS > STAGE_WORDS ? TILES_WORDS : STAGE_WORDS;
shared uvec4 words[SHARED_WORDS];

// This invocation's pieces of the next step's tiles, as they lie in memory. Piece i belongs to row line() + i * LINES
// of the tile, and to the inner indices inner_offset() ..< inner_offset() + 8 of the step.
uvec4 left_pieces[LEFT_LOADS];
uvec4 right_pieces[RIGHT_LOADS * RIGHT_WORDS];
// Bit i is set where piece i of the left operand is zeros instead of what was fetched: nothing looks at a loaded number
// before the tile is stored.
uint left_absent = 0;

uint line() { return gl_LocalInvocationIndex / WORDS; }
uint inner_offset() { return gl_LocalInvocationIndex % WORDS * 8; }

// How many inner indices from `inner` on there are.
uint remaining(uint inner, uint depth) { return inner < depth ? depth - inner : 0; }

uint factor_bits(float value) { return FACTOR_TYPE == TYPE_F16 ? half_bits(value) : bfloat_bits(value); }

// Fetches pieces of rows first_row ... of `weights` [rows, depth]. Rows past the end repeat the last one: what becomes
// of them is not written. All loads of a whole step stand side by side, without conditions in between, so that they are
// under way together; whether a step is whole is the same for the workgroup.
void fetch_right(FloatsIn weights, bool by_word, uint first_row, uint rows, uint depth, uint first) {
  const uint inner = first + inner_offset();
  if (is_block(WEIGHT)) {
    // Blocks are as long as a step, or longer: every step is whole. What is fetched are factors already.
    [[unroll]] for (uint i = 0; i < RIGHT_LOADS; i++) {
      float values[8];
      const uint at = min(first_row + line() + i * LINES, rows - 1) * depth + inner;
      load_block_factors(HalvesIn(weights), WEIGHT, TYPE_F32, at, values);
      [[unroll]] for (uint j = 0; j < 4; j++) {
        right_pieces[i][j] = factor_bits(values[2 * j]) | factor_bits(values[2 * j + 1]) << 16;
      }
    }
    return;
  }
  if (by_word && first + TILE_DEPTH <= depth) {
    [[unroll]] for (uint i = 0; i < RIGHT_LOADS; i++) {
      const uint at = min(first_row + line() + i * LINES, rows - 1) * depth + inner;
      [[unroll]] for (uint j = 0; j < RIGHT_WORDS; j++) {
        right_pieces[i * RIGHT_WORDS + j] = WordsIn(weights).at[at / (8 / RIGHT_WORDS) + j];
      }
    }
    return;
  }
  const uint count = remaining(inner, depth);
  [[unroll]] for (uint i = 0; i < RIGHT_LOADS; i++) {
    const uint at = min(first_row + line() + i * LINES, rows - 1) * depth + inner;
    if (WEIGHT == TYPE_F32) {
      right_pieces[2 * i] = load_floats(weights, by_word, at, count);
      right_pieces[2 * i + 1] = load_floats(weights, by_word, at + 4, count > 4 ? count - 4 : 0);
    } else {
      right_pieces[i] = load_halves(weights, by_word, at, count);
    }
  }
}

// The same for the left operand, which may be anything; defined by the includer.
void fetch_left(uint first_row, uint first);

// The eight factors of piece i of the right operand.
uvec4 right_factors(uint i) {
  if (WEIGHT == FACTOR_TYPE || is_block(WEIGHT)) return right_pieces[i];
  uvec4 factors;
  [[unroll]] for (uint j = 0; j < 4; j++) {
    vec2 pair;
    if (WEIGHT == TYPE_F32) {
      const uvec4 piece = right_pieces[2 * i + j / 2];
      pair = uintBitsToFloat(uvec2(piece[j % 2 * 2], piece[j % 2 * 2 + 1]));
    } else {
      const uint bits = right_pieces[i][j];
      pair = WEIGHT == TYPE_F16 ? unpackHalf2x16(bits) : uintBitsToFloat(uvec2(bits << 16, bits & 0xffff0000u));
    }
    factors[j] = factor_bits(pair.x) | factor_bits(pair.y) << 16;
  }
  return factors;
}

// Puts the fetched pieces into a pair of tiles.
void store_pieces(uint pair) {
  const uint at = pair * PAIR_WORDS + line() * PITCH + gl_LocalInvocationIndex % WORDS;
  [[unroll]] for (uint i = 0; i < LEFT_LOADS; i++) {
    words[at + i * LINES * PITCH] = (left_absent >> i & 1) != 0 ? uvec4(0) : left_pieces[i];
  }
  [[unroll]] for (uint i = 0; i < RIGHT_LOADS; i++) {
    if (TILE_COLUMNS % LINES == 0 || line() + i * LINES < TILE_COLUMNS) {
      words[at + (TILE_ROWS + i * LINES) * PITCH] = right_factors(i);
    }
  }
}

// Where the tile goes, and what is done to it on the way.
struct Destination {
  FloatsOut result;    // [.., width], of type `type`
  uint type;
  FloatsIn bias;       // [width]
  FloatsIn residual;   // laid out like the result
  FloatsIn gate;       // [width]
  uint end_row;
  uint first_row;      // of the result, where row 0 of the product goes; below end_row
  uint width;
  bool by_word;        // whether four neighbours can be read and written at once
};

Destination destination(
    FloatsOut result, uint type, FloatsIn bias, FloatsIn residual, FloatsIn gate, uint first_row, uint rows,
    uint width) {
  const bool by_word = ((uvec2(result).x | uvec2(residual).x) & 15) == 0 && width % 4 == 0;
  return Destination(result, type, bias, residual, gate, first_row + rows, first_row, width, by_word);
}

// Finishes four neighbouring sums and writes those that are inside the result.
void write_sums(vec4 sums, Destination to, uint row, uint column) {
  if (row >= to.end_row || column >= to.width) return;
  const bool has_residual = EPILOGUE == EPILOGUE_ADD || EPILOGUE == EPILOGUE_GATED_ADD;
  const uint at = row * to.width + column;
  const uint count = to.width - column;
  vec4 residual = vec4(0);
  if (has_residual) residual = uintBitsToFloat(load_floats(to.residual, to.by_word, at, count));
  vec4 values;
  [[unroll]] for (uint i = 0; i < 4; i++) {
    const uint c = min(column + i, to.width - 1);
    const float sum = sums[i] + load_element(to.bias, BIAS, c);
    values[i] = combine(sum, residual[i], load_gate(to.gate, EPILOGUE, c), EPILOGUE);
  }
  if (to.by_word) {
    store_four(to.result, to.type, true, at, values);
  } else {
    [[unroll]] for (uint i = 0; i < 4; i++) {
      if (i < count) store_element(to.result, to.type, at + i, values[i]);
    }
  }
}

// Makes the tile whose corner is (first_row, first_column) of the product of the left operand [.., depth] and the
// transpose of `weights` [to.width, depth], summed over the inner indices begin ..< end. `begin` is below `end` or both
// are 0, and a multiple of TILE_DEPTH; so is `end`, or it is `depth`.
void matrix_tile(
    FloatsIn weights, Destination to, uint first_row, uint first_column, uint depth, uint begin, uint end) {
  coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLUMNS, gl_MatrixUseAccumulator>
      sums[ROW_FRAGMENTS * COLUMN_FRAGMENTS];
  [[unroll]] for (uint i = 0; i < ROW_FRAGMENTS * COLUMN_FRAGMENTS; i++) {
    sums[i] = coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLUMNS, gl_MatrixUseAccumulator>(0.0);
  }
  const uint share_row = gl_SubgroupID / SHARES_ACROSS * SHARE_ROWS;
  const uint share_column = gl_SubgroupID % SHARES_ACROSS * SHARE_COLUMNS;
  const bool by_word = reads_words(weights, depth, WEIGHT == TYPE_F32 ? 4 : 8);

  fetch_left(first_row, begin);
  fetch_right(weights, by_word, first_column, to.width, depth, begin);
  store_pieces(0);
  barrier();
  uint pair = 0;
  for (uint first = begin; first < end; first += TILE_DEPTH) {
    const uint next = first + TILE_DEPTH;
    if (next < end) {
      fetch_left(first_row, next);
      fetch_right(weights, by_word, first_column, to.width, depth, next);
    }

    const uint left = pair * PAIR_WORDS + share_row * PITCH;
    const uint right = pair * PAIR_WORDS + (TILE_ROWS + share_column) * PITCH;
    [[unroll]] for (uint k = 0; k < TILE_DEPTH / FRAGMENT_DEPTH; k++) {
      const uint inner = k * (FRAGMENT_DEPTH / 8);
      coopmat<FACTOR, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_DEPTH, gl_MatrixUseA> lefts[ROW_FRAGMENTS];
      [[unroll]] for (uint i = 0; i < ROW_FRAGMENTS; i++) {
        coopMatLoad(
            lefts[i], words, left + i * FRAGMENT_ROWS * PITCH + inner, PITCH, gl_CooperativeMatrixLayoutRowMajor);
      }
      [[unroll]] for (uint j = 0; j < COLUMN_FRAGMENTS; j++) {
        // Rows of the weights are columns of the factor.
        coopmat<FACTOR, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_COLUMNS, gl_MatrixUseB> factor;
        coopMatLoad(
            factor, words, right + j * FRAGMENT_COLUMNS * PITCH + inner, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint i = 0; i < ROW_FRAGMENTS; i++) {
          sums[i * COLUMN_FRAGMENTS + j] = coopMatMulAdd(lefts[i], factor, sums[i * COLUMN_FRAGMENTS + j]);
        }
      }
    }

    if (BUFFERS == 1) barrier();
    pair = (pair + 1) % BUFFERS;
    if (next < end) store_pieces(pair);
    barrier();
  }

  const uint stage = gl_SubgroupID * FRAGMENT_ROWS * STAGE_PITCH;
  [[unroll]] for (uint i = 0; i < ROW_FRAGMENTS; i++) {
    [[unroll]] for (uint j = 0; j < COLUMN_FRAGMENTS; j++) {
      coopMatStore(
          sums[i * COLUMN_FRAGMENTS + j], words, stage + j * (FRAGMENT_COLUMNS / 4), STAGE_PITCH,
          gl_CooperativeMatrixLayoutRowMajor);
    }
    barrier();
    for (uint e = gl_SubgroupInvocationID; e < FRAGMENT_ROWS * (SHARE_COLUMNS / 4); e += gl_SubgroupSize) {
      const uint row = e / (SHARE_COLUMNS / 4);
      const uint column = e % (SHARE_COLUMNS / 4);
      write_sums(
          uintBitsToFloat(words[stage + row * STAGE_PITCH + column]), to,
          to.first_row + first_row + share_row + i * FRAGMENT_ROWS + row, first_column + share_column + column * 4);
    }
    barrier();
  }
}
