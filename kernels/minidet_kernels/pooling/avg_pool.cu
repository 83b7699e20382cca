// Average pooling and its gradient, both gathers: a thread adds up its window, or the windows that its element is in.
//
//   y[p][i][j] = sum of x over window (i, j) / elements(i, j)      gx[p][r][c] = sum of g[p][i][j] / elements(i, j)
//
// `padded`: the elements are those of the window with its padding, else those inside the input.
//
// Launch: grid (ceil(elements of a plane of the output / TILE), any), block (TILE).
#include "windows.cuh"

#ifndef TILE
#define TILE 128
#endif

__device__ __forceinline__ int side(const Windows& v, int i, bool padded) {
  return padded ? window_padded(v, i) : window_last(v, i) - window_first(v, i);
}

template <typename T>
__global__ void __launch_bounds__(TILE, 4) avg_pool(const T* __restrict__ x, T* __restrict__ y, int planes, const Windows rows,
                                                 const Windows columns, bool padded) {
  const int e = blockIdx.x * TILE + threadIdx.x;
  const int area = rows.out * columns.out;
  if (e >= area) return;
  const int i = e / columns.out, j = e % columns.out, W = columns.n;
  const int top = window_first(rows, i), bottom = window_last(rows, i);
  const int left = window_first(columns, j), right = window_last(columns, j);
  const T elements = static_cast<T>(side(rows, i, padded)) * static_cast<T>(side(columns, j, padded));
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const T* plane = x + static_cast<size_t>(p) * rows.n * W;
    T sum = 0;
    for (int r = top; r < bottom; r++)
      for (int c = left; c < right; c++) sum += plane[r * W + c];
    y[static_cast<size_t>(p) * area + e] = sum / elements;
  }
}

template <typename T>
__global__ void __launch_bounds__(TILE, 4) avg_pool_back(const T* __restrict__ g, T* __restrict__ gx, int planes,
                                                      const Windows rows, const Windows columns, bool padded) {
  const int e = blockIdx.x * TILE + threadIdx.x;
  const int area = rows.n * columns.n;
  if (e >= area) return;
  int i0, i1, j0, j1;
  windows_of(rows, e / columns.n, &i0, &i1);
  windows_of(columns, e % columns.n, &j0, &j1);
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const T* plane = g + static_cast<size_t>(p) * rows.out * columns.out;
    T sum = 0;
    for (int i = i0; i < i1; i++) {
      const int height = side(rows, i, padded);
      for (int j = j0; j < j1; j++)
        sum += plane[i * columns.out + j] / (static_cast<T>(height) * static_cast<T>(side(columns, j, padded)));
    }
    gx[static_cast<size_t>(p) * area + e] = sum;
  }
}
