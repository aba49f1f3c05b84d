// Loops over one row of float32 numbers that a scalar compiler makes several times too slow, for the CPU backend.
//
// The widest vectors of the processor at hand are chosen when the program runs.
#ifndef C_ROW_MATH_H
#define C_ROW_MATH_H

#include <stddef.h>

// Replaces every x of a row by e^(factor · x - m), where m is the largest factor · x (factor >= 0), and returns their sum.
// Each number is within one unit in the last place; those below e^-86 become 0. With a NaN in the row the sum is NaN.
float row_exponentials(float *row, size_t count, float factor);

// What vectors are made of: those of every x86-64 processor (or of another architecture), 256 and 512 bits.
typedef enum { ROW_MATH_BASELINE, ROW_MATH_AVX2, ROW_MATH_AVX512 } RowMathLevel;

// The widest that this processor has.
RowMathLevel row_math_level(void);

// row_exponentials with vectors of `level`, at most row_math_level(): for tests.
float row_exponentials_at(RowMathLevel level, float *row, size_t count, float factor);

#endif
