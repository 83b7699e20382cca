// Winograd's convolution, 4 of 4: the outputs of each tile,  y  =  A^T M A  of its n^2 products M, then bias, residual and
// activation.
//
// A thread for each tile and filter. products (n^2, filters, wide), y and residual (images, filters, oh, ow).
//
// Launch: grid (ceil(tiles / 64), filters), block (64).
#include "epilogue.cuh"
#include "gather.cuh"
#include "winograd.cuh"

template <int M>
__global__ void __launch_bounds__(64)
    winograd_outputs(const float* __restrict__ products, const float* __restrict__ bias, const float* __restrict__ residual,
                     float* __restrict__ y, int wide, int down, int across, const Gather p, const Epilogue e) {
  constexpr int n = M + 2;
  const int t = blockIdx.x * 64 + threadIdx.x, o = blockIdx.y;
  if (t >= p.images * down * across) return;
  float half[M][n] = {};
#pragma unroll
  for (int k = 0; k < n; k++)
#pragma unroll
    for (int l = 0; l < n; l++) {
      const float product = products[(static_cast<size_t>(k * n + l) * p.filters + o) * wide + t];
#pragma unroll
      for (int i = 0; i < M; i++) winograd_add(half[i][l], winograd_at<M>(i, k), product);
    }
  const int i0 = t / across % down * M, j0 = t % across * M;
  const int target = (t / (down * across) * p.filters + o) * p.oh * p.ow;
  __shared__ float own[M * M][64]; // a column for each thread: registers have no index, and the end is to be written once
#pragma unroll
  for (int i = 0; i < M; i++)
#pragma unroll
    for (int j = 0; j < M; j++) {
      float sum = 0.0f;
#pragma unroll
      for (int l = 0; l < n; l++) winograd_add(sum, winograd_at<M>(j, l), half[i][l]);
      own[i * M + j][threadIdx.x] = bias ? sum + bias[o] : sum;
    }
#pragma unroll 1
  for (int each = 0; each < M * M; each++) {
    const int i = i0 + each / M, j = j0 + each % M, at = target + i * p.ow + j;
    if (i < p.oh && j < p.ow) y[at] = epilogue(own[each][threadIdx.x], residual, at, e);
  }
}
