// RoIPool: a thread finds its bin once, and then looks through it for many channels, row by row.
//
// x (N, C, H, W), regions (K, 5) image x1 y1 x2 y2 of type R, y and index (K, C, oh, ow): the first greatest of the bin and
// row * W + column of it; a NaN is greatest. Of an empty bin 0 and -1.
//
// Launch: grid (ceil(K oh ow / TILE), any), block (TILE).
#include "whole.cuh"

#ifndef TILE
#define TILE 128
#endif

template <typename T, typename R>
__global__ void __launch_bounds__(TILE) roi_pool(const T* __restrict__ x, const R* __restrict__ regions, T* __restrict__ y,
                                                 long long* __restrict__ index, int K, int C, int H, int W, int oh, int ow,
                                                 const Pool how) {
  const long long e = static_cast<long long>(blockIdx.x) * TILE + threadIdx.x;
  const int bins = oh * ow;
  if (e >= static_cast<long long>(K) * bins) return;
  const size_t k = e / bins;
  const int b = static_cast<int>(e % bins);
  const R* region = regions + 5 * k;
  int top, bottom, left, right;
  bin(how, region[2], region[4], b / ow, oh, H, &top, &bottom);
  bin(how, region[1], region[3], b % ow, ow, W, &left, &right);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    const T* plane = x + (static_cast<size_t>(region[0]) * C + c) * H * W;
    int at = -1;
    T best = 0;
    for (int r = top; r < bottom; r++)
      for (int s = left; s < right; s++) {
        const T value = plane[r * W + s];
        if (at < 0 || (!(value <= best) && best == best)) best = value, at = r * W + s;
      }
    y[(k * C + c) * bins + b] = best;
    index[(k * C + c) * bins + b] = at;
  }
}
