#include "CRowMath.h"

#include <stdint.h>
#include <string.h>

// Sixteen numbers; the compiler splits them over the registers that there are.
typedef float Floats __attribute__((vector_size(64), aligned(4)));
typedef int32_t Integers __attribute__((vector_size(64)));
#define LANES ((size_t)16)
#define ALL(x) ((Floats){} + (x))

// Elementwise choice: `yes` where the mask is set.
#define CHOOSE(mask, yes, no) ((Floats)(((Integers)(yes) & (mask)) | ((Integers)(no) & ~(mask))))

// Replaces x <= 0 by e^x: 2^n e^r with |r| <= ln(2) / 2, and the polynomial of Cephes for e^r (Moshier 1989).
// Vectors travel by address: how they travel by value depends on the processor.
static inline __attribute__((always_inline)) void exponential(Floats *numbers) {
  const Floats x = *numbers;
  // Adding 1.5 · 2^23 rounds to an integer, which then stands in the low bits.
  const Floats magic = ALL(12582912.0f);
  const Floats shifted = x * 1.44269504f + magic;
  const Floats n = shifted - magic;
  Floats r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Floats p = ALL(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const Floats value = p * (r * r) + r + 1.0f;
  const Floats scaled = (Floats)((Integers)value + ((Integers)shifted << 23));
  // NaN is not below anything and stays.
  *numbers = CHOOSE(x < -86.0f, ALL(0.0f), CHOOSE(x == x, scaled, x));
}

static inline __attribute__((always_inline)) float exponentials(float *row, size_t count, float factor) {
  if (count == 0) return 0;
  const size_t whole = count / LANES * LANES;
  Floats tops = ALL(row[0]);
  for (size_t i = 0; i < whole; i += LANES) {
    const Floats x = *(const Floats *)(row + i);
    tops = CHOOSE(x > tops, x, tops);
  }
  float top = row[0];
  for (size_t i = whole; i < count; i++) top = row[i] > top ? row[i] : top;
  for (size_t lane = 0; lane < LANES; lane++) top = tops[lane] > top ? tops[lane] : top;

  const float offset = top * factor;
  double sum = 0;
  // Sums of sums, so that tens of thousands of numbers do not wear the last digits away.
  for (size_t start = 0; start < whole; start += 16 * LANES) {
    Floats part = ALL(0.0f);
    const size_t end = start + 16 * LANES < whole ? start + 16 * LANES : whole;
    for (size_t i = start; i < end; i += LANES) {
      Floats e = *(const Floats *)(row + i) * factor - offset;
      exponential(&e);
      *(Floats *)(row + i) = e;
      part += e;
    }
    for (size_t lane = 0; lane < LANES; lane++) sum += (double)part[lane];
  }
  if (whole < count) {
    const size_t rest = count - whole;
    Floats e = ALL(top);
    memcpy(&e, row + whole, rest * sizeof(float));
    e = e * factor - offset;
    exponential(&e);
    memcpy(row + whole, &e, rest * sizeof(float));
    for (size_t lane = 0; lane < rest; lane++) sum += (double)e[lane];
  }
  return (float)sum;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float exponentials_512(float *row, size_t count, float factor) {
  return exponentials(row, count, factor);
}
__attribute__((target("avx2,fma"))) static float exponentials_256(float *row, size_t count, float factor) {
  return exponentials(row, count, factor);
}
RowMathLevel row_math_level(void) {
  if (__builtin_cpu_supports("avx512f")) return ROW_MATH_AVX512;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? ROW_MATH_AVX2 : ROW_MATH_BASELINE;
}

float row_exponentials_at(RowMathLevel level, float *row, size_t count, float factor) {
  switch (level) {
    case ROW_MATH_AVX512: return exponentials_512(row, count, factor);
    case ROW_MATH_AVX2: return exponentials_256(row, count, factor);
    case ROW_MATH_BASELINE: break;
  }
  return exponentials(row, count, factor);
}
#else
RowMathLevel row_math_level(void) { return ROW_MATH_BASELINE; }

float row_exponentials_at(RowMathLevel level, float *row, size_t count, float factor) {
  (void)level;
  return exponentials(row, count, factor);
}
#endif

float row_exponentials(float *row, size_t count, float factor) {
  return row_exponentials_at(row_math_level(), row, count, factor);
}
