// Attention on matrix units: the online softmax of tiles.glsl, with both products in fragments.
//
// Every subgroup owns FRAGMENT_ROWS queries, whose factors it keeps in registers, as it does the sums of their results; a
// workgroup of SUBGROUPS of them shares k and v. One step over KEYS keys:
//   1. scores = q kᵀ in fragments of float32, which go to the subgroup's own part of shared memory;
//   2. LANES invocations share a query: scale, bias, maximum, exponentials in float32, back to shared memory as factors;
//   3. result += probabilities v, in fragments.
// v is fetched while 1 and 2 run, k of the next step while 3 runs. Two barriers for the workgroup, one after 2 and one
// after 3; a subgroup's own steps wait for nobody else.
//
// Nobody can address the rows of a fragment, so that rescaling results takes a fragment of row factors, made in shared
// memory, and a product element by element. That happens where the maximum of a row has grown by more than SLACK since it
// was last taken for reference: after the first steps hardly ever. Until then probabilities exceed one, by e^SLACK at
// most, which all factors can hold; the quotient at the end is the same.
//
// The sums that divide the result are those of the rounded probabilities: weights then add up to one exactly, whichever
// way the hardware rounds.
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/factors.glsl"
#include "Common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 256;
layout(constant_id = 1) const uint SUBGROUP = 32;  // invocations; a power of two, no less than FRAGMENT_ROWS
// A fragment of the left operand is ROWS x DEPTH, of the right one DEPTH x COLUMNS.
layout(constant_id = 2) const uint FRAGMENT_ROWS = 16;
layout(constant_id = 3) const uint FRAGMENT_COLUMNS = 16;
layout(constant_id = 4) const uint FRAGMENT_DEPTH = 16;
layout(constant_id = 5) const uint HEAD_SIZE = 128;  // a multiple of 32
layout(constant_id = 6) const uint KEYS = 32;        // of a step; a multiple of 32 and of 8 LANES
layout(constant_id = 7) const uint RESULT = TYPE_F32;
layout(constant_id = 8) const uint BIAS = TYPE_F32;  // type of a table of relative positions

#include "Attention/operands.glsl"

const uint SUBGROUPS = INVOCATIONS / SUBGROUP;
const uint QUERIES = SUBGROUPS * FRAGMENT_ROWS;
const uint LANES = SUBGROUP / FRAGMENT_ROWS;

// Rows of q, k and v in words of eight factors, and one word of padding, so that eight rows that a fragment's load reads
// side by side lie in different banks.
const uint WORDS = HEAD_SIZE / 8;
const uint PITCH = WORDS + 1;
const uint TILE_WORDS = KEYS * PITCH;
const uint LOADS = (KEYS * WORDS + INVOCATIONS - 1) / INVOCATIONS;
// A subgroup's scores, then its probabilities, and at times factors of its rows or its results.
const uint SCORE_PITCH = KEYS / 4 + 1;
const uint PROBABILITY_PITCH = KEYS / 8 + 1;
const uint STAGE_WORDS = FRAGMENT_ROWS * SCORE_PITCH;
// k, v and the stages; q before all of them.
const uint STEP_WORDS = 2 * TILE_WORDS + SUBGROUPS * STAGE_WORDS;
const uint QUERY_WORDS = QUERIES * PITCH;
shared uvec4 words[STEP_WORDS > QUERY_WORDS ? STEP_WORDS : QUERY_WORDS];
shared float partial[INVOCATIONS];
shared float row_factors[QUERIES];

const uint HEAD_FRAGMENTS = HEAD_SIZE / FRAGMENT_COLUMNS;
const uint HEAD_STEPS = HEAD_SIZE / FRAGMENT_DEPTH;
const uint KEY_FRAGMENTS = KEYS / FRAGMENT_COLUMNS;
const uint KEY_STEPS = KEYS / FRAGMENT_DEPTH;
// Keys of an invocation, eight side by side.
const uint OCTETS = KEYS / 8 / LANES;

// e^8 = 2981.
const float SLACK = 8;

#define SUMS coopmat<float, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_COLUMNS, gl_MatrixUseAccumulator>

// This invocation's pieces of the next tile of k or v.
uvec4 pieces[LOADS];

void fetch(FloatsIn x, bool by_word, uint head, uint first, uint end) {
  [[unroll]] for (uint i = 0; i < LOADS; i++) {
    const uint e = gl_LocalInvocationIndex + i * INVOCATIONS;
    const uint row = first + e / WORDS;
    // Rows past the end are zeros: a probability of zero times anything must be zero.
    pieces[i] = uvec4(0);
    if (row < end && e < KEYS * WORDS) {
      pieces[i] = load_halves(x, by_word, (row * p.heads + head) * HEAD_SIZE + e % WORDS * 8, 8);
    }
  }
}

void store_pieces(uint at) {
  [[unroll]] for (uint i = 0; i < LOADS; i++) {
    const uint e = gl_LocalInvocationIndex + i * INVOCATIONS;
    if (e < KEYS * WORDS) words[at + e / WORDS * PITCH + e % WORDS] = pieces[i];
  }
}

// What the invocations of this subgroup have written to shared memory is there for all of them.
void subgroup_barrier() {
  controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

// Two probabilities as factors; their sum, as rounded, is added to `sum`.
uint probabilities(vec2 values, inout float sum) {
  if (FACTOR_TYPE == TYPE_F16) {
    const uint bits = packHalf2x16(values);
    const vec2 rounded = unpackHalf2x16(bits);
    sum += rounded.x + rounded.y;
    return bits;
  }
  // They are positive and finite, so that adding half a unit rounds them.
  const uvec2 bits = (floatBitsToUint(values) + 0x8000u) & 0xffff0000u;
  sum += uintBitsToFloat(bits.x) + uintBitsToFloat(bits.y);
  return bits.x >> 16 | bits.y;
}

void main() {
  if (workgroup_index() >= p.groups) return;
  const uint head = (p.first + workgroup_index()) / p.tiles;
  const uint tile = (p.first + workgroup_index()) % p.tiles;
  const uint query0 = p.constants.at[4 * tile];
  const uint query_end = p.constants.at[4 * tile + 1];
  const uint key_begin = p.constants.at[4 * tile + 2];
  const uint key_end = p.constants.at[4 * tile + 3];
  const bool k_by_word = reads_words(p.k, HEAD_SIZE, 8);
  const bool v_by_word = reads_words(p.v, HEAD_SIZE, 8);

  // Place in step 2.
  const uint me = gl_LocalInvocationIndex;
  const uint row = gl_SubgroupInvocationID / LANES;
  const uint lane = gl_SubgroupInvocationID % LANES;
  const uint row0 = gl_SubgroupID * FRAGMENT_ROWS;
  const uint first_lane = gl_SubgroupID * SUBGROUP + row * LANES;
  const uint stage = 2 * TILE_WORDS + gl_SubgroupID * STAGE_WORDS;
  const uint query = query0 + row0 + row;
  const uint bias = query < query_end ? bias_row(query, head) : NO_BIAS;

  const bool q_by_word = reads_words(p.q, HEAD_SIZE, 8);
  for (uint e = me; e < QUERIES * WORDS; e += INVOCATIONS) {
    const uint at = query0 + e / WORDS;
    words[e / WORDS * PITCH + e % WORDS] =
        at < query_end ? load_halves(p.q, q_by_word, (at * p.heads + head) * HEAD_SIZE + e % WORDS * 8, 8) : uvec4(0);
  }
  fetch(p.k, k_by_word, head, key_begin, key_end);
  barrier();
  coopmat<FACTOR, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_DEPTH, gl_MatrixUseA> queries[HEAD_STEPS];
  [[unroll]] for (uint k = 0; k < HEAD_STEPS; k++) {
    coopMatLoad(
        queries[k], words, row0 * PITCH + k * (FRAGMENT_DEPTH / 8), PITCH, gl_CooperativeMatrixLayoutRowMajor);
  }
  barrier();
  store_pieces(0);
  fetch(p.v, v_by_word, head, key_begin, key_end);
  barrier();

  SUMS result[HEAD_FRAGMENTS];
  [[unroll]] for (uint d = 0; d < HEAD_FRAGMENTS; d++) result[d] = SUMS(0.0);
  float maximum = LOWEST;  // of the row, when it was last taken for reference
  float sum = 0.0;         // of the row, over this invocation's keys

  for (uint key0 = key_begin; key0 < key_end; key0 += KEYS) {
    // 1. Scores.
    [[unroll]] for (uint j = 0; j < KEY_FRAGMENTS; j++) {
      SUMS scores = SUMS(0.0);
      [[unroll]] for (uint k = 0; k < HEAD_STEPS; k++) {
        coopmat<FACTOR, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_COLUMNS, gl_MatrixUseB> keys;
        coopMatLoad(
            keys, words, j * FRAGMENT_COLUMNS * PITCH + k * (FRAGMENT_DEPTH / 8), PITCH,
            gl_CooperativeMatrixLayoutColumnMajor);
        scores = coopMatMulAdd(queries[k], keys, scores);
      }
      coopMatStore(
          scores, words, stage + j * (FRAGMENT_COLUMNS / 4), SCORE_PITCH, gl_CooperativeMatrixLayoutRowMajor);
    }
    subgroup_barrier();

    // 2. Probabilities. Octet i of this invocation are keys 8 (lane + i LANES) ... of the step.
    vec4 scores[2 * OCTETS];
    float top = LOWEST;
    [[unroll]] for (uint i = 0; i < 2 * OCTETS; i++) {
      const uint group = 2 * (lane + i / 2 * LANES) + i % 2;
      const vec4 products = uintBitsToFloat(words[stage + row * SCORE_PITCH + group]);
      [[unroll]] for (uint c = 0; c < 4; c++) {
        const uint key = key0 + 4 * group + c;
        scores[i][c] = key < key_end ? score_of(products[c], query, key, bias, head) : LOWEST;
        top = max(top, scores[i][c]);
      }
    }
    partial[me] = top;
    subgroup_barrier();
    [[unroll]] for (uint l = 0; l < LANES; l++) top = max(top, partial[first_lane + l]);
    float factor = 1.0;
    if (top > maximum + SLACK) {
      factor = exp(maximum - top);
      maximum = top;
      sum *= factor;
    }
    if (lane == 0) row_factors[row0 + row] = factor;
    subgroup_barrier();
    bool rescales = false;
    [[unroll]] for (uint r = 0; r < FRAGMENT_ROWS; r++) rescales = rescales || row_factors[row0 + r] != 1.0;
    // The factors are spread in every step: barriers must not stand where only some subgroups pass.
    for (uint e = gl_SubgroupInvocationID; e < FRAGMENT_ROWS * (FRAGMENT_COLUMNS / 4); e += SUBGROUP) {
      words[stage + e] = floatBitsToUint(vec4(row_factors[row0 + e / (FRAGMENT_COLUMNS / 4)]));
    }
    subgroup_barrier();
    // Before the first step there is nothing to rescale.
    if (rescales && key0 != key_begin) {
      SUMS factors;
      coopMatLoad(factors, words, stage, FRAGMENT_COLUMNS / 4, gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint d = 0; d < HEAD_FRAGMENTS; d++) result[d] = result[d] * factors;
    }
    subgroup_barrier();
    [[unroll]] for (uint i = 0; i < OCTETS; i++) {
      const vec4 low = exp(scores[2 * i] - maximum);
      const vec4 high = exp(scores[2 * i + 1] - maximum);
      words[stage + row * PROBABILITY_PITCH + lane + i * LANES] = uvec4(
          probabilities(low.xy, sum), probabilities(low.zw, sum), probabilities(high.xy, sum),
          probabilities(high.zw, sum));
    }
    store_pieces(TILE_WORDS);
    const uint next = key0 + KEYS;
    if (next < key_end) fetch(p.k, k_by_word, head, next, key_end);
    barrier();

    // 3. Weighted sum of values.
    [[unroll]] for (uint k = 0; k < KEY_STEPS; k++) {
      coopmat<FACTOR, gl_ScopeSubgroup, FRAGMENT_ROWS, FRAGMENT_DEPTH, gl_MatrixUseA> weights;
      coopMatLoad(
          weights, words, stage + k * (FRAGMENT_DEPTH / 8), PROBABILITY_PITCH, gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint d = 0; d < HEAD_FRAGMENTS; d++) {
        coopmat<FACTOR, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_COLUMNS, gl_MatrixUseB> values;
        coopMatLoad(
            values, words, TILE_WORDS + k * FRAGMENT_DEPTH * PITCH + d * (FRAGMENT_COLUMNS / 8), PITCH,
            gl_CooperativeMatrixLayoutRowMajor);
        result[d] = coopMatMulAdd(weights, values, result[d]);
      }
    }
    if (next < key_end) {
      store_pieces(0);
      fetch(p.v, v_by_word, head, next, key_end);
    }
    barrier();
  }

  partial[me] = sum;
  subgroup_barrier();
  if (lane == 0) {
    float total = 0.0;
    [[unroll]] for (uint l = 0; l < LANES; l++) total += partial[first_lane + l];
    // Queries without keys give zero.
    row_factors[row0 + row] = total > 0.0 ? 1.0 / total : 0.0;
  }
  subgroup_barrier();
  // The result may lie over q: this workgroup has read all of what it now writes, and no other reads it. As many
  // fragments go through the stage at a time as have room.
  const uint columns = KEYS < HEAD_SIZE ? KEYS : HEAD_SIZE;
  const bool by_word = (uvec2(p.result).x & 15) == 0;
  [[unroll]] for (uint first = 0; first < HEAD_SIZE; first += columns) {
    [[unroll]] for (uint d = 0; d < columns / FRAGMENT_COLUMNS; d++) {
      coopMatStore(
          result[first / FRAGMENT_COLUMNS + d], words, stage + d * (FRAGMENT_COLUMNS / 4), SCORE_PITCH,
          gl_CooperativeMatrixLayoutRowMajor);
    }
    subgroup_barrier();
    for (uint e = gl_SubgroupInvocationID; e < FRAGMENT_ROWS * (columns / 4); e += SUBGROUP) {
      const uint r = e / (columns / 4);
      const uint c = e % (columns / 4);
      if (query0 + row0 + r < query_end) {
        const uint at = ((query0 + row0 + r) * p.heads + head) * HEAD_SIZE + first + 4 * c;
        const vec4 values = uintBitsToFloat(words[stage + r * SCORE_PITCH + c]) * row_factors[row0 + r];
        store_four(p.result, RESULT, by_word, at, values);
      }
    }
    subgroup_barrier();
  }
}
