// Conv3D without matrix units. The outer loop walks the kernel offsets: for each, an invocation works out once where
// its rows lie in the input; the inner loop then takes TILE_DEPTH channels at a time.
#include "Common/product.glsl"

layout(constant_id = 8) const uint ZOOM = 0;

#include "Conv3D/positions.glsl"

// Elements of the left tile that an invocation loads: element e is row e / TILE_DEPTH, channel e % TILE_DEPTH.
const uint LOADS = TILE_ROWS * TILE_DEPTH / INVOCATIONS;

void main() {
  const uint first_row = p.first_position + gl_WorkGroupID.y * TILE_ROWS;
  const uint first_column = gl_WorkGroupID.x * TILE_COLUMNS;
  const uint taps = p.kernel_frames * p.kernel_height * p.kernel_width;
  const uint inner = gl_LocalInvocationIndex % TILE_DEPTH;

  uint frames[LOADS];
  uint corners[LOADS];
  [[unroll]] for (uint i = 0; i < LOADS; i++) {
    // Positions past the end repeat the last one and are not written.
    const uint position = min(first_row + (gl_LocalInvocationIndex + i * INVOCATIONS) / TILE_DEPTH, p.end_position - 1);
    frames[i] = first_frame(position);
    corners[i] = corner_of(position);
  }

  clear_sums();
  for (uint tap = 0; tap < taps; tap++) {
    const uint dx = tap % p.kernel_width;
    const uint dy = tap / p.kernel_width % p.kernel_height;
    const uint dt = tap / p.kernel_width / p.kernel_height;
    uint origins[LOADS];
    [[unroll]] for (uint i = 0; i < LOADS; i++) origins[i] = origin(frames[i], corners[i], dt, dy, dx, p.channels);
    for (uint first = 0; first < p.channels; first += TILE_DEPTH) {
      [[unroll]] for (uint i = 0; i < LOADS; i++) {
        float value = 0;
        if (origins[i] != OUTSIDE && first + inner < p.channels) {
          const uint at = (origins[i] & ~IN_HISTORY) + first + inner;
          if ((origins[i] & IN_HISTORY) != 0) {
            value = load_element(p.history, LEFT, at);
          } else {
            value = load_element(p.x, LEFT, at);
          }
        }
        const uint row = (gl_LocalInvocationIndex + i * INVOCATIONS) / TILE_DEPTH;
        left_tile[inner * LEFT_PITCH + row] = value;
      }
      const uint start = tap * p.channels;
      load_right(p.weight, first_column, p.outputs, taps * p.channels, start + first, start + p.channels);
      barrier();
      accumulate();
      barrier();
    }
  }
  // A convolution has no gate.
  write_sums(p.result, RESULT, p.bias, p.residual, p.residual, first_row, p.end_position, first_column, p.outputs);
}
