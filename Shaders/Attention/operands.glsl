// Operands of attention, and the bias of a score. The including shader defines BIAS, the type of a table of
// relative positions.
#include "Common/types.glsl"
#include "Common/typed.glsl"

// Below every score, yet finite: the difference of two is a number.
const float LOWEST = -1e30;
const uint NO_BIAS = 0xffffffffu;

layout(push_constant, scalar) uniform Push {
  FloatsIn q;
  FloatsIn k;
  FloatsIn v;
  FloatsIn bias;      // relation: [images · cells, heads, keys]; relativePosition: [buckets, heads] of type BIAS
  UintsIn constants;  // tiles {first query, past the last, first key, past the last}, then the buckets
  FloatsOut result;
  uint heads;
  uint tiles;
  uint first;   // workgroups of earlier dispatches of the same evaluation
  uint groups;  // workgroups of this one
  float scale;
  uint last_key;          // the key that stands for several; past all keys if none does
  float last_key_weight;  // logarithm of how many
#if defined(RELATION)
  uint keys;
  uint first_token;
  uint area;
  uint padded_width;
  uint columns;
  uint pool;
  uint cells_per_image;
#elif defined(RELATIVE)
  uint reach;  // distances beyond it share its bucket
#endif
} p;

// Row of the bias for a query, in the published layout: the map of an image is read with the padded width.
uint bias_row(uint query, uint head) {
#if defined(RELATION)
  if (query < p.first_token) return NO_BIAS;
  const uint image = (query - p.first_token) / p.area;
  const uint token = (query - p.first_token) % p.area;
  const uint cell = token / p.padded_width / p.pool * p.columns + token % p.padded_width / p.pool;
  return (image * p.cells_per_image + cell) * p.heads + head;
#else
  return NO_BIAS;
#endif
}

// The score of a query, whose row of the bias is `row`, and a key, from the product of the two.
float score_of(float product, uint query, uint key, uint row, uint head) {
  float value = p.scale * product;
  if (key == p.last_key) value += p.last_key_weight;
#if defined(RELATION)
  if (row != NO_BIAS) value += p.bias.at[row * p.keys + key];
#elif defined(RELATIVE)
  const int reach = int(p.reach);
  const int distance = clamp(int(key) - int(query), -reach, reach);
  const uint bucket = p.constants.at[4 * p.tiles + uint(distance + reach)];
  value += load_element(p.bias, BIAS, bucket * p.heads + head);
#endif
  return value;
}
