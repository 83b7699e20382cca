// The matrices of Winograd's convolution F(M x M, 3 x 3), M = 2 or 4, n = M + 2, as toom_cook.py derives them: the points
// are 0, 1, -1 and infinity, and 0, 3/4, -3/4, 3/2, -3/2 and infinity.
//
//   y  =  A^T [ (G w G^T) * (B^T x B) ] A        x n x n pixels, w 3 x 3, y M x M, * number by number
//
// All loops over them are unrolled, so an entry is a constant in an instruction, and one that is zero is no instruction.
#pragma once

template <int M>
__device__ constexpr float winograd_bt(int i, int j) {
  constexpr float two[4][4] = {{-1, 0, 1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}};
  constexpr float four[6][6] = {{1.265625f, 0, -2.8125f, 0, 1, 0},       {0, -1.6875f, -2.25f, 0.75f, 1, 0},
                                {0, 1.6875f, -2.25f, -0.75f, 1, 0},      {0, -0.84375f, -0.5625f, 1.5f, 1, 0},
                                {0, 0.84375f, -0.5625f, -1.5f, 1, 0},    {0, 1.265625f, 0, -2.8125f, 0, 1}};
  return M == 2 ? two[i % 4][j % 4] : four[i][j];
}
template <int M>
__device__ constexpr float winograd_g(int i, int j) {
  constexpr float two[4][3] = {{-1, 0, 0}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0, 0, 1}};
  constexpr float four[6][3] = {{64 / 81.0f, 0, 0},
                                {-128 / 243.0f, -32 / 81.0f, -8 / 27.0f},
                                {-128 / 243.0f, 32 / 81.0f, -8 / 27.0f},
                                {32 / 243.0f, 16 / 81.0f, 8 / 27.0f},
                                {32 / 243.0f, -16 / 81.0f, 8 / 27.0f},
                                {0, 0, 1}};
  return M == 2 ? two[i % 4][j] : four[i][j];
}
template <int M>
__device__ constexpr float winograd_at(int i, int j) {
  constexpr float two[2][4] = {{1, 1, 1, 0}, {0, 1, -1, 1}};
  constexpr float four[4][6] = {{1, 1, 1, 1, 1, 0},
                                {0, 0.75f, -0.75f, 1.5f, -1.5f, 0},
                                {0, 0.5625f, 0.5625f, 2.25f, 2.25f, 0},
                                {0, 0.421875f, -0.421875f, 3.375f, -3.375f, 1}};
  return M == 2 ? two[i % 2][j % 4] : four[i][j];
}

// Adds ``coefficient`` times x, unless it is nothing.
__device__ __forceinline__ void winograd_add(float& sum, float coefficient, float x) {
  if (coefficient != 0.0f) sum += coefficient * x;
}
