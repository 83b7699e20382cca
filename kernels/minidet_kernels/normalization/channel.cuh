// What the kernels of batch norm share: the coefficients of a channel, where its numbers lie, and sums in a fixed order.
#pragma once
#include "../activation/functions.cuh"
#include "../cuda/pack.cuh"

#ifndef THREADS
#define THREADS 256
#endif

__device__ __forceinline__ float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double multiply_add(double a, double b, double c) { return fma(a, b, c); }

// Where number j of channel c lies, of maps (N, C, L): the channel's numbers are counted image after image.
__device__ __forceinline__ size_t place(unsigned j, unsigned c, unsigned C, unsigned L) {
  const unsigned image = j / L;
  return (static_cast<size_t>(image) * C + c) * L + (j - image * L);
}

// sigma of the biased variance of n values, in float64; `outside` and `unbiased` are the room's options.
__device__ __forceinline__ double deviation(double var, double n, double eps, int outside, int unbiased) {
  if (unbiased) var = var * (n / (n - 1));
  return outside ? sqrt(var) + eps : sqrt(var + eps);
}

// y = (x - m) a + b, where m is the mean in the dtype of x, and b makes good for its rounding.
template <typename T>
struct Line {
  T m, a, b;
  __device__ T operator()(T x) const { return multiply_add(x - m, a, b); }
};

template <typename T>
__device__ __forceinline__ Line<T> line(double mean, double sigma, double weight, double bias) {
  const double a = weight / sigma;
  Line<T> made;
  made.m = static_cast<T>(mean);
  made.a = static_cast<T>(a);
  made.b = static_cast<T>(bias - (mean - made.m) * a);
  return made;
}

struct Two {
  double a, b;
};

// Both sums over a warp, in lane 0: by halves, so always in the same order.
__device__ __forceinline__ Two warp_sum(Two mine) {
#pragma unroll
  for (int half = 16; half; half /= 2) {
    mine.a += __shfl_down_sync(0xffffffffu, mine.a, half);
    mine.b += __shfl_down_sync(0xffffffffu, mine.b, half);
  }
  return mine;
}

// Both sums over a block of THREADS, in thread 0: warp by warp, and then those of the warps.
__device__ __forceinline__ Two block_sum(Two mine) {
  __shared__ Two of_warps[THREADS / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  mine = warp_sum(mine);
  if (lane == 0) of_warps[warp] = mine;
  __syncthreads();
  if (warp == 0) {
    mine = lane < THREADS / 32 ? of_warps[lane] : Two{0, 0};
    mine = warp_sum(mine);
  }
  return mine;
}

// Both sums over the parts of one channel, in lane 0 of the warp that calls it.
__device__ __forceinline__ Two sum_of_parts(const double* __restrict__ parts, int splits) {
  Two sum = {0, 0};
  for (int s = threadIdx.x % 32; s < splits; s += 32) {
    sum.a += parts[2 * s];
    sum.b += parts[2 * s + 1];
  }
  return warp_sum(sum);
}
