// Bilinear without antialiasing: a thread finds its output's four neighbours and their weights once, for many planes.
//
//   y[p][i][j] = u0 (v0 x[r0][c0] + v1 x[r0][c1]) + u1 (v0 x[r1][c0] + v1 x[r1][c1])
//
// Coordinates are whole numbers (a i + b) / d; only the weight, the rest of that division, is rounded.
//
// Launch: grid (ceil(oh ow / TILE), any), block (TILE).
#include "nearest.cuh"

#ifndef TILE
#define TILE 128
#endif

// The lower neighbour, the step to the upper one (0 or 1), and the upper one's weight.
__device__ __forceinline__ int between(Line line, int i, int n, int* step, double* part) {
  const long long p = min(max(line.a * i + line.b, 0LL), (n - 1) * line.d);
  const int low = static_cast<int>(p / line.d);
  *step = low + 1 < n;
  *part = static_cast<double>(p % line.d) / static_cast<double>(line.d);
  return low;
}

template <typename T>
__global__ void __launch_bounds__(TILE) resize_bilinear(const T* __restrict__ x, T* __restrict__ y, int planes, int H, int W,
                                                        int oh, int ow, long long ra, long long rb, long long rd,
                                                        long long ca, long long cb, long long cd) {
  const int e = blockIdx.x * TILE + threadIdx.x;
  if (e >= oh * ow) return;
  int down, across;
  double u, v;
  const int r = between({ra, rb, rd}, e / ow, H, &down, &u);
  const int c = between({ca, cb, cd}, e % ow, W, &across, &v);
  const T u0 = static_cast<T>(1 - u), u1 = static_cast<T>(u), v0 = static_cast<T>(1 - v), v1 = static_cast<T>(v);
  const int low = r * W + c, high = low + down * W;
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const T* plane = x + static_cast<size_t>(p) * H * W;
    y[static_cast<size_t>(p) * oh * ow + e] =
        u0 * (v0 * plane[low] + v1 * plane[low + across]) + u1 * (v0 * plane[high] + v1 * plane[high + across]);
  }
}
