// The gradient of the input, first rung: a thread for each pixel, which gathers what reaches it. Nothing is added by
// two threads, so no atomics, and the sum has one order: o, u, v.
//
//   gx[n][c][a][b] = sum over o of the group, u, v of  w[o][c][u][v] * g[n][o][i][j]
//                    where a = i sh + u dh - ph and b = j sw + v dw - pw for whole i, j inside of g
//
// g (N, O, oh, ow), w (O, C / groups, kh, kw), gx (N, C, H, W).
//
// Launch: grid (ceil(H W / TILE), C, N), block (TILE).
#include "naive.cuh"

#ifndef TILE
#define TILE 128
#endif

extern "C" __global__ void __launch_bounds__(TILE)
    conv2d_grad_x_naive(const float* __restrict__ g, const float* __restrict__ w, float* __restrict__ gx, const Convolution p) {
  const int pixel = blockIdx.x * TILE + threadIdx.x;
  if (pixel >= p.H * p.W) return;
  const int c = blockIdx.y, n = blockIdx.z;
  const int a = pixel / p.W, b = pixel % p.W;
  const int channels = p.C / p.groups, filters = p.O / p.groups;
  const int first = c / channels * filters;
  float sum = 0.0f;
  for (int o = first; o < first + filters; o++) {
    const float* plane = g + (static_cast<size_t>(n) * p.O + o) * p.oh * p.ow;
    const float* taps = w + (static_cast<size_t>(o) * channels + c % channels) * p.kh * p.kw;
    for (int u = 0; u < p.kh; u++) {
      const int down = a + p.padding_h - u * p.dilation_h, i = down / p.stride_h;
      if (down < 0 || down % p.stride_h || i >= p.oh) continue;
      for (int v = 0; v < p.kw; v++) {
        const int across = b + p.padding_w - v * p.dilation_w, j = across / p.stride_w;
        if (across >= 0 && across % p.stride_w == 0 && j < p.ow) sum += taps[u * p.kw + v] * plane[i * p.ow + j];
      }
    }
  }
  gx[((static_cast<size_t>(n) * p.C + c) * p.H + a) * p.W + b] = sum;
}
