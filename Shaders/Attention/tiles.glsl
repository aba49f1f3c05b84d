// Attention without matrix units.
//
// A workgroup walks through its keys once, KEYS at a time, and never writes a score to memory: it keeps, per query, the
// largest score so far, the sum of exponentials below it and the weighted sum of values, and rescales the last two when
// the maximum grows (Milakov and Gimelshein 2018; Dao et al. 2022). One step over KEYS keys:
//   1. scores = q kᵀ; a slice of channels of q and k at a time goes through shared memory, an invocation accumulates
//      ROWS x SCORES of them in registers;
//   2. scale, bias, new maximum and exponentials: LANES invocations share a query;
//   3. result = result · rescaling + probabilities v; VALUE_KEYS rows of v at a time go through shared memory, an
//      invocation accumulates ROWS x OUTPUTS groups of four channels in registers.
// In 1 and 3 the invocations form a grid: LINES along the queries, COLUMNS along the keys or channels.
//
// q, k and v may be half types; everything is computed in float32. Nothing depends on the subgroup size. All sizes are
// specialisation constants, which the lowering derives from the head size and the device's limits.
#extension GL_EXT_control_flow_attributes : require
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 128;
layout(constant_id = 1) const uint HEAD_SIZE = 128;
layout(constant_id = 2) const uint QUERIES = 32;    // of a tile
layout(constant_id = 3) const uint KEYS = 64;       // of a step; a multiple of COLUMNS
layout(constant_id = 4) const uint ROWS = 4;        // queries of an invocation
layout(constant_id = 5) const uint SLICE = 4;       // channels of q and k in shared memory, in groups of four
layout(constant_id = 6) const uint VALUE_KEYS = 8;  // rows of v in shared memory; a multiple of 4
layout(constant_id = 7) const uint STAGED = 480;    // groups of four floats that hold either
layout(constant_id = 8) const uint INPUTS = TYPE_F32;  // type of q, k and v
layout(constant_id = 9) const uint RESULT = TYPE_F32;  // type of the result
layout(constant_id = 10) const uint BIAS = TYPE_F32;   // type of a table of relative positions

const uint GROUPS = (HEAD_SIZE + 3) / 4;  // channels of a head in groups of four
const uint LINES = QUERIES / ROWS;
const uint COLUMNS = INVOCATIONS / LINES;
const uint SCORES = KEYS / COLUMNS;
const uint OUTPUTS = (GROUPS + COLUMNS - 1) / COLUMNS;
const uint LANES = INVOCATIONS / QUERIES;
// Rows in shared memory are an odd number of groups apart, so that neighbouring rows lie in different banks.
const uint SLICE_STRIDE = SLICE + 1;
const uint SCORE_STRIDE = KEYS / 4 + 1;

#include "Attention/operands.glsl"

shared vec4 staged[STAGED];
shared vec4 scores[QUERIES * SCORE_STRIDE];  // then probabilities
shared float partial[INVOCATIONS];
shared float rescaling[QUERIES];
#if defined(RELATION)
shared uint bias_rows[QUERIES];
#endif

// Four channels of row `row`, from `group` on; zero past the head's end.
vec4 channels(FloatsIn x, uint row, uint head, uint group) {
  const uint at = (row * p.heads + head) * HEAD_SIZE + 4 * group;
  if (HEAD_SIZE % 4 == 0 || 4 * group + 4 <= HEAD_SIZE) {
    return vec4(
        load_element(x, INPUTS, at), load_element(x, INPUTS, at + 1), load_element(x, INPUTS, at + 2),
        load_element(x, INPUTS, at + 3));
  }
  vec4 values = vec4(0.0);
  [[unroll]] for (uint i = 0; i < 4; i++) {
    if (4 * group + i < HEAD_SIZE) values[i] = load_element(x, INPUTS, at + i);
  }
  return values;
}

// Groups `group ..< group + SLICE` of rows `first ..< first + rows` go to staged rows `to ...`; zero past `end`.
void stage_slice(FloatsIn x, uint first, uint rows, uint end, uint head, uint group, uint to) {
  for (uint i = gl_LocalInvocationID.x; i < rows * SLICE; i += INVOCATIONS) {
    const uint row = i / SLICE;
    const uint g = group + i % SLICE;
    staged[(to + row) * SLICE_STRIDE + i % SLICE] =
        first + row < end && g < GROUPS ? channels(x, first + row, head, g) : vec4(0.0);
  }
}

float multiply_add(vec4 a, vec4 b, float sum) {
  return a.w * b.w + (a.z * b.z + (a.y * b.y + (a.x * b.x + sum)));
}

void main() {
  if (workgroup_index() >= p.groups) return;
  const uint me = gl_LocalInvocationID.x;
  const uint head = (p.first + workgroup_index()) / p.tiles;
  const uint tile = (p.first + workgroup_index()) % p.tiles;
  const uint query0 = p.constants.at[4 * tile];
  const uint query_end = p.constants.at[4 * tile + 1];
  const uint key_begin = p.constants.at[4 * tile + 2];
  const uint key_end = p.constants.at[4 * tile + 3];

  // Place in the grid of steps 1 and 3.
  const uint row0 = me / COLUMNS * ROWS;
  const uint column = me % COLUMNS;
  // Place in step 2.
  const uint row = me / LANES;
  const uint lane = me % LANES;

  vec4 result[ROWS * OUTPUTS];
  [[unroll]] for (uint i = 0; i < ROWS * OUTPUTS; i++) result[i] = vec4(0.0);
  float maximum = LOWEST;  // of query `row`
  float sum = 0.0;         // of query `row`, over this lane's scores

#if defined(RELATION)
  if (me < QUERIES) bias_rows[me] = query0 + me < query_end ? bias_row(query0 + me, head) : NO_BIAS;
#endif

  for (uint key0 = key_begin; key0 < key_end; key0 += KEYS) {
    // 1. Scores.
    float score[ROWS * SCORES];
    [[unroll]] for (uint i = 0; i < ROWS * SCORES; i++) score[i] = 0.0;
    for (uint group = 0; group < GROUPS; group += SLICE) {
      stage_slice(p.q, query0, QUERIES, query_end, head, group, 0);
      stage_slice(p.k, key0, KEYS, key_end, head, group, QUERIES);
      barrier();
      for (uint g = 0; g < SLICE; g++) {
        vec4 q[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; r++) q[r] = staged[(row0 + r) * SLICE_STRIDE + g];
        [[unroll]] for (uint s = 0; s < SCORES; s++) {
          const vec4 k = staged[(QUERIES + column + s * COLUMNS) * SLICE_STRIDE + g];
          [[unroll]] for (uint r = 0; r < ROWS; r++) {
            score[r * SCORES + s] = multiply_add(q[r], k, score[r * SCORES + s]);
          }
        }
      }
      barrier();
    }
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      [[unroll]] for (uint s = 0; s < SCORES; s++) {
        const uint local = column + s * COLUMNS;
        float value = LOWEST;
        if (key0 + local < key_end) {
#if defined(RELATION)
          const uint bias = bias_rows[row0 + r];
#else
          const uint bias = NO_BIAS;
#endif
          value = score_of(score[r * SCORES + s], query0 + row0 + r, key0 + local, bias, head);
        }
        scores[(row0 + r) * SCORE_STRIDE + local / 4][local % 4] = value;
      }
    }
    barrier();

    // 2. Probabilities, up to the factor that the running maximum and the final sum decide.
    float top = LOWEST;
    for (uint g = lane; g < KEYS / 4; g += LANES) {
      const vec4 s = scores[row * SCORE_STRIDE + g];
      top = max(top, max(max(s.x, s.y), max(s.z, s.w)));
    }
    partial[me] = top;
    barrier();
    top = maximum;
    [[unroll]] for (uint l = 0; l < LANES; l++) top = max(top, partial[row * LANES + l]);
    const float factor = exp(maximum - top);
    maximum = top;
    sum *= factor;
    for (uint g = lane; g < KEYS / 4; g += LANES) {
      const vec4 e = exp(scores[row * SCORE_STRIDE + g] - top);
      scores[row * SCORE_STRIDE + g] = e;
      sum += (e.x + e.y) + (e.z + e.w);
    }
    if (lane == 0) rescaling[row] = factor;
    barrier();

    // 3. Weighted sum of values.
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      [[unroll]] for (uint o = 0; o < OUTPUTS; o++) result[r * OUTPUTS + o] *= rescaling[row0 + r];
    }
    for (uint k0 = 0; k0 < KEYS && key0 + k0 < key_end; k0 += VALUE_KEYS) {
      for (uint i = me; i < VALUE_KEYS * GROUPS; i += INVOCATIONS) {
        const uint key = key0 + k0 + i / GROUPS;
        staged[i] = key < key_end ? channels(p.v, key, head, i % GROUPS) : vec4(0.0);
      }
      barrier();
      for (uint k = 0; k < VALUE_KEYS; k += 4) {
        vec4 weight[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; r++) weight[r] = scores[(row0 + r) * SCORE_STRIDE + (k0 + k) / 4];
        [[unroll]] for (uint o = 0; o < OUTPUTS; o++) {
          // Columns past the head's end repeat its last group; nobody stores them.
          const uint g = k * GROUPS + min(column + o * COLUMNS, GROUPS - 1);
          const vec4 v0 = staged[g];
          const vec4 v1 = staged[g + GROUPS];
          const vec4 v2 = staged[g + 2 * GROUPS];
          const vec4 v3 = staged[g + 3 * GROUPS];
          [[unroll]] for (uint r = 0; r < ROWS; r++) {
            vec4 total = result[r * OUTPUTS + o];
            total = weight[r].x * v0 + total;
            total = weight[r].y * v1 + total;
            total = weight[r].z * v2 + total;
            result[r * OUTPUTS + o] = weight[r].w * v3 + total;
          }
        }
      }
      barrier();
    }
  }

  partial[me] = sum;
  // The result may lie over q: this workgroup has read all of what it now writes, and no other reads it.
  memoryBarrierBuffer();
  barrier();
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    const uint query = query0 + row0 + r;
    float total = 0.0;
    [[unroll]] for (uint l = 0; l < LANES; l++) total += partial[(row0 + r) * LANES + l];
    // Queries without keys give zero.
    const float inverse = total > 0.0 ? 1.0 / total : 0.0;
    [[unroll]] for (uint o = 0; o < OUTPUTS; o++) {
      const uint channel = 4 * (column + o * COLUMNS);
      [[unroll]] for (uint i = 0; i < 4; i++) {
        if (query < query_end && channel + i < HEAD_SIZE) {
          const uint at = (query * p.heads + head) * HEAD_SIZE + channel + i;
          store_element(p.result, RESULT, at, result[r * OUTPUTS + o][i] * inverse);
        }
      }
    }
  }
}
