// Conv3D on matrix units. Kernel offsets and channels form one inner axis, as they do in the weights, so that steps of
// TILE_DEPTH waste nothing where there are few channels. What divides the axis is fixed when the pipeline is made: the
// compiler then divides by multiplying.
#include "Common/matrix_product.glsl"

layout(constant_id = 13) const uint ZOOM = 0;
// p.channels, p.kernel_height and p.kernel_width.
layout(constant_id = 14) const uint CHANNELS = 96;
layout(constant_id = 15) const uint KERNEL_HEIGHT = 3;
layout(constant_id = 16) const uint KERNEL_WIDTH = 3;

#include "Conv3D/positions.glsl"

// What the positions of this invocation's pieces see.
uint frames[LEFT_LOADS];
uint corners[LEFT_LOADS];

// The bits of one element.
uint load_bits(uint at) {
  if (at == OUTSIDE) return 0;
  if ((at & IN_HISTORY) != 0) return uint(HalvesIn(p.history).at[at & ~IN_HISTORY]);
  return uint(HalvesIn(p.x).at[at]);
}

// Index of the element of inner index `inner` in the row of piece i.
uint element(uint i, uint inner) {
  const uint tap = inner / CHANNELS;
  const uint dx = tap % KERNEL_WIDTH;
  const uint dy = tap / KERNEL_WIDTH % KERNEL_HEIGHT;
  const uint dt = tap / KERNEL_WIDTH / KERNEL_HEIGHT;
  const uint pixel = origin(frames[i], corners[i], dt, dy, dx, CHANNELS);
  return pixel == OUTSIDE ? OUTSIDE : pixel + inner % CHANNELS;
}

uint inner_count() { return p.kernel_frames * KERNEL_HEIGHT * KERNEL_WIDTH * CHANNELS; }

void fetch_left(uint first_row, uint first) {
  const uint inner = first + inner_offset();
  const uint count = remaining(inner, inner_count());
  const bool is_aligned = ((uvec2(p.x).x | uvec2(p.history).x) & 15) == 0;
  if (CHANNELS % 8 == 0 && is_aligned) {
    // Eight factors are of one pixel. Every piece is loaded, those outside from the start of x, without a condition in
    // between.
    left_absent = 0;
    [[unroll]] for (uint i = 0; i < LEFT_LOADS; i++) {
      const uint at = count == 0 ? OUTSIDE : element(i, inner);
      const bool is_absent = at == OUTSIDE;
      const bool is_past = !is_absent && (at & IN_HISTORY) != 0;
      left_absent |= uint(is_absent) << i;
      WordsIn operand = WordsIn(is_past ? uvec2(p.history) : uvec2(p.x));
      left_pieces[i] = operand.at[is_absent ? 0 : (at & ~IN_HISTORY) / 8];
    }
  } else {
    [[unroll]] for (uint i = 0; i < LEFT_LOADS; i++) {
      uvec4 word = uvec4(0);
      [[unroll]] for (uint j = 0; j < 8; j++) {
        if (j < count) word[j / 2] |= load_bits(element(i, inner + j)) << (j % 2 * 16);
      }
      left_pieces[i] = word;
    }
  }
}

void main() {
  const uint first_row = p.first_position + gl_WorkGroupID.y * TILE_ROWS;
  [[unroll]] for (uint i = 0; i < LEFT_LOADS; i++) {
    // Positions past the end repeat the last one and are not written.
    const uint position = min(first_row + line() + i * LINES, p.end_position - 1);
    frames[i] = first_frame(position);
    corners[i] = corner_of(position);
  }
  // A convolution has no gate.
  Destination to = destination(p.result, RESULT, p.bias, p.residual, p.residual, 0, p.end_position, p.outputs);
  matrix_tile(p.weight, to, first_row, gl_WorkGroupID.x * TILE_COLUMNS, inner_count(), 0, inner_count());
}
