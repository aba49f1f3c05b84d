// Linear for very few rows. Workgroup i makes the elements of group i.
#include "Common/types.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight;
  FloatsIn bias;
  FloatsOut y;
  FloatsIn residual;
  FloatsIn gate;
  uint width;
  uint depth;
  uint groups;
} p;

#include "Common/linear_vector.glsl"

void main() { linear_group(p.weight, p.bias, p.y, RESULT, p.residual, p.gate, workgroup_index()); }
