// Winograd's convolution, 1 of 4: the filters at n^2 points,  U[p][c][o]  =  (G w G^T)[p],  with zeros up to whole tiles.
//
// w as the Gather says (turned around for the gradient of the input), U (n^2, deep, high).
//
// Launch: grid (high / 32, deep / 8), block (32, 8).
#include "gather.cuh"
#include "winograd.cuh"

template <int M>
__global__ void __launch_bounds__(256)
    winograd_filters(const float* __restrict__ w, float* __restrict__ U, int deep, int high, const Gather p) {
  constexpr int n = M + 2;
  const int o = blockIdx.x * 32 + threadIdx.x, c = blockIdx.y * 8 + threadIdx.y;
  const bool there = o < p.filters && c < p.channels;
  float half[n][3] = {};
#pragma unroll
  for (int k = 0; k < 9; k++) {
    const float tap = there ? gather_filter(p, w, 0, o, c * 9 + k) : 0.0f;
#pragma unroll
    for (int i = 0; i < n; i++) winograd_add(half[i][k % 3], winograd_g<M>(i, k / 3), tap);
  }
#pragma unroll
  for (int i = 0; i < n; i++)
#pragma unroll
    for (int j = 0; j < n; j++) {
      float sum = 0.0f;
#pragma unroll
      for (int k = 0; k < 3; k++) winograd_add(sum, winograd_g<M>(j, k), half[i][k]);
      U[(static_cast<size_t>(i * n + j) * deep + c) * high + o] = sum;
    }
}
