// A linear layer on matrix units, for Linear and MultiLinear; how, stands in matrix_product.glsl.
//
// The including shader declares push constants `p` with x [rows, depth] in the type of the factors, rows, width, depth.

void fetch_left(uint first_row, uint first) {
  const bool by_word = reads_words(p.x, p.depth, 8);
  const uint inner = first + inner_offset();
  // As in fetch_right.
  if (by_word && first + TILE_DEPTH <= p.depth) {
    [[unroll]] for (uint i = 0; i < LEFT_LOADS; i++) {
      left_pieces[i] = WordsIn(p.x).at[(min(first_row + line() + i * LINES, p.rows - 1) * p.depth + inner) / 8];
    }
    return;
  }
  const uint count = remaining(inner, p.depth);
  [[unroll]] for (uint i = 0; i < LEFT_LOADS; i++) {
    const uint row = min(first_row + line() + i * LINES, p.rows - 1);
    left_pieces[i] = load_halves(p.x, by_word, row * p.depth + inner, count);
  }
}

// The tile of y [rows, width], of type `type`, = x * transpose(weight) + bias whose corner is (first_row, first_column), with
// epilogue. Of the product only the inner indices begin ..< end count (see matrix_tile), and its row 0 goes to row
// to_row of y.
void linear_tile(
    FloatsIn weight, FloatsIn bias, FloatsOut y, uint type, FloatsIn residual, FloatsIn gate, uint first_row,
    uint first_column, uint begin, uint end, uint to_row) {
  matrix_tile(
      weight, destination(y, type, bias, residual, gate, to_row, p.rows, p.width), first_row, first_column, p.depth,
      begin, end);
}
