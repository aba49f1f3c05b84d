// Division by a number that the host knows: one multiplication and one shift instead of some thirty instructions.
//
// With s = ceil(log2 d) and m = floor(2^32 (2^s - d) / d) + 1, floor(n / d) = (floor(n m / 2^32) + n) >> s for every n
// below 2^31, where the sum cannot overflow (Granlund and Montgomery, PLDI 1994). The host's half is PushWord.divisor.
struct Divisor {
  uint value;
  uint multiplier;
  uint shift;
};

uint divide(uint n, Divisor d) {
  uint high, low;
  umulExtended(n, d.multiplier, high, low);
  return (high + n) >> d.shift;
}

uint modulo(uint n, Divisor d) { return n - divide(n, d) * d.value; }
