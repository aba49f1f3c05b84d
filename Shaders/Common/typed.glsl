// Elements whose type is fixed when the pipeline is made: the numbers of ElementType in
// Sources/LumosVulkan/ProductTile.swift. Only the chosen branch is compiled. 16-bit numbers are bit patterns and integer
// work, so that neither arithmetic features nor rounding modes of the device matter.
const uint TYPE_ABSENT = 0;
const uint TYPE_F32 = 1;
const uint TYPE_F16 = 2;
const uint TYPE_BF16 = 3;

// Element i, widened exactly; 0 of a tensor that is absent.
float load_element(FloatsIn x, uint type, uint i) {
  if (type == TYPE_F32) return x.at[i];
  if (type == TYPE_F16) return unpackHalf2x16(uint(HalvesIn(x).at[i])).x;
  if (type == TYPE_BF16) return uintBitsToFloat(uint(HalvesIn(x).at[i]) << 16);
  return 0;
}

// The nearest f16, ties to even. Numbers beyond the largest finite one become it; infinities and NaN stay what they are.
uint half_bits(float value) {
  const uint bits = floatBitsToUint(value);
  const uint sign = bits >> 16 & 0x8000u;
  const uint magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) return sign | (magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u);
  if (magnitude >= 0x477ff000u) return sign | 0x7bffu;
  if (magnitude < 0x38800000u) {
    // Below 2^-14 the result is a multiple of 2^-24, below 2^-25 it is zero.
    const uint shift = 126 - (magnitude >> 23);
    if (shift > 24) return sign;
    const uint significand = (magnitude & 0x7fffffu) | 0x800000u;
    const uint whole = significand >> shift;
    const uint rest = significand & ((1u << shift) - 1);
    const uint half_unit = 1u << (shift - 1);
    return sign | (whole + uint(rest > half_unit || (rest == half_unit && (whole & 1) == 1)));
  }
  const uint rebiased = magnitude - 0x38000000u;
  return sign | (rebiased + 0xfffu + (rebiased >> 13 & 1)) >> 13;
}

// The nearest bf16, likewise.
uint bfloat_bits(float value) {
  const uint bits = floatBitsToUint(value);
  const uint magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return bits >> 16 | 0x40u;
  if (magnitude < 0x7f800000u && magnitude >= 0x7f7f8000u) return (bits >> 16 & 0x8000u) | 0x7f7fu;
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

// The number of `type` that is nearest to a value.
float rounded(uint type, float value) {
  if (type == TYPE_F16) return unpackHalf2x16(half_bits(value)).x;
  if (type == TYPE_BF16) return uintBitsToFloat(bfloat_bits(value) << 16);
  return value;
}

#if defined(WEIGHT_F16)
const uint WEIGHT_TYPE = TYPE_F16;
#elif defined(WEIGHT_BF16)
const uint WEIGHT_TYPE = TYPE_BF16;
#else
const uint WEIGHT_TYPE = TYPE_F32;
#endif

#if !defined(WEIGHT_BLOCKS)
// Weight i as a factor of a product of type `type`: rounded where that is a half type and not the one it is stored in.
float load_factor(WEIGHTS weights, uint type, uint i) {
  const float value = load_weight(weights, i);
  return type == WEIGHT_TYPE ? value : rounded(type, value);
}
#endif

// Writes element i.
void store_element(FloatsOut x, uint type, uint i, float value) {
  if (type == TYPE_F32) {
    x.at[i] = value;
  } else {
    HalvesOut(x).at[i] = uint16_t(type == TYPE_F16 ? half_bits(value) : bfloat_bits(value));
  }
}
