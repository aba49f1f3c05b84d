// Weights in ggml's blocks (BlockFormat in Sources/LumosTensor): some neighbouring elements of a row share a scale and,
// in the types Q4_K and Q5_K, an offset; an element is scale * q - offset.
//
// Blocks are 18 to 210 bytes long and begin at even addresses, so they are read in 16-bit words, each of which holds
// something of two neighbouring elements. Eight elements from a multiple of eight on have one scale: reading it costs
// one to five words for four to eight words of integers. Products and differences are exact, or round once as on the
// host, whether the compiler fuses them or not.
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/typed.glsl"

// Numbers of ElementType, as in typed.glsl.
const uint TYPE_Q8_0 = 4;
const uint TYPE_Q4_0 = 5;
const uint TYPE_Q5_0 = 6;
const uint TYPE_Q4_K = 7;
const uint TYPE_Q5_K = 8;
const uint TYPE_Q6_K = 9;

bool is_block(uint type) { return type >= TYPE_Q8_0; }
uint block_elements(uint type) { return type < TYPE_Q4_K ? 32 : 256; }

// 16-bit words of a block.
uint block_words(uint type) {
  if (type == TYPE_Q8_0) return 17;
  if (type == TYPE_Q4_0) return 9;
  if (type == TYPE_Q5_0) return 11;
  if (type == TYPE_Q4_K) return 72;
  if (type == TYPE_Q5_K) return 88;
  return 105;
}

uint block_word(HalvesIn weights, uint i) { return uint(weights.at[i]); }
uint block_byte(HalvesIn weights, uint block, uint i) { return block_word(weights, block + i / 2) >> (i % 2 * 8) & 255; }
float block_half(HalvesIn weights, uint i) { return unpackHalf2x16(block_word(weights, i)).x; }

// Scale and offset of element e of the block that begins at word `block`.
vec2 block_scale(HalvesIn weights, uint type, uint block, uint e) {
  if (type == TYPE_Q6_K) {
    const int own = bitfieldExtract(int(block_byte(weights, block, 192 + e / 16)), 0, 8);
    return vec2(block_half(weights, block + 104) * float(own), 0);
  }
  const float scale = block_half(weights, block);
  if (type < TYPE_Q4_K) return vec2(scale, 0);
  // Six bits each: see BlockFormat.
  const uint part = e / 32;
  uint own = block_byte(weights, block, 4 + part % 4);
  uint least = block_byte(weights, block, 8 + part % 4);
  if (part < 4) {
    own &= 63;
    least &= 63;
  } else {
    const uint low = block_byte(weights, block, 8 + part);
    own = low & 15 | (own & 0xc0) >> 2;
    least = low >> 4 | (least & 0xc0) >> 2;
  }
  return vec2(scale * float(own), block_half(weights, block + 1) * float(least));
}

// The integers q of elements e and e + 1, e even, of the block that begins at word `block`.
ivec2 block_pair(HalvesIn weights, uint type, uint block, uint e) {
  if (type == TYPE_Q8_0) {
    const int word = int(block_word(weights, block + 1 + e / 2));
    return ivec2(bitfieldExtract(word, 0, 8), bitfieldExtract(word, 8, 8));
  }
  // Four bits of each element stand in one byte, and up to two more elsewhere, `high`.
  uint low, high = 0;
  int middle = 0;
  if (type == TYPE_Q4_0) {
    low = block_word(weights, block + 1 + e % 16 / 2) >> (e / 16 * 4);
    middle = 8;
  } else if (type == TYPE_Q5_0) {
    low = block_word(weights, block + 3 + e % 16 / 2) >> (e / 16 * 4);
    const uint bits = block_word(weights, block + 1 + e / 16) >> e % 16;
    high = bits & 1 | (bits & 2) << 7;
    middle = 16;
  } else if (type == TYPE_Q6_K) {
    low = block_word(weights, block + e / 128 * 32 + e % 64 / 2) >> (e % 128 / 64 * 4);
    high = block_word(weights, block + 64 + e / 128 * 16 + e % 32 / 2) >> (e % 128 / 32 * 2) & 0x0303;
    middle = 32;
  } else {
    const uint part = e / 32;
    const uint quants = type == TYPE_Q5_K ? 24 : 8;
    low = block_word(weights, block + quants + part / 2 * 16 + e % 32 / 2) >> (part % 2 * 4);
    if (type == TYPE_Q5_K) high = block_word(weights, block + 8 + e % 32 / 2) >> part & 0x0101;
  }
  const uint both = low & 0x0f0f | high << 4;
  return ivec2(both & 255, both >> 8) - middle;
}

// Elements i ..< i + 8, i a multiple of eight, as factors of a product of type `factor`.
void load_block_factors(HalvesIn weights, uint type, uint factor, uint i, out float values[8]) {
  const uint block = i / block_elements(type) * block_words(type);
  const uint e = i % block_elements(type);
  const vec2 scale = block_scale(weights, type, block, e);
  [[unroll]] for (uint j = 0; j < 8; j += 2) {
    const ivec2 q = block_pair(weights, type, block, e + j);
    values[j] = rounded(factor, scale.x * float(q.x) - scale.y);
    values[j + 1] = rounded(factor, scale.x * float(q.y) - scale.y);
  }
}
