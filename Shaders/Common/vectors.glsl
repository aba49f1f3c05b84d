// Four neighbouring elements at a time, 16 bytes to an access: loads of vec4, and stores of a vec4 of float32 or of eight
// elements of a half type.
//
// Whether a tensor can be accessed so is a question of its address, the same for the whole dispatch (`is_aligned`), and of
// its row length. Where it cannot, or at a tail, `whole` is false and the same elements are accessed one by one.
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer VectorsIn { vec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer VectorsOut { vec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer WordsIn { uvec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer WordsOut { uvec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer PairsIn { uvec2 at[]; };

// Whether the tensors with these addresses, joined by `|`, begin at multiples of 16 bytes. One that is absent (address 0)
// does.
bool is_aligned(uvec2 addresses) { return (addresses.x & 15u) == 0; }

// The address less its rest of 16 or 8 bytes. Of an aligned tensor it is the address itself; a kernel that forgot to ask
// makes wrong numbers, which tests see on every device, in place of a fault, which some devices raise.
uvec2 whole_address(uvec2 address, uint bytes) { return uvec2(address.x & ~(bytes - 1), address.y); }

// Elements of a half type, two to a word.
vec2 widen(uint type, uint word) {
  return type == TYPE_F16 ? unpackHalf2x16(word) : uintBitsToFloat(uvec2(word << 16, word & 0xffff0000u));
}

// Elements at ..< at + 4, where `at` is a multiple of four if `whole`. If not, `last` stands for those behind it.
vec4 load_vector(FloatsIn x, bool whole, uint at, uint last) {
  if (whole) return VectorsIn(whole_address(uvec2(x), 16)).at[at / 4];
  vec4 elements;
  [[unroll]] for (uint k = 0; k < 4; k++) elements[k] = x.at[min(at + k, last)];
  return elements;
}

// The same of a tensor of type `type`; half types take 8 bytes.
vec4 load_vector(FloatsIn x, uint type, bool whole, uint at, uint last) {
  if (type == TYPE_F32) return load_vector(x, whole, at, last);
  if (whole) {
    const uvec2 words = PairsIn(whole_address(uvec2(x), 8)).at[at / 4];
    return vec4(widen(type, words.x), widen(type, words.y));
  }
  vec4 elements;
  [[unroll]] for (uint k = 0; k < 4; k++) elements[k] = load_element(x, type, min(at + k, last));
  return elements;
}

// A word of elements of type `type`, likewise: `first`, and of half types `second` behind it.
void load_word(FloatsIn x, uint type, bool whole, uint at, uint last, out vec4 first, out vec4 second) {
  if (type == TYPE_F32 || !whole) {
    first = load_vector(x, type, whole, at, last);
    second = type == TYPE_F32 ? vec4(0.0) : load_vector(x, type, false, at + 4, last);
    return;
  }
  const uvec4 words = WordsIn(whole_address(uvec2(x), 16)).at[at / 8];
  first = vec4(widen(type, words.x), widen(type, words.y));
  second = vec4(widen(type, words.z), widen(type, words.w));
}

// The same of weights, a vector at a time.
vec4 load_weights(WEIGHTS weights, bool whole, uint at, uint last) {
  return load_vector(FloatsIn(weights), WEIGHT_TYPE, whole, at, last);
}

// Two elements of a half type as they are stored.
uint packed_halves(uint type, vec2 values) {
  if (type == TYPE_F16) return half_bits(values.x) | half_bits(values.y) << 16;
  return bfloat_bits(values.x) | bfloat_bits(values.y) << 16;
}

// How many vectors of four a word of 16 bytes holds.
uint vectors_in_word(uint type) { return type == TYPE_F32 ? 1 : 2; }

// Writes a word of elements of type `type` from `at` on, as far as `end`: `first`, and of half types `second` behind it.
// `aligned` says that `at` is where a word begins.
void store_word(FloatsOut x, uint type, bool aligned, uint at, uint end, vec4 first, vec4 second) {
  const uint elements = 4 * vectors_in_word(type);
  if (aligned && end - at >= elements) {
    if (type == TYPE_F32) {
      VectorsOut(whole_address(uvec2(x), 16)).at[at / 4] = first;
    } else {
      WordsOut(whole_address(uvec2(x), 16)).at[at / 8] =
          uvec4(packed_halves(type, first.xy), packed_halves(type, first.zw), packed_halves(type, second.xy),
                packed_halves(type, second.zw));
    }
    return;
  }
  [[unroll]] for (uint k = 0; k < 4; k++) {
    if (at + k < end) store_element(x, type, at + k, first[k]);
    if (elements == 8 && at + 4 + k < end) store_element(x, type, at + 4 + k, second[k]);
  }
}
