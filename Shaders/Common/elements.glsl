// main() of kernels whose output elements are independent of each other.
//
// The including shader declares push constants `p` with `result` and `count`, and defines
//   bool reads_vectors(): whether four neighbouring elements can be read with one access from each operand, and
//   vec4 elements(i, whole): outputs i ..< i + 4, by such accesses if `whole`; those behind the last do not matter.
// One whose result is not float32 defines RESULT_TYPE as well.
//
// An invocation makes sixteen elements in words of 16 bytes, a workgroup's width apart so that neighbours touch
// neighbouring words, and loads all of them before it stores: that keeps enough loads in flight to fill the memory bus.
#include "Common/vectors.glsl"

#ifndef RESULT_TYPE
#define RESULT_TYPE TYPE_F32
#endif

layout(local_size_x = 128) in;

const uint vectors_each = 4;

// Where vector k of an invocation lies, from its first.
uint vector_offset(uint k) {
  const uint per_word = vectors_in_word(RESULT_TYPE);
  return k / per_word * (128 * 4 * per_word) + k % per_word * 4;
}

void main() {
  const uint per_word = vectors_in_word(RESULT_TYPE);
  const uint first = workgroup_index() * (128 * 4 * vectors_each) + gl_LocalInvocationID.x * (4 * per_word);
  if (first >= p.count) return;
  const bool reads = reads_vectors();
  const bool writes = is_aligned(uvec2(p.result));
  vec4 values[vectors_each];
  [[unroll]] for (uint k = 0; k < vectors_each; k++) {
    const uint i = first + vector_offset(k);
    values[k] = i < p.count ? elements(i, reads && p.count - i >= 4) : vec4(0.0);
  }
  [[unroll]] for (uint k = 0; k < vectors_each; k += per_word) {
    const uint i = first + vector_offset(k);
    if (i < p.count) store_word(p.result, RESULT_TYPE, writes, i, p.count, values[k], values[k + per_word - 1]);
  }
}
