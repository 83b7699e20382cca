// The second pass of split sums: adds the parts of each number in order, then bias, residual and activation.
//
//   y[i]  =  epilogue(parts[0][i] + parts[1][i] + ... + bias)        so every run gives the same bits
//
// parts (splits, count), y (count) of filters that are ``plane`` numbers long each, ``filters`` of them repeated;
// bias (filters) and residual (count) may be null.
//
// Launch: grid (ceil(count / TILE)), block (TILE).
#include "epilogue.cuh"

#ifndef TILE
#define TILE 256
#endif

extern "C" __global__ void __launch_bounds__(TILE)
    conv2d_sum_splits(const float* __restrict__ parts, const float* __restrict__ bias, const float* __restrict__ residual,
                      float* __restrict__ y, int splits, int count, int filters, int plane, const Epilogue e) {
  const int i = blockIdx.x * TILE + threadIdx.x;
  if (i >= count) return;
  float sum = 0.0f;
  for (int split = 0; split < splits; split++) sum += parts[static_cast<size_t>(split) * count + i];
  if (bias) sum += bias[i / plane % filters];
  y[i] = epilogue(sum, residual, i, e);
}
