// Attention without matrix units, where invocations of a subgroup can read each other's registers.
//
// The algorithm is that of tiles.glsl: a workgroup walks through its keys KEYS at a time and keeps, per query, the
// largest score, the sum of exponentials below it and the weighted sum of values. What differs is who does what. Eight
// neighbouring invocations, which always lie in one subgroup, own ROWS queries from the first step to the last:
//   1. scores = q kᵀ: q and k go through shared memory, SLICE groups of channels at a time; each of the eight adds up
//      ROWS x SCORES of them;
//   2. the maxima of a query's scores are exchanged in three shuffles; maxima, sums and rescaling stay in registers, and
//      probabilities go to rows of shared memory that nobody else reads;
//   3. result = result · rescaling + probabilities v: VALUE_KEYS rows of v at a time go through shared memory; each of the
//      eight adds up ROWS x OUTPUTS groups of four channels.
//
// An invocation reads ROWS + SCORES groups from shared memory for ROWS * SCORES * 4 multiply-adds: at 4 x 8 twelve for
// 128, where tiles.glsl reads eight for 64; and since eight neighbours read eight groups side by side, each of those reads
// takes one pass over the banks, not two. Only what the workgroup shares, k and v, needs barriers.
//
// Subgroups of 8, 16, 32, 64 or 128 work alike; they must be full.
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 128;
layout(constant_id = 1) const uint HEAD_SIZE = 128;    // a multiple of 4
layout(constant_id = 2) const uint KEYS = 64;          // of a step; a multiple of COLUMNS
layout(constant_id = 3) const uint ROWS = 4;           // queries of an invocation
layout(constant_id = 4) const uint SLICE = 8;          // channels of q and k in shared memory, in groups of four
layout(constant_id = 5) const uint VALUE_KEYS = 32;    // rows of v in shared memory; a multiple of 4
layout(constant_id = 6) const uint STAGED = 1152;      // groups of four floats that hold either
layout(constant_id = 7) const uint INPUTS = TYPE_F32;  // type of q, k and v
layout(constant_id = 8) const uint RESULT = TYPE_F32;  // type of the result
layout(constant_id = 9) const uint BIAS = TYPE_F32;    // type of a table of relative positions

// Invocations that share queries.
const uint COLUMNS = 8;
const uint LINES = INVOCATIONS / COLUMNS;
const uint QUERIES = LINES * ROWS;
const uint GROUPS = HEAD_SIZE / 4;
const uint SCORES = KEYS / COLUMNS;
const uint OUTPUTS = (GROUPS + COLUMNS - 1) / COLUMNS;
// Odd numbers of groups, so that neighbouring rows lie in different banks.
const uint SLICE_STRIDE = SLICE + 1;
const uint PROBABILITY_STRIDE = KEYS / 4 + 1;

#include "Attention/operands.glsl"

layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer PairsIn { uvec2 at[]; };

shared vec4 staged[STAGED];
shared vec4 probabilities[QUERIES * PROBABILITY_STRIDE];

// Whether four channels of an operand can be read at once.
bool reads_four(FloatsIn x) { return (uvec2(x).x & (INPUTS == TYPE_F32 ? 15 : 7)) == 0; }

// Four channels of row `row`, from `group` on.
vec4 channels(FloatsIn x, bool at_once, uint row, uint head, uint group) {
  const uint at = (row * p.heads + head) * HEAD_SIZE + 4 * group;
  if (!at_once) {
    return vec4(
        load_element(x, INPUTS, at), load_element(x, INPUTS, at + 1), load_element(x, INPUTS, at + 2),
        load_element(x, INPUTS, at + 3));
  }
  if (INPUTS == TYPE_F32) return uintBitsToFloat(WordsIn(x).at[at / 4]);
  const uvec2 bits = PairsIn(x).at[at / 4];
  if (INPUTS == TYPE_F16) return vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y));
  return uintBitsToFloat(uvec4(bits.x << 16, bits.x & 0xffff0000u, bits.y << 16, bits.y & 0xffff0000u));
}

// Over the eight invocations that share queries.
float largest(float value) {
  value = max(value, subgroupShuffleXor(value, 1));
  value = max(value, subgroupShuffleXor(value, 2));
  return max(value, subgroupShuffleXor(value, 4));
}
float total(float value) {
  value += subgroupShuffleXor(value, 1);
  value += subgroupShuffleXor(value, 2);
  return value + subgroupShuffleXor(value, 4);
}

float multiply_add(vec4 a, vec4 b, float sum) {
  return a.w * b.w + (a.z * b.z + (a.y * b.y + (a.x * b.x + sum)));
}

void main() {
  if (workgroup_index() >= p.groups) return;
  // Not gl_LocalInvocationIndex: nothing says how drivers form subgroups of a workgroup.
  const uint me = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
  const uint line = me / COLUMNS;
  const uint column = me % COLUMNS;
  const uint head = (p.first + workgroup_index()) / p.tiles;
  const uint tile = (p.first + workgroup_index()) % p.tiles;
  const uint query0 = p.constants.at[4 * tile];
  const uint query_end = p.constants.at[4 * tile + 1];
  const uint key_begin = p.constants.at[4 * tile + 2];
  const uint key_end = p.constants.at[4 * tile + 3];
  const bool q_at_once = reads_four(p.q);
  const bool k_at_once = reads_four(p.k);
  const bool v_at_once = reads_four(p.v);

  // Row r of the invocation is query line + r * LINES of the tile: lines of a subgroup read neighbouring rows.
  vec4 result[ROWS * OUTPUTS];
  [[unroll]] for (uint i = 0; i < ROWS * OUTPUTS; i++) result[i] = vec4(0.0);
  float maxima[ROWS];
  float sums[ROWS];  // over this invocation's scores
  uint bias_rows[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    const uint query = query0 + line + r * LINES;
    maxima[r] = LOWEST;
    sums[r] = 0.0;
    bias_rows[r] = query < query_end ? bias_row(query, head) : NO_BIAS;
  }

  for (uint key0 = key_begin; key0 < key_end; key0 += KEYS) {
    // 1. Scores.
    float scores[ROWS * SCORES];
    [[unroll]] for (uint i = 0; i < ROWS * SCORES; i++) scores[i] = 0.0;
    for (uint group = 0; group < GROUPS; group += SLICE) {
      for (uint i = me; i < (QUERIES + KEYS) * SLICE; i += INVOCATIONS) {
        const uint row = i / SLICE;
        const uint g = group + i % SLICE;
        vec4 value = vec4(0.0);
        if (row < QUERIES) {
          if (query0 + row < query_end && g < GROUPS) value = channels(p.q, q_at_once, query0 + row, head, g);
        } else {
          const uint key = key0 + row - QUERIES;
          if (key < key_end && g < GROUPS) value = channels(p.k, k_at_once, key, head, g);
        }
        staged[row * SLICE_STRIDE + i % SLICE] = value;
      }
      barrier();
      for (uint g = 0; g < SLICE; g++) {
        vec4 q[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; r++) q[r] = staged[(line + r * LINES) * SLICE_STRIDE + g];
        [[unroll]] for (uint s = 0; s < SCORES; s++) {
          const vec4 k = staged[(QUERIES + column + s * COLUMNS) * SLICE_STRIDE + g];
          [[unroll]] for (uint r = 0; r < ROWS; r++) {
            scores[r * SCORES + s] = multiply_add(q[r], k, scores[r * SCORES + s]);
          }
        }
      }
      barrier();
    }

    // 2. Probabilities, up to the factor that the running maximum and the final sum decide. Whoever reads them is behind
    // the barrier after the first rows of v.
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      const uint row = line + r * LINES;
      float top = maxima[r];
      [[unroll]] for (uint s = 0; s < SCORES; s++) {
        const uint key = key0 + column + s * COLUMNS;
        const float score =
            key < key_end ? score_of(scores[r * SCORES + s], query0 + row, key, bias_rows[r], head) : LOWEST;
        scores[r * SCORES + s] = score;
        top = max(top, score);
      }
      top = largest(top);
      const float rescaling = exp(maxima[r] - top);
      maxima[r] = top;
      sums[r] *= rescaling;
      [[unroll]] for (uint s = 0; s < SCORES; s++) {
        const uint local = column + s * COLUMNS;
        const float probability = exp(scores[r * SCORES + s] - top);
        sums[r] += probability;
        probabilities[row * PROBABILITY_STRIDE + local / 4][local % 4] = probability;
      }
      [[unroll]] for (uint o = 0; o < OUTPUTS; o++) result[r * OUTPUTS + o] *= rescaling;
    }

    // 3. Weighted sum of values.
    for (uint k0 = 0; k0 < KEYS && key0 + k0 < key_end; k0 += VALUE_KEYS) {
      for (uint i = me; i < VALUE_KEYS * GROUPS; i += INVOCATIONS) {
        const uint key = key0 + k0 + i / GROUPS;
        staged[i] = key < key_end ? channels(p.v, v_at_once, key, head, i % GROUPS) : vec4(0.0);
      }
      barrier();
      for (uint k = 0; k < VALUE_KEYS; k += 4) {
        vec4 weights[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
          weights[r] = probabilities[(line + r * LINES) * PROBABILITY_STRIDE + (k0 + k) / 4];
        }
        [[unroll]] for (uint o = 0; o < OUTPUTS; o++) {
          // Columns past the head's end repeat its last group; nobody stores them.
          const uint g = k * GROUPS + min(column + o * COLUMNS, GROUPS - 1);
          const vec4 v0 = staged[g];
          const vec4 v1 = staged[g + GROUPS];
          const vec4 v2 = staged[g + 2 * GROUPS];
          const vec4 v3 = staged[g + 3 * GROUPS];
          [[unroll]] for (uint r = 0; r < ROWS; r++) {
            vec4 sum = result[r * OUTPUTS + o];
            sum = weights[r].x * v0 + sum;
            sum = weights[r].y * v1 + sum;
            sum = weights[r].z * v2 + sum;
            result[r * OUTPUTS + o] = weights[r].w * v3 + sum;
          }
        }
      }
      barrier();
    }
  }

  // The result may lie over q: behind the last barrier this workgroup has read all of what it now writes, and no other
  // reads it.
  memoryBarrierBuffer();
  barrier();
  const bool by_word = (uvec2(p.result).x & 15) == 0;
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    const uint query = query0 + line + r * LINES;
    const float sum = total(sums[r]);
    // Queries without keys give zero.
    const float inverse = sum > 0.0 ? 1.0 / sum : 0.0;
    [[unroll]] for (uint o = 0; o < OUTPUTS; o++) {
      const uint group = column + o * COLUMNS;
      if (query < query_end && group < GROUPS) {
        const uint at = (query * p.heads + head) * HEAD_SIZE + 4 * group;
        store_four(p.result, RESULT, by_word, at, result[r * OUTPUTS + o] * inverse);
      }
    }
  }
}
