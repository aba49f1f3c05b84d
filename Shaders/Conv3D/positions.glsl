// Operands of Conv3D, and where an output position's row of the left operand lies in them.
//
// The including shader defines ZOOM, 1 where frames are doubled in both directions of space before padding, else 0, and
// WEIGHTS.

layout(push_constant, scalar) uniform Push {
  FloatsIn x;         // [.., height, width, channels], of one type
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

// Element index of a place outside the frame, and the bit that marks one in `history`.
const uint OUTSIDE = 0xffffffffu;
const uint IN_HISTORY = 0x80000000u;

// First input frame that output position `position` sees.
uint first_frame(uint position) { return position / p.output_width / p.output_height * p.stride_time; }

// The first row and column that it sees, 16 bits each, before padding.
uint corner_of(uint position) {
  const uint line = position / p.output_width;
  return (line % p.output_height * p.stride_space) << 16 | position % p.output_width * p.stride_space;
}

// Index of channel 0 of the pixel that is (dt, dy, dx) from there.
uint origin(uint first_frame, uint corner, uint dt, uint dy, uint dx, uint channels) {
  // Left of or above the frame the differences wrap to huge numbers and fail the comparison, halved or not.
  const uint y = ((corner >> 16) + dy - p.padding) >> ZOOM;
  const uint x = ((corner & 0xffffu) + dx - p.padding) >> ZOOM;
  if (y >= p.height || x >= p.width) return OUTSIDE;
  const uint frame = first_frame + dt;
  const bool is_past = frame < p.history_frames;
  const uint at = (((is_past ? frame : frame - p.history_frames) * p.height + y) * p.width + x) * channels;
  return is_past ? at | IN_HISTORY : at;
}
