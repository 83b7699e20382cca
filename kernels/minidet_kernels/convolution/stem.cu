// Few channels (a network's first layer): a thread makes 32 filters of two places, with nothing of x in shared memory.
//
// There are so few terms (27 for a picture and 3 x 3) that a tile's steps would be mostly beginnings and ends. So a block
// holds the filters of all terms in shared memory, where all threads of a warp read the same four at a time, and each
// thread reads its own pixels: its neighbours' are beside them, and those of the next taps are in the cache.
//
// x (images, channels, H, W), packed (1, deep, high) of at most TERMS terms, y, bias, residual: as in registers.cu.
//
// Launch: grid (ceil(places / 256), high / 32), block (128).
#include "epilogue.cuh"
#include "gather.cuh"

#ifndef TERMS
#define TERMS 196
#endif

extern "C" __global__ void __launch_bounds__(128, 4)
    conv2d_stem(const float* __restrict__ x, const float* __restrict__ packed, const float* __restrict__ bias,
                const float* __restrict__ residual, float* __restrict__ y, int high, const Gather p, const Epilogue e) {
  __shared__ __align__(16) float filters[TERMS][32];
  __shared__ float own[16][128]; // a column for each thread: registers have no index, and the end is to be written once
  const int t = threadIdx.x, m0 = blockIdx.y * 32, terms = p.channels * p.kh * p.kw, plane = p.oh * p.ow;
  for (int i = t; i < terms * 32; i += 128) filters[i / 32][i % 32] = packed[i / 32 * high + m0 + i % 32];
  __syncthreads();
  const int first = blockIdx.x * 256 + t;
  const Place places[2] = {gather_place(p, first, 0), gather_place(p, first + 128, 0)};
  float sum[2][32] = {};
  int k = 0;
  for (int c = 0; c < p.channels; c++)
    for (int u = 0; u < p.kh; u++)
      for (int v = 0; v < p.kw; v++, k++) {
        float pixel[2];
#pragma unroll
        for (int each = 0; each < 2; each++) {
          const unsigned i = places[each].i + u * p.tap_h, j = places[each].j + v * p.tap_w;
          const bool inside = i < static_cast<unsigned>(p.H) && j < static_cast<unsigned>(p.W);
          pixel[each] = inside ? x[places[each].at + (c * p.H + u * p.tap_h) * p.W + v * p.tap_w] : 0.0f;
        }
#pragma unroll
        for (int q = 0; q < 8; q++) {
          const float4 four = *reinterpret_cast<const float4*>(&filters[k][4 * q]);
#pragma unroll
          for (int each = 0; each < 2; each++) {
            sum[each][4 * q] += four.x * pixel[each];
            sum[each][4 * q + 1] += four.y * pixel[each];
            sum[each][4 * q + 2] += four.z * pixel[each];
            sum[each][4 * q + 3] += four.w * pixel[each];
          }
        }
      }
  const int count = p.images * p.rows * p.columns;
#pragma unroll
  for (int each = 0; each < 2; each++) {
    const int place = first + each * 128;
    const int target = place < count ? gather_target(p, place, 0) : 0;
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
      for (int i = 0; i < 16; i++) own[i][t] = sum[each][16 * half + i];
#pragma unroll 1
      for (int i = 0; i < 16; i++) {
        const int m = m0 + 16 * half + i, at = target + m * plane;
        if (place >= count || m >= p.filters) continue;
        y[at] = epilogue(bias ? own[i][t] + bias[m] : own[i][t], residual, at, e);
      }
    }
  }
}
