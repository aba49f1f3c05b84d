// Words 0 ..< count from `source` to `target`.
#include "Common/types.glsl"

layout(local_size_x = 256) in;
layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer WordsIn { uvec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer WordsOut { uvec4 at[]; };
layout(push_constant, scalar) uniform Push {
  WordsIn source;
  WordsOut target;
  uint count;
} p;

const uint LOADS = 4;

void main() {
  const uint first = workgroup_index() * (256 * LOADS) + gl_LocalInvocationID.x;
  uvec4 words[LOADS];
  [[unroll]] for (uint i = 0; i < LOADS; i++) {
    if (first + 256 * i < p.count) words[i] = p.source.at[first + 256 * i];
  }
  [[unroll]] for (uint i = 0; i < LOADS; i++) {
    if (first + 256 * i < p.count) p.target.at[first + 256 * i] = words[i];
  }
}
