// The rows of a matrix, read once and held in registers, and their sums: for norms.
//
// LANES invocations (a power of two up to 128, chosen from the row's width) share a row, so a workgroup handles
// 128 / LANES rows. Vector k of a lane is four neighbouring elements; neighbours hold neighbouring words of what is
// written, which are two vectors where the result (RESULT, which the including shader declares) is of a half type.
// Rows of up to 4 MOST_HELD LANES elements stay in registers from the first sum to the store; wider ones are read again.
//
// Each lane adds its vectors component by component, and a tree in shared memory adds the lanes: a chain of at most
// width / (4 LANES) + 9 additions, 41 at a width of 16384, as good as pairwise summation. Nothing depends on the subgroup
// size. Rows past the end take part in the barriers, with a width of zero.
#include "Common/vectors.glsl"

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint LANES = 128;
layout(constant_id = 3) const uint VECTORS = 1;  // of a lane: a multiple of those in a word

const uint MOST_HELD = 12;
const bool HELD = VECTORS <= MOST_HELD;

shared vec2 lane_sums[128];
vec4 held[HELD ? VECTORS : 1];

// A row's elements first ..< first + width of x.
struct Row {
  uint index;
  uint first;
  uint width;
  bool whole;  // whether its vectors can be read with one access
};

uint row_lane() { return gl_LocalInvocationID.x % LANES; }

// The column at which vector k of this lane begins; past the width if there is none.
uint row_column(uint k) {
  const uint per_word = vectors_in_word(RESULT);
  return 4 * ((k / per_word * LANES + row_lane()) * per_word + k % per_word);
}

// Vector k of this lane; zeros beyond the row's end.
vec4 load_row(FloatsIn x, Row row, uint k) {
  const uint column = row_column(k);
  if (column >= row.width) return vec4(0.0);
  const vec4 elements = load_vector(x, row.whole, row.first + column, row.first + row.width - 1);
  return mix(vec4(0.0), elements, lessThan(column + uvec4(0, 1, 2, 3), uvec4(row.width)));
}

// This invocation's row of a matrix of `rows`, with its elements held if there is room.
Row open_row(FloatsIn x, uint rows, uint width) {
  Row row;
  row.index = workgroup_index() * (128 / LANES) + gl_LocalInvocationID.x / LANES;
  row.first = row.index * width;
  row.width = row.index < rows ? width : 0;
  row.whole = width % 4 == 0 && is_aligned(uvec2(x));
  if (HELD) {
    [[unroll]] for (uint k = 0; k < VECTORS; k++) held[k] = load_row(x, row, k);
  }
  return row;
}

vec4 row_vector(FloatsIn x, Row row, uint k) { return HELD ? held[k] : load_row(x, row, k); }

// What a row vector meets of an operand as wide as the row, which all rows share: of float32, or of weights.
vec4 load_row_operand(FloatsIn operand, Row row, uint k) {
  const bool whole = is_aligned(uvec2(operand)) && row.width % 4 == 0 && row_column(k) < row.width;
  return load_vector(operand, whole, row_column(k), row.width - 1);
}
vec4 load_row_weights(WEIGHTS weights, Row row, uint k) {
  const bool whole = is_aligned(uvec2(weights)) && row.width % 4 == 0 && row_column(k) < row.width;
  return load_weights(weights, whole, row_column(k), row.width - 1);
}

// (sum of x - centre, sum of (x - centre)^2) over the row, the same in all its lanes. Must be called by every invocation
// of the workgroup.
vec2 row_sums(FloatsIn x, Row row, float centre) {
  vec4 sums = vec4(0.0);
  vec4 squares = vec4(0.0);
  [[unroll]] for (uint k = 0; k < VECTORS; k++) {
    const uvec4 columns = row_column(k) + uvec4(0, 1, 2, 3);
    const vec4 deviations = mix(vec4(0.0), row_vector(x, row, k) - centre, lessThan(columns, uvec4(row.width)));
    sums += deviations;
    squares += deviations * deviations;
  }
  const uint me = gl_LocalInvocationID.x;
  lane_sums[me] = vec2((sums.x + sums.y) + (sums.z + sums.w), (squares.x + squares.y) + (squares.z + squares.w));
  barrier();
  for (uint distance = LANES / 2; distance > 0; distance /= 2) {
    if (row_lane() < distance) lane_sums[me] += lane_sums[me + distance];
    barrier();
  }
  const vec2 total = lane_sums[me - row_lane()];
  barrier();  // The next call overwrites what other lanes may still be about to read.
  return total;
}

// Writes vectors k and, where a word holds two, k + 1 of this lane.
void store_row(FloatsOut result, Row row, uint k, vec4 first, vec4 second) {
  const uint column = row_column(k);
  if (column >= row.width) return;
  const bool writes = is_aligned(uvec2(result)) && row.width % (4 * vectors_in_word(RESULT)) == 0;
  store_word(result, RESULT, writes, row.first + column, row.first + row.width, first, second);
}
