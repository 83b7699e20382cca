// The gradient of the filters, first rung: a thread for each number of the filters, which sums over all images and
// places. There are few such numbers and long sums, so most of a GPU has nothing to do: what split-K is for.
//
//   gw[o][c][u][v] = sum over n, i, j of  g[n][o][i][j] * x[n][c][i sh + u dh - ph][j sw + v dw - pw]
//
// x (N, C, H, W), g (N, O, oh, ow), gw (O, C / groups, kh, kw). The sum runs in the order n, i, j: one rounding each.
//
// Launch: grid (ceil(C / groups kh kw / TILE), O), block (TILE).
#include "naive.cuh"

#ifndef TILE
#define TILE 128
#endif

extern "C" __global__ void __launch_bounds__(TILE) conv2d_grad_w_naive(const float* __restrict__ x, const float* __restrict__ g,
                                                                       float* __restrict__ gw, int images, const Convolution p) {
  const int channels = p.C / p.groups, taps = p.kh * p.kw;
  const int number = blockIdx.x * TILE + threadIdx.x, o = blockIdx.y;
  if (number >= channels * taps) return;
  const int c = o / (p.O / p.groups) * channels + number / taps;
  const int down = number % taps / p.kw * p.dilation_h - p.padding_h, across = number % p.kw * p.dilation_w - p.padding_w;
  float sum = 0.0f;
  for (int n = 0; n < images; n++) {
    const float* plane = x + (static_cast<size_t>(n) * p.C + c) * p.H * p.W;
    const float* upstream = g + (static_cast<size_t>(n) * p.O + o) * p.oh * p.ow;
    for (int i = 0; i < p.oh; i++) {
      const int a = i * p.stride_h + down;
      if (a < 0 || a >= p.H) continue;
      for (int j = 0; j < p.ow; j++) {
        const int b = j * p.stride_w + across;
        if (b >= 0 && b < p.W) sum += upstream[i * p.ow + j] * plane[a * p.W + b];
      }
    }
  }
  gw[static_cast<size_t>(o) * channels * taps + number] = sum;
}
