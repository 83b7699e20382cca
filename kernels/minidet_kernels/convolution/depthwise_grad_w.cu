// The gradient of depthwise filters: few numbers, each a sum over all places of all images.
//
//   gw[o][u][v]  =  sum over n, i, j of  g[n][o][i][j] * x[n][o / M][i sh + u dh - ph][j sw + v dw - pw]
//
// A block has one filter and a share of the terms. A thread goes through every THREADS-th of them and keeps K x K sums in
// registers, so g is read once for K x K products, and neighbours read neighbouring pixels. Then each warp adds up its
// lanes by shuffles, and the first threads add up the warps: always in the same order, and sum_splits.cu adds the shares
// in order, so every run gives the same bits. Filters of other sizes are made tap after tap, with K of 1.
//
// x (images, groups, H, W), g (images, groups * filters, oh, ow), gw (splits, groups * filters, kh, kw).
//
// Launch: grid (groups * filters, splits, kh kw / (K K)), block (THREADS); each split makes ``steps`` times THREADS terms.
#include "walk.cuh"

#ifndef THREADS
#define THREADS 256
#endif

template <int K>
__global__ void __launch_bounds__(THREADS)
    conv2d_depthwise_grad_w(const float* __restrict__ x, const float* __restrict__ g, float* __restrict__ gw, int steps,
                            const Walk p) {
  constexpr int WARPS = THREADS / 32;
  __shared__ float warps[K * K][WARPS];
  const int o = blockIdx.x, split = blockIdx.y, m = o % p.filters, u0 = blockIdx.z / p.kw, v0 = blockIdx.z % p.kw;
  const int terms = p.images * p.oh * p.ow, last = min(terms, (split + 1) * steps * THREADS);
  float sum[K * K] = {};
  for (Walker at(p, split * steps * THREADS + threadIdx.x, o / p.filters); at.k < last; at.advance(p, THREADS)) {
    const float upstream = g[at.at_g + m * p.oh * p.ow];
    const int a = at.i * p.step_h + u0 * p.tap_h + p.first_h, b = at.j * p.step_w + v0 * p.tap_w + p.first_w;
    const float* from = x + at.at_x + (u0 * p.tap_h + p.first_h) * p.W + v0 * p.tap_w + p.first_w;
#pragma unroll
    for (int u = 0; u < K; u++) {
      const bool row = static_cast<unsigned>(a + u * p.tap_h) < static_cast<unsigned>(p.H);
#pragma unroll
      for (int v = 0; v < K; v++) {
        const bool inside = row && static_cast<unsigned>(b + v * p.tap_w) < static_cast<unsigned>(p.W);
        sum[u * K + v] += upstream * (inside ? from[u * p.tap_h * p.W + v * p.tap_w] : 0.0f);
      }
    }
  }
#pragma unroll
  for (int k = 0; k < K * K; k++) {
#pragma unroll
    for (int distance = 16; distance; distance /= 2) sum[k] += __shfl_xor_sync(~0u, sum[k], distance);
    if (threadIdx.x % 32 == 0) warps[k][threadIdx.x / 32] = sum[k];
  }
  __syncthreads();
  const int k = threadIdx.x;
  if (k >= K * K) return;
  float total = 0.0f;
  for (int warp = 0; warp < WARPS; warp++) total += warps[k][warp];
  gw[((static_cast<size_t>(split) * p.groups * p.filters + o) * p.kh + u0) * p.kw + v0 + k] = total;
}
