// The second rung: a matrix product that is never written out (implicit GEMM), by tiles in shared memory.
//
// Of a group, w is a matrix (filters, terms) and the pixels under the taps are a matrix (terms, places). A block makes
// TILE x TILE of their product and walks along the terms TILE at a time: each thread brings one number of each matrix to
// shared memory, where TILE threads read it. So global memory is read a TILE-th as often as by the first rung.
//
// x, w, y: as gather.cuh says; bias (groups * filters) and residual (as y) may be null.
//
// Launch: grid (ceil(filters / TILE) * ceil(places / TILE), 1, groups), block (TILE, TILE).
#include "epilogue.cuh"
#include "gather.cuh"

#ifndef TILE
#define TILE 16
#endif

extern "C" __global__ void __launch_bounds__(TILE* TILE) conv2d_tiled(const float* __restrict__ x, const float* __restrict__ w,
                                                                     const float* __restrict__ bias,
                                                                     const float* __restrict__ residual, float* __restrict__ y,
                                                                     const Gather p, const Epilogue e) {
  __shared__ float filters[TILE][TILE], pixels[TILE][TILE];
  const int tx = threadIdx.x, ty = threadIdx.y, group = blockIdx.z;
  const int down = (p.filters + TILE - 1) / TILE; // tiles
  const int m = blockIdx.x % down * TILE + ty, place = blockIdx.x / down * TILE + tx;
  const int terms = p.channels * p.kh * p.kw;
  const Place at = gather_place(p, place, group);
  float sum = 0.0f;
  for (int first = 0; first < terms; first += TILE) {
    filters[ty][tx] = m < p.filters && first + tx < terms ? gather_filter(p, w, group, m, first + tx) : 0.0f;
    const int k = first + ty, c = k / (p.kh * p.kw), u = k / p.kw % p.kh * p.tap_h, v = k % p.kw * p.tap_w;
    const int i = at.i + u, j = at.j + v;
    const bool inside = k < terms && i >= 0 && i < p.H && j >= 0 && j < p.W;
    pixels[ty][tx] = inside ? x[at.at + (c * p.H + u) * p.W + v] : 0.0f;
    __syncthreads();
#pragma unroll
    for (int k = 0; k < TILE; k++) sum += filters[ty][k] * pixels[k][tx];
    __syncthreads();
  }
  if (m >= p.filters || place >= p.images * p.rows * p.columns) return;
  const int to = gather_target(p, place, group) + m * p.oh * p.ow;
  y[to] = epilogue(bias ? sum + bias[group * p.filters + m] : sum, residual, to, e);
}
