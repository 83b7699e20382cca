// Winograd's convolution, 2 of 4: the tiles of inputs at n^2 points,  V[p][c][t]  =  (B^T x B)[p]  of tile t.
//
// A thread for each tile and channel, which holds n x n numbers; neighbours have neighbouring tiles, so the writes, n^2 of
// them for M^2 pixels, are contiguous. Tiles are counted (image, row, column) over ``images`` images; V (n^2, deep, wide)
// has zeros up to whole tiles of the product.
//
// Launch: grid (wide / 64, deep), block (64).
#include "gather.cuh"
#include "winograd.cuh"

template <int M>
__global__ void __launch_bounds__(64)
    winograd_inputs(const float* __restrict__ x, float* __restrict__ V, int deep, int wide, int down, int across, const Gather p) {
  constexpr int n = M + 2;
  const int t = blockIdx.x * 64 + threadIdx.x, c = blockIdx.y, image = t / (down * across);
  const int i0 = t / across % down * M + p.first_h, j0 = t % across * M + p.first_w;
  const bool there = image < p.images && c < p.channels;
  const float* plane = x + (static_cast<size_t>(image) * p.channels + c) * p.H * p.W;
  float half[n][n] = {};
#pragma unroll
  for (int k = 0; k < n; k++)
#pragma unroll
    for (int l = 0; l < n; l++) {
      const bool inside = there && i0 + k >= 0 && i0 + k < p.H && j0 + l >= 0 && j0 + l < p.W;
      const float pixel = inside ? plane[(i0 + k) * p.W + j0 + l] : 0.0f;
#pragma unroll
      for (int i = 0; i < n; i++) winograd_add(half[i][l], winograd_bt<M>(i, k), pixel);
    }
#pragma unroll
  for (int i = 0; i < n; i++)
#pragma unroll
    for (int j = 0; j < n; j++) {
      float sum = 0.0f;
#pragma unroll
      for (int l = 0; l < n; l++) winograd_add(sum, winograd_bt<M>(j, l), half[i][l]);
      V[(static_cast<size_t>(i * n + j) * deep + c) * wide + t] = sum;
    }
}
