// main() of kernels whose output elements are independent of each other.
//
// The including shader declares push constants `p` with `result` and `count`, and defines element(i), the value of
// output i; one whose result is not float32 defines STORE(i, value) as well. Every invocation makes four of them, a workgroup's width apart so that neighbours touch neighbouring
// addresses, and loads all four before it stores: that keeps enough loads in flight to fill the memory bus.
#ifndef STORE
#define STORE(i, value) p.result.at[i] = value
#endif

layout(local_size_x = 128) in;

const uint per_invocation = 4;

void main() {
  const uint first = workgroup_index() * (128 * per_invocation) + gl_LocalInvocationID.x;
  if (first >= p.count) return;
  float values[per_invocation];
  for (uint k = 0; k < per_invocation; k++) {
    const uint i = first + 128 * k;
    values[k] = i < p.count ? element(i) : 0.0;
  }
  for (uint k = 0; k < per_invocation; k++) {
    const uint i = first + 128 * k;
    if (i < p.count) STORE(i, values[k]);
  }
}
