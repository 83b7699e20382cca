// Nearest, every convention: a thread finds where a few neighbouring outputs come from, once, and copies them for many
// planes. The whole numbers that are divided for it cost more than the copy, and are the same for every plane.
//
//   y[p][e] = x[p][from(e)]   for the e = i ow + j of a plane
//
// A thread's V outputs are one vector of memory, V dividing oh ow; the writes of a warp are contiguous.
//
// Launch: grid (ceil(oh ow / V / TILE), any), block (TILE).
#include "nearest.cuh"

#ifndef TILE
#define TILE 128
#endif

template <typename T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

template <typename T, int V>
__global__ void __launch_bounds__(TILE) resize_places(const T* __restrict__ x, T* __restrict__ y, int planes, int H, int W,
                                                      int oh, int ow, long long ra, long long rb, long long rd,
                                                      long long ca, long long cb, long long cd) {
  const int e = (blockIdx.x * TILE + threadIdx.x) * V;
  const int area = oh * ow;
  if (e >= area) return;
  const Line rows = {ra, rb, rd}, columns = {ca, cb, cd};
  int from[V];
#pragma unroll
  for (int v = 0; v < V; v++)
    from[v] = nearest_input(rows, (e + v) / ow, H) * W + nearest_input(columns, (e + v) % ow, W);
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const T* plane = x + static_cast<size_t>(p) * H * W;
    Pack<T, V> out;
#pragma unroll
    for (int v = 0; v < V; v++) out.v[v] = plane[from[v]];
    *reinterpret_cast<Pack<T, V>*>(y + static_cast<size_t>(p) * area + e) = out;
  }
}
