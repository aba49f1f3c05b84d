// 3D convolution, channels last, as a matrix product whose left operand is gathered while it is loaded.
//
//   rows     output positions (frame, y, x), flattened
//   columns  output channels
//   inner    kernel offsets (dt, dy, dx), and for each of them the input channels
//
// The outer loop walks the kernel offsets: for each, an invocation works out once where its rows lie in the input; the
// inner loop then takes TILE_DEPTH channels at a time. Frames before x come from `history`; positions outside a frame
// are zeros. With ZOOM every pixel stands for a 2 x 2 square: the kernel moves over the doubled frame and reads at half
// its coordinates. Indices are below 2^31 and coordinates below 2^16 (the lowering sees to it).
#version 460
#include "Common/product.glsl"

// 1 where frames are doubled in both directions of space before padding.
layout(constant_id = 7) const uint ZOOM = 0;

layout(push_constant, scalar) uniform Push {
  FloatsIn x;         // [.., height, width, channels], of type LEFT
  FloatsIn history;   // [history_frames, height, width, channels], likewise
  WEIGHTS weight;     // [outputs, kernel_frames, kernel_height, kernel_width, channels]
  FloatsIn bias;      // [outputs]
  FloatsOut result;   // [.., output_height, output_width, outputs]
  FloatsIn residual;  // like the result
  uint height;
  uint width;
  uint channels;
  uint history_frames;
  uint kernel_frames;
  uint kernel_height;
  uint kernel_width;
  uint outputs;
  uint output_height;
  uint output_width;
  uint first_position;  // positions first_position ..< end_position are made by this dispatch
  uint end_position;
  uint stride_time;
  uint stride_space;
  uint padding;  // zero rows above and columns on the left
} p;

// Elements of the left tile that an invocation loads: element e is row e / TILE_DEPTH, channel e % TILE_DEPTH.
const uint LOADS = TILE_ROWS * TILE_DEPTH / INVOCATIONS;
const uint OUTSIDE = 0xffffffffu;
const uint IN_HISTORY = 0x80000000u;

void main() {
  const uint first_row = p.first_position + gl_WorkGroupID.y * TILE_ROWS;
  const uint first_column = gl_WorkGroupID.x * TILE_COLUMNS;
  const uint taps = p.kernel_frames * p.kernel_height * p.kernel_width;
  const uint inner = gl_LocalInvocationIndex % TILE_DEPTH;

  // First input frame of each of this invocation's rows, and its first row and column, 16 bits each, before padding.
  uint frames[LOADS];
  uint corners[LOADS];
  [[unroll]] for (uint i = 0; i < LOADS; i++) {
    const uint position = first_row + (gl_LocalInvocationIndex + i * INVOCATIONS) / TILE_DEPTH;
    const uint line = position / p.output_width;
    frames[i] = position < p.end_position ? line / p.output_height * p.stride_time : OUTSIDE;
    corners[i] = (line % p.output_height * p.stride_space) << 16 | position % p.output_width * p.stride_space;
  }

  clear_sums();
  for (uint tap = 0; tap < taps; tap++) {
    const uint dx = tap % p.kernel_width;
    const uint dy = tap / p.kernel_width % p.kernel_height;
    const uint dt = tap / p.kernel_width / p.kernel_height;
    uint origins[LOADS];
    [[unroll]] for (uint i = 0; i < LOADS; i++) {
      // Left of or above the frame the differences wrap to huge numbers and fail the comparison, halved or not.
      const uint y = ((corners[i] >> 16) + dy - p.padding) >> ZOOM;
      const uint x = ((corners[i] & 0xffffu) + dx - p.padding) >> ZOOM;
      origins[i] = OUTSIDE;
      if (frames[i] != OUTSIDE && y < p.height && x < p.width) {
        const uint frame = frames[i] + dt;
        const bool is_past = frame < p.history_frames;
        const uint at = (((is_past ? frame : frame - p.history_frames) * p.height + y) * p.width + x) * p.channels;
        origins[i] = is_past ? at | IN_HISTORY : at;
      }
    }
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
  write_sums(p.result, p.bias, p.residual, p.residual, first_row, p.end_position, first_column, p.outputs);
}
