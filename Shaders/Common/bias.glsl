// A vector that may be absent and whose element type is fixed when the pipeline is made: the values of BiasType in
// Sources/LumosVulkan/ProductTile.swift.
const uint BIAS_ABSENT = 0;
const uint BIAS_F32 = 1;
const uint BIAS_F16 = 2;
const uint BIAS_BF16 = 3;

float load_bias(FloatsIn bias, uint type, uint i) {
  if (type == BIAS_F32) return bias.at[i];
  if (type == BIAS_F16) return unpackHalf2x16(uint(HalvesIn(bias).at[i])).x;
  if (type == BIAS_BF16) return uintBitsToFloat(uint(HalvesIn(bias).at[i]) << 16);
  return 0;
}
