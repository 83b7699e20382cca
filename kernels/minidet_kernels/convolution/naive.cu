// The first rung: a thread for each element of the output, which adds up its own sum. No memory is shared.
//
//   y[n][o][i][j] = bias[o] + sum over c, u, v of w[o][c][u][v] * x[n][c][i sh + u dh - ph][j sw + v dw - pw]
//
// x (N, C, H, W), w (O, C / groups, kh, kw), y (N, O, oh, ow); bias may be null. The sum runs in the order c, u, v.
//
// Launch: grid (ceil(oh ow / TILE), O, N), block (TILE).
#include "naive.cuh"

#ifndef TILE
#define TILE 128
#endif

extern "C" __global__ void __launch_bounds__(TILE, 8) conv2d_naive(const float* __restrict__ x, const float* __restrict__ w,
                                                                const float* __restrict__ bias, float* __restrict__ y,
                                                                const Convolution p) {
  const int place = blockIdx.x * TILE + threadIdx.x;
  if (place >= p.oh * p.ow) return;
  const int o = blockIdx.y, n = blockIdx.z;
  const int i = place / p.ow, j = place % p.ow;
  const int channels = p.C / p.groups;
  const int first = o / (p.O / p.groups) * channels;
  float sum = bias ? bias[o] : 0.0f;
  for (int c = 0; c < channels; c++) {
    const float* plane = x + (static_cast<size_t>(n) * p.C + first + c) * p.H * p.W;
    const float* taps = w + (static_cast<size_t>(o) * channels + c) * p.kh * p.kw;
    for (int u = 0; u < p.kh; u++) {
      const int a = i * p.stride_h + u * p.dilation_h - p.padding_h;
      if (a < 0 || a >= p.H) continue;
      for (int v = 0; v < p.kw; v++) {
        const int b = j * p.stride_w + v * p.dilation_w - p.padding_w;
        if (b >= 0 && b < p.W) sum += taps[u * p.kw + v] * plane[a * p.W + b];
      }
    }
  }
  y[((static_cast<size_t>(n) * p.O + o) * p.oh + i) * p.ow + j] = sum;
}
