// Sums over the rows of a matrix, for norms.
//
// LANES invocations (a power of two up to 128, chosen from the row's width) share a row, so a workgroup handles
// 128 / LANES rows. Each lane adds every LANES-th element into four accumulators, and a tree in shared memory adds the
// lanes: a chain of at most width / (4 LANES) + 9 additions, 41 at a width of 16384, as good as pairwise summation.
// Nothing depends on the subgroup size. Rows past the end take part in the barriers, with a width of zero.
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint LANES = 128;

shared vec2 lane_sums[128];

uint row_index() { return workgroup_index() * (128 / LANES) + gl_LocalInvocationID.x / LANES; }
uint row_lane() { return gl_LocalInvocationID.x % LANES; }

// (sum of x - centre, sum of (x - centre)^2) over x[first], ..., x[first + width - 1], the same in all lanes of the row.
// Must be called by every invocation of the workgroup.
vec2 row_sums(FloatsIn x, uint first, uint width, float centre) {
  vec4 sums = vec4(0.0);
  vec4 squares = vec4(0.0);
  for (uint column = row_lane(); column < width; column += 4 * LANES) {
    vec4 deviations = vec4(0.0);
    for (uint k = 0; k < 4; k++) {
      const uint c = column + k * LANES;
      if (c < width) deviations[k] = x.at[first + c] - centre;
    }
    sums += deviations;
    squares += deviations * deviations;
  }
  const uint me = gl_LocalInvocationID.x;
  lane_sums[me] = vec2((sums.x + sums.y) + (sums.z + sums.w), (squares.x + squares.y) + (squares.z + squares.w));
  barrier();
  for (uint distance = LANES / 2; distance > 0; distance /= 2) {
    if (row_lane() < distance) lane_sums[me] += lane_sums[me + distance];
    barrier();
  }
  const vec2 total = lane_sums[me - row_lane()];
  barrier();  // The next call overwrites what other lanes may still be about to read.
  return total;
}
