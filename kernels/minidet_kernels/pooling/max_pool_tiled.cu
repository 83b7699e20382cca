// Max pooling of windows that overlap, in two steps: the greatest of each row of a window, then of its rows. For k x k
// windows these are 2 k comparisons instead of k k, and every element is read from memory once for a tile.
//
// The first greatest in row-major order is the first of its row, in the first row that has it; so the two steps find it.
//
// A block makes ROWS x 32 outputs of one plane from `height` x `width` inputs in shared memory: the inputs, then of each
// of their rows the greatest of 32 windows, and where it was.
//
// Launch: grid (tiles across, tiles down, any), block (32, WARPS), dynamic shared memory of height * (width + 32) elements
// and height * 32 integers.
#include "windows.cuh"

#ifndef ROWS
#define ROWS 16
#endif
#ifndef WARPS
#define WARPS 8
#endif

template <typename T>
__global__ void __launch_bounds__(32 * WARPS) max_pool_tiled(const T* __restrict__ x, T* __restrict__ y,
                                                             long long* __restrict__ index, int planes, const Windows rows,
                                                             const Windows columns, int height, int width) {
  extern __shared__ double memory[];
  T* inputs = reinterpret_cast<T*>(memory);                     // (height, width)
  T* best_of_row = inputs + height * width;                     // (height, 32)
  int* at_of_row = reinterpret_cast<int*>(best_of_row + height * 32);  // (height, 32)
  const int lane = threadIdx.x, warp = threadIdx.y, W = columns.n;
  const int i0 = blockIdx.y * ROWS, j = blockIdx.x * 32 + lane;
  const int r0 = window_first(rows, i0), r1 = window_last(rows, min(i0 + ROWS, rows.out) - 1);
  const int j0 = blockIdx.x * 32, c0 = window_first(columns, j0), c1 = window_last(columns, min(j0 + 32, columns.out) - 1);
  const int left = window_first(columns, j) - c0, right = window_last(columns, j) - c0;
  for (int p = blockIdx.z; p < planes; p += gridDim.z) {
    const T* plane = x + static_cast<size_t>(p) * rows.n * W;
    for (int r = warp; r < r1 - r0; r += WARPS)
      for (int c = lane; c < c1 - c0; c += 32) inputs[r * width + c] = plane[(r0 + r) * W + c0 + c];
    __syncwarp();  // a row is read by the warp that wrote it
    for (int r = warp; r < r1 - r0; r += WARPS) {
      if (j >= columns.out) break;
      const T* row = inputs + r * width;
      int at = left;
      T best = row[at];
      for (int c = left + 1; c < right; c++)
        if (wins(row[c], best)) best = row[c], at = c;
      best_of_row[r * 32 + lane] = best;
      at_of_row[r * 32 + lane] = c0 + at;
    }
    __syncthreads();
    for (int i = i0 + warp; i < min(i0 + ROWS, rows.out); i += WARPS) {
      if (j >= columns.out) break;
      int at = window_first(rows, i) - r0;
      T best = best_of_row[at * 32 + lane];
      for (int r = at + 1; r < window_last(rows, i) - r0; r++)
        if (wins(best_of_row[r * 32 + lane], best)) best = best_of_row[r * 32 + lane], at = r;
      const size_t to = (static_cast<size_t>(p) * rows.out + i) * columns.out + j;
      y[to] = best;
      index[to] = static_cast<long long>(r0 + at) * W + at_of_row[at * 32 + lane];
    }
    __syncthreads();  // the next plane's rows are written over these
  }
}
