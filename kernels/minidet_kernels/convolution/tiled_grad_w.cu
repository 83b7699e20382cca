// The gradient of the filters, second rung: tiles in shared memory, as tiled.cu has them.
//
//   gw[g, m][c][u][v]  =  sum over n, i, j of  g[n][g, m][i][j] * x[n][g, c][i sh + u dh - ph][j sw + v dw - pw]
//
// Of a group that is a matrix product of filters rows, channels * kh * kw columns and images * oh * ow terms. A block
// makes TILE x TILE of it and walks along the terms TILE at a time: each thread brings one number of each matrix to shared
// memory, where TILE threads read it. So global memory is read a TILE-th as often as by the first rung. Terms lie side by
// side in both maps, so both are brought with the terms across; rows are one number longer, so that threads that read
// different rows of pixels meet different banks. One thread makes each sum, whole and in order: no atomics, and no splits.
//
// x (N, C, H, W), g (N, O, oh, ow), gw (O, C / groups, kh, kw).
//
// Launch: grid (ceil(filters / TILE) * ceil(columns / TILE), 1, groups), block (TILE, TILE).
#include "naive.cuh"

#ifndef TILE
#define TILE 16
#endif

extern "C" __global__ void __launch_bounds__(TILE* TILE)
    conv2d_grad_w_tiled(const float* __restrict__ x, const float* __restrict__ g, float* __restrict__ gw, int images,
                        const Convolution p) {
  __shared__ float upstream[TILE][TILE + 1], pixels[TILE][TILE + 1];
  const int tx = threadIdx.x, ty = threadIdx.y, group = blockIdx.z;
  const int channels = p.C / p.groups, filters = p.O / p.groups, taps = p.kh * p.kw, columns = channels * taps;
  const int down = (filters + TILE - 1) / TILE; // tiles
  const int m0 = blockIdx.x % down * TILE, n0 = blockIdx.x / down * TILE;
  const int plane = p.oh * p.ow, terms = images * plane;
  // What this thread brings of each step: of filter m and of column n0 + ty, whose tap is so far from a place's first pixel.
  const int m = m0 + ty, c = (n0 + ty) / taps;
  const int u = (n0 + ty) / p.kw % p.kh * p.dilation_h - p.padding_h, v = (n0 + ty) % p.kw * p.dilation_w - p.padding_w;
  float sum = 0.0f;
  for (int first = 0; first < terms; first += TILE) {
    const int k = first + tx, image = k / plane, place = k % plane;
    const int a = place / p.ow * p.stride_h + u, b = place % p.ow * p.stride_w + v;
    const bool inside = k < terms && c < channels && a >= 0 && a < p.H && b >= 0 && b < p.W;
    upstream[ty][tx] = k < terms && m < filters ? g[(image * p.O + group * filters + m) * plane + place] : 0.0f;
    pixels[ty][tx] = inside ? x[((image * p.C + group * channels + c) * p.H + a) * p.W + b] : 0.0f;
    __syncthreads();
#pragma unroll
    for (int k = 0; k < TILE; k++) sum += upstream[ty][k] * pixels[tx][k];
    __syncthreads();
  }
  if (m < filters && n0 + tx < columns) gw[(group * filters + m) * columns + n0 + tx] = sum;
}
