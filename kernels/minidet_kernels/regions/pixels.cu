// Gradient of RoIAlign (mean) and of crop_and_resize, the first rung: a thread for each element of the map, which looks
// through all regions, and adds those that touch it in their order. For CHANNELS channels, so that it looks once for them.
//
// g (K, C, oh, ow), regions (K, 5) image x1 y1 x2 y2, gx (N, C, H, W).
//
// Launch: grid (ceil(H W / TILE), ceil(C / CHANNELS), N), block (TILE).
#include "axis.cuh"

#ifndef KIND
#define KIND Align
#endif
#ifndef TILE
#define TILE 128
#endif
#ifndef CHANNELS
#define CHANNELS 8
#endif

template <typename T>
__global__ void __launch_bounds__(TILE, 3) regions_pixels(const T* __restrict__ g, const double* __restrict__ regions,
                                                       T* __restrict__ gx, int K, int C, int H, int W, int oh, int ow,
                                                       const KIND how) {
  const int e = blockIdx.x * TILE + threadIdx.x;
  if (e >= H * W) return;
  const int r = e / W, s = e % W, n = blockIdx.z, c0 = blockIdx.y * CHANNELS;
  T sums[CHANNELS] = {};
  for (int k = 0; k < K; k++) {
    const double* region = regions + static_cast<size_t>(k) * 5;
    if (region[0] != n) continue;
    const auto rows = how.axis(region[2], region[4], oh, H), columns = how.axis(region[1], region[3], ow, W);
    int low, high;
    rows.span(0, oh, &low, &high);
    if (r < low - 1 || r > high + 1) continue;  // one more each way, for rounding
    columns.span(0, ow, &low, &high);
    if (s < low - 1 || s > high + 1) continue;
    for (int i = 0; i < oh; i++) {
      const T u = static_cast<T>(rows.share(i, r));
      if (u == 0) continue;
      for (int j = 0; j < ow; j++) {
        const T w = u * static_cast<T>(columns.share(j, s));
        if (w == 0) continue;
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
          if (c0 + c < C) sums[c] += w * g[((static_cast<size_t>(k) * C + c0 + c) * oh + i) * ow + j];
      }
    }
  }
#pragma unroll
  for (int c = 0; c < CHANNELS; c++)
    if (c0 + c < C) gx[(static_cast<size_t>(n) * C + c0 + c) * H * W + e] = sums[c];
}
