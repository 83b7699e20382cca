// What the tensor-core convolutions share: the kinds of numbers that the units multiply, and where a tile's chunks of
// 16 bytes stand in shared memory. Sums are in float32 for all kinds.
#pragma once
#include "minidet_ptx.cuh"

// A chunk is 16 bytes: VECTOR words. One product of 16 x 8 sums over DEPTH words, two chunks.
struct Tf32 {  // 8 bits of exponent, 11 of precision, in a float
  typedef float Word;
  static constexpr int VECTOR = 4, DEPTH = 8;
  __device__ static Word round(float v) { return __uint_as_float(to_tf32(v)); }
  __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { mma_tf32(d, a, b, d); }
};
struct F16 {  // 5 bits of exponent, 11 of precision: above 65504 it is infinite, below 2^-14 it loses bits
  typedef unsigned short Word;
  static constexpr int VECTOR = 8, DEPTH = 16;
  __device__ static Word round(float v) { return to_f16(v); }
  __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { mma_f16<16>(d, a, b, d); }
};
struct Bf16 {  // 8 bits of exponent, 8 of precision
  typedef unsigned short Word;
  static constexpr int VECTOR = 8, DEPTH = 16;
  __device__ static Word round(float v) { return to_bf16(v); }
  __device__ static void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { mma_bf16<16>(d, a, b, d); }
};

// Shared memory has 32 banks of 4 bytes, so that 8 chunks in one turn must differ in the last 3 bits of their place.
//
// A tile of rows of 8 chunks, 128 bytes: ldmatrix reads one chunk column of 8 neighbouring rows, and a copy writes the 8
// chunks of one row. The row's number, added without carry, moves every column of 8 rows to 8 different places.
__device__ __forceinline__ int mma_place(int row, int chunk) { return row * 8 + (chunk ^ (row & 7)); }

// A tile of rows of CHUNKS chunks (a multiple of 8) whose columns are what products are made of, a row for each term of
// the sums. Of 16-bit words ldmatrix reads a chunk column of 8 rows, as above. Of floats the lanes of a warp read 8
// columns, two chunks, of 4 rows that follow one another from a multiple of 4 on: rows move by two chunks each.
template <class Kind, int CHUNKS>
__device__ __forceinline__ int mma_place_of_term(int row, int chunk) {
  return row * CHUNKS + (chunk ^ (Kind::VECTOR == 4 ? 2 * (row & 3) : row & 7));
}

// Exact n / by for 0 <= n < 2^31: n times a rounded-up 2^(32 + shift) / by, of which the 33rd bit is `n` itself.
// (Granlund and Montgomery, Division by Invariant Integers using Multiplication, 1994, figure 4.1.)
struct Division {
  unsigned by, magic, shift;
  __device__ __forceinline__ int operator()(int n) const {
    return static_cast<int>((__umulhi(magic, static_cast<unsigned>(n)) + static_cast<unsigned>(n)) >> shift);
  }
};
