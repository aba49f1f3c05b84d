// Operands that repeat along rows: element i of a tensor meets element `i mod width` of a row.
#include "Common/vectors.glsl"
#include "Common/divide.glsl"

// The elements of a row, of type `type`, that elements i ..< i + 4 of `count` meet. Where `whole`, the width is a multiple
// of four.
vec4 load_columns(FloatsIn row, uint type, Divisor width, bool whole, uint i, uint count) {
  if (whole) return load_vector(row, type, true, modulo(i, width), 0);
  vec4 values;
  [[unroll]] for (uint k = 0; k < 4; k++) values[k] = load_element(row, type, modulo(min(i + k, count - 1), width));
  return values;
}
