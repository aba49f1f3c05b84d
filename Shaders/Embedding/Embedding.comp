// result[row, channel] = table[ids[row], channel]. One invocation per element. An id outside the table takes its
// nearest row: a wrong id must not read foreign memory.
#version 460
#include "Common/types.glsl"

layout(local_size_x = 128) in;
layout(push_constant, scalar) uniform Push {
  IntsIn ids;
  WEIGHTS table;
  FloatsOut result;
  uint count;  // ids · width
  uint width;
  uint rows;  // of the table
} p;

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.count) return;
  const uint row = uint(clamp(p.ids.at[i / p.width], 0, int(p.rows) - 1));
  p.result.at[i] = load_weight(p.table, row * p.width + i % p.width);
}
