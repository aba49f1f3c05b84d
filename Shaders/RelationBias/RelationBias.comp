// bias[cell, head, key] = ratio · |scale · q̄[cell, head] · k[key, head]| · w[image of the cell, key].
//
// A tiled product per head: a workgroup of 8 x 8 invocations makes 32 cells x 32 keys, each invocation 4 x 4 of them in
// registers; 16 channels of both operands at a time go through shared memory.
#version 460
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint KEYS = TYPE_F32;  // their type
layout(push_constant, scalar) uniform Push {
  FloatsIn pooled;   // [cells, heads · size]
  FloatsIn keys;     // [key_count, heads · size]
  FloatsIn weights;  // [images, key_count]
  FloatsOut result;  // [cells, heads, key_count]
  uint cells;
  uint key_count;
  uint heads;
  uint size;
  uint cells_per_image;
  uint cell_tiles;
  uint key_tiles;
  float scale;
  float ratio;
} p;

const uint TILE = 32;
const uint SLICE = 16;
const uint STRIDE = SLICE + 1;  // odd, so that neighbouring rows lie in different banks

shared float staged_cells[TILE * STRIDE];
shared float staged_keys[TILE * STRIDE];

void main() {
  if (workgroup_index() >= p.cell_tiles * p.key_tiles * p.heads) return;
  const uint me = gl_LocalInvocationID.x;
  const uint key0 = workgroup_index() % p.key_tiles * TILE;
  const uint cell0 = workgroup_index() / p.key_tiles % p.cell_tiles * TILE;
  const uint head = workgroup_index() / (p.key_tiles * p.cell_tiles);
  const uint row = me / 8;
  const uint column = me % 8;

  float score[4][4];
  [[unroll]] for (uint r = 0; r < 4; r++) {
    [[unroll]] for (uint c = 0; c < 4; c++) score[r][c] = 0.0;
  }
  for (uint channel0 = 0; channel0 < p.size; channel0 += SLICE) {
    for (uint i = me; i < TILE * SLICE; i += 64) {
      const uint line = i / SLICE;
      const uint channel = channel0 + i % SLICE;
      const uint at = line * STRIDE + i % SLICE;
      const bool inside = channel < p.size;
      staged_cells[at] = inside && cell0 + line < p.cells
          ? p.pooled.at[((cell0 + line) * p.heads + head) * p.size + channel] : 0.0;
      staged_keys[at] = inside && key0 + line < p.key_count
          ? load_element(p.keys, KEYS, ((key0 + line) * p.heads + head) * p.size + channel) : 0.0;
    }
    barrier();
    for (uint channel = 0; channel < SLICE; channel++) {
      float q[4];
      [[unroll]] for (uint r = 0; r < 4; r++) q[r] = staged_cells[(row + 8 * r) * STRIDE + channel];
      [[unroll]] for (uint c = 0; c < 4; c++) {
        const float k = staged_keys[(column + 8 * c) * STRIDE + channel];
        [[unroll]] for (uint r = 0; r < 4; r++) score[r][c] = q[r] * k + score[r][c];
      }
    }
    barrier();
  }

  [[unroll]] for (uint r = 0; r < 4; r++) {
    const uint cell = cell0 + row + 8 * r;
    [[unroll]] for (uint c = 0; c < 4; c++) {
      const uint key = key0 + column + 8 * c;
      if (cell < p.cells && key < p.key_count) {
        const float weight = p.weights.at[cell / p.cells_per_image * p.key_count + key];
        p.result.at[(cell * p.heads + head) * p.key_count + key] = p.ratio * abs(p.scale * score[r][c]) * weight;
      }
    }
  }
}
