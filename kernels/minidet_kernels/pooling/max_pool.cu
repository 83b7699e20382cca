// Max pooling, the first rung: a thread looks through its window, row by row, and does so for many planes.
//
//   y[p][i][j] = x[p][index[p][i][j]] = the first greatest of window (i, j)
//
// Launch: grid (ceil(oh ow / TILE), any), block (TILE).
#include "windows.cuh"

#ifndef TILE
#define TILE 128
#endif

template <typename T>
__global__ void __launch_bounds__(TILE, 4) max_pool(const T* __restrict__ x, T* __restrict__ y, long long* __restrict__ index,
                                                 int planes, const Windows rows, const Windows columns) {
  const int e = blockIdx.x * TILE + threadIdx.x;
  const int area = rows.out * columns.out;
  if (e >= area) return;
  const int i = e / columns.out, j = e % columns.out, W = columns.n;
  const int top = window_first(rows, i), bottom = window_last(rows, i);
  const int left = window_first(columns, j), right = window_last(columns, j);
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const T* plane = x + static_cast<size_t>(p) * rows.n * W;
    int at = top * W + left;
    T best = plane[at];
    for (int r = top; r < bottom; r++)
      for (int c = left; c < right; c++) {
        const T value = plane[r * W + c];
        if (wins(value, best)) best = value, at = r * W + c;
      }
    const size_t to = static_cast<size_t>(p) * area + e;
    y[to] = best;
    index[to] = at;
  }
}
