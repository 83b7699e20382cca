// Gradient of nearest: an input gathers the outputs that copied it, a rectangle of neighbours, row by row. No atomics, so
// the sum is the same every time. The rectangle is found once, for many planes.
//
//   gx[p][r][c] = sum over i0 <= i < i1, j0 <= j < j1 of g[p][i][j]
//
// Launch: grid (ceil(H W / TILE), any), block (TILE).
#include "nearest.cuh"

#ifndef TILE
#define TILE 128
#endif

template <typename T>
__global__ void __launch_bounds__(TILE) resize_nearest_back(const T* __restrict__ g, T* __restrict__ gx, int planes, int H,
                                                            int W, int oh, int ow, long long ra, long long rb, long long rd,
                                                            long long ca, long long cb, long long cd) {
  const int e = blockIdx.x * TILE + threadIdx.x;
  if (e >= H * W) return;
  int i0, i1, j0, j1;
  nearest_outputs({ra, rb, rd}, e / W, H, oh, &i0, &i1);
  nearest_outputs({ca, cb, cd}, e % W, W, ow, &j0, &j1);
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const T* plane = g + static_cast<size_t>(p) * oh * ow;
    T sum = 0;
    for (int i = i0; i < i1; i++)
      for (int j = j0; j < j1; j++) sum += plane[i * ow + j];
    gx[static_cast<size_t>(p) * H * W + e] = sum;
  }
}
