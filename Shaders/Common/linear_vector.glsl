// A linear layer for very few rows, where the weights are read once and used once, so that a tile in shared memory
// saves nothing; for Linear and MultiLinear.
//
// A workgroup makes four elements of one row: its 128 invocations read the four weight rows side by side, each keeps
// four partial sums, and a tree in shared memory adds them up. The including shader declares push constants `p` with
// x [.., depth] of type LEFT, width, depth and groups.
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/epilogue.glsl"

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint BIAS = TYPE_ABSENT;
layout(constant_id = 1) const uint EPILOGUE = EPILOGUE_NONE;
// Type of x, and so of the product.
layout(constant_id = 2) const uint LEFT = TYPE_F32;
// Type of the result.
layout(constant_id = 3) const uint RESULT = TYPE_F32;
#if defined(WEIGHT_BLOCKS)
#include "Common/blocks.glsl"
// Type of the weights.
layout(constant_id = 4) const uint WEIGHT = TYPE_Q8_0;
#endif

const uint INVOCATIONS = 128;
const uint COLUMNS = 4;
shared float partial[COLUMNS * INVOCATIONS];

// Group `group` of y [.., width], of type `type`, = x * transpose(weight) + bias, with epilogue. The whole workgroup must call it.
void linear_group(
    WEIGHTS weight, FloatsIn bias, FloatsOut y, uint type, FloatsIn residual, FloatsIn gate, uint group) {
  if (group >= p.groups) return;
  const uint blocks = (p.width + COLUMNS - 1) / COLUMNS;
  const uint row = group / blocks;
  const uint first_column = (group % blocks) * COLUMNS;
  const uint lane = gl_LocalInvocationIndex;

  float sums[COLUMNS];
  [[unroll]] for (uint j = 0; j < COLUMNS; j++) sums[j] = 0;
#if defined(WEIGHT_BLOCKS)
  // Eight elements at a time, which share a scale.
  for (uint k = lane * 8; k < p.depth; k += INVOCATIONS * 8) {
    float x[8];
    [[unroll]] for (uint i = 0; i < 8; i++) x[i] = load_element(p.x, LEFT, row * p.depth + k + i);
    [[unroll]] for (uint j = 0; j < COLUMNS; j++) {
      const uint column = min(first_column + j, p.width - 1);
      float values[8];
      load_block_factors(weight, WEIGHT, LEFT, column * p.depth + k, values);
      [[unroll]] for (uint i = 0; i < 8; i++) sums[j] = fma(x[i], values[i], sums[j]);
    }
  }
#else
  for (uint k = lane; k < p.depth; k += INVOCATIONS) {
    const float x = load_element(p.x, LEFT, row * p.depth + k);
    [[unroll]] for (uint j = 0; j < COLUMNS; j++) {
      // Columns past the end repeat the last one and are not written.
      const uint column = min(first_column + j, p.width - 1);
      sums[j] = fma(x, load_factor(weight, LEFT, column * p.depth + k), sums[j]);
    }
  }
#endif

  [[unroll]] for (uint j = 0; j < COLUMNS; j++) partial[j * INVOCATIONS + lane] = sums[j];
  barrier();
  for (uint span = INVOCATIONS / 2; span >= COLUMNS; span /= 2) {
    if (lane < span) {
      [[unroll]] for (uint j = 0; j < COLUMNS; j++) {
        partial[j * INVOCATIONS + lane] += partial[j * INVOCATIONS + lane + span];
      }
    }
    barrier();
  }
  const uint column = first_column + lane;
  if (lane < COLUMNS && column < p.width) {
    const uint first = lane * INVOCATIONS;
    const float sum = (partial[first] + partial[first + 1]) + (partial[first + 2] + partial[first + 3]);
    const uint at = row * p.width + column;
    const float offset = load_element(bias, BIAS, column);
    store_element(y, type, at, finish(sum + offset, residual, load_gate(gate, EPILOGUE, column), EPILOGUE, at));
  }
}
