// Linear for very few rows, where the weights are read once and used once, so that a tile in shared memory saves
// nothing. A workgroup makes four elements of one row: its 128 invocations read the four weight rows side by side, each
// keeps four partial sums, and a tree in shared memory adds them up.
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/bias.glsl"

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint BIAS = BIAS_ABSENT;

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight;
  FloatsIn bias;
  FloatsOut y;
  uint width;
  uint depth;
  uint groups;
} p;

const uint INVOCATIONS = 128;
const uint COLUMNS = 4;
shared float partial[COLUMNS * INVOCATIONS];

void main() {
  const uint group = workgroup_index();
  if (group >= p.groups) return;
  const uint blocks = (p.width + COLUMNS - 1) / COLUMNS;
  const uint row = group / blocks;
  const uint first_column = (group % blocks) * COLUMNS;
  const uint lane = gl_LocalInvocationIndex;

  float sums[COLUMNS];
  [[unroll]] for (uint j = 0; j < COLUMNS; j++) sums[j] = 0;
  for (uint k = lane; k < p.depth; k += INVOCATIONS) {
    const float x = p.x.at[row * p.depth + k];
    [[unroll]] for (uint j = 0; j < COLUMNS; j++) {
      // Columns past the end repeat the last one and are not written.
      const uint column = min(first_column + j, p.width - 1);
      sums[j] = fma(x, load_weight(p.weight, column * p.depth + k), sums[j]);
    }
  }

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
    const uint at = lane * INVOCATIONS;
    const float sum = (partial[at] + partial[at + 1]) + (partial[at + 2] + partial[at + 3]);
    p.y.at[row * p.width + column] = sum + load_bias(p.bias, BIAS, column);
  }
}
