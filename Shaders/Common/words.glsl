// Tensors read and written in words of 16 bytes where their addresses allow it.
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer WordsIn { uvec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer VectorsOut { vec4 at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer PairsOut { uvec2 at[]; };

// Whether rows of `pitch` elements, `per_word` of which take 16 bytes, can be read word by word.
bool reads_words(FloatsIn x, uint pitch, uint per_word) { return (uvec2(x).x & 15) == 0 && pitch % per_word == 0; }

// `at ..< at + 8` of 16-bit elements of which `count` are asked for; zeros in place of others.
uvec4 load_halves(FloatsIn x, bool by_word, uint at, uint count) {
  if (by_word && count >= 8) return WordsIn(x).at[at / 8];
  uvec4 word = uvec4(0);
  [[unroll]] for (uint i = 0; i < 8; i++) {
    if (i < count) word[i / 2] |= uint(HalvesIn(x).at[at + i]) << (i % 2 * 16);
  }
  return word;
}

// `at ..< at + 4` of float32 elements, likewise.
uvec4 load_floats(FloatsIn x, bool by_word, uint at, uint count) {
  if (by_word && count >= 4) return WordsIn(x).at[at / 4];
  uvec4 word = uvec4(0);
  [[unroll]] for (uint i = 0; i < 4; i++) {
    if (i < count) word[i] = floatBitsToUint(x.at[at + i]);
  }
  return word;
}

// Writes elements at ..< at + 4 in type `type`; `by_word` says that the address is one of a whole word, and at a multiple
// of four.
void store_four(FloatsOut x, uint type, bool by_word, uint at, vec4 values) {
  if (by_word && type == TYPE_F32) {
    VectorsOut(x).at[at / 4] = values;
  } else if (by_word) {
    uvec4 bits;
    [[unroll]] for (uint i = 0; i < 4; i++) {
      bits[i] = type == TYPE_F16 ? half_bits(values[i]) : bfloat_bits(values[i]);
    }
    PairsOut(x).at[at / 4] = bits.xz | bits.yw << 16;
  } else {
    [[unroll]] for (uint i = 0; i < 4; i++) store_element(x, type, at + i, values[i]);
  }
}
