// A linear layer in tiles, for Linear and MultiLinear; how, stands in product.glsl.
//
// The including shader declares push constants `p` with x [rows, depth] of type LEFT, rows, width and depth.

void load_left(uint first_row, uint first) {
  [[unroll]] for (uint e = gl_LocalInvocationIndex; e < TILE_ROWS * TILE_DEPTH; e += INVOCATIONS) {
    const uint row = e / TILE_DEPTH;
    const uint inner = e % TILE_DEPTH;
    float value = 0;
    if (first_row + row < p.rows && first + inner < p.depth) {
      value = load_element(p.x, LEFT, (first_row + row) * p.depth + first + inner);
    }
    left_tile[inner * LEFT_PITCH + row] = value;
  }
}

// The tile of y [rows, width], of type `type`, = x * transpose(weight) + bias whose corner is (first_row, first_column), with
// epilogue. Of the product only the inner indices begin ..< end count: `begin` is a multiple of TILE_DEPTH, `end` too or
// it is the depth. Row 0 goes to row to_row of y.
void linear_tile(
    WEIGHTS weight, FloatsIn bias, FloatsOut y, uint type, FloatsIn residual, FloatsIn gate, uint first_row,
    uint first_column, uint begin, uint end, uint to_row) {
  clear_sums();
  for (uint first = begin; first < end; first += TILE_DEPTH) {
    load_left(first_row, first);
    load_right(weight, first_column, p.width, p.depth, first, p.depth);
    barrier();
    accumulate();
    barrier();
  }
  write_sums(
      y, type, bias, residual, gate, to_row + first_row, to_row + p.rows, first_column, p.width);
}
