// Second half of a Linear whose inner axis was cut into parts: y = the sum of the parts + bias, with epilogue.
//
// The first half left the parts in scratch memory, [PARTS, rows, width] in float32. They are added in their order,
// whatever the order in which they were made, so that every run gives the same result.
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/divide.glsl"
#include "Common/epilogue.glsl"
#extension GL_EXT_control_flow_attributes : require

layout(constant_id = 0) const uint PARTS = 2;
layout(constant_id = 1) const uint BIAS = TYPE_ABSENT;
layout(constant_id = 2) const uint EPILOGUE = EPILOGUE_NONE;
// Type of the result.
layout(constant_id = 3) const uint RESULT = TYPE_F32;

layout(push_constant, scalar) uniform Push {
  FloatsIn parts;
  FloatsIn bias;
  FloatsOut result;
  FloatsIn residual;
  FloatsIn gate;
  uint count;  // elements of the result
  Divisor width;
} p;

float element(uint i) {
  float sum = p.parts.at[i];
  [[unroll]] for (uint part = 1; part < PARTS; part++) sum += p.parts.at[part * p.count + i];
  const uint column = modulo(i, p.width);
  sum += load_element(p.bias, BIAS, column);
  return finish(sum, p.residual, load_gate(p.gate, EPILOGUE, column), EPILOGUE, i);
}

layout(local_size_x = 128) in;

// Every invocation makes four elements, a workgroup's width apart, and loads all four before it stores.
const uint ELEMENTS = 4;

void main() {
  const uint first = workgroup_index() * (128 * ELEMENTS) + gl_LocalInvocationID.x;
  float values[ELEMENTS];
  [[unroll]] for (uint k = 0; k < ELEMENTS; k++) {
    const uint i = first + 128 * k;
    values[k] = i < p.count ? element(i) : 0.0;
  }
  [[unroll]] for (uint k = 0; k < ELEMENTS; k++) {
    const uint i = first + 128 * k;
    if (i < p.count) store_element(p.result, RESULT, i, values[k]);
  }
}
