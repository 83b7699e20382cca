// RoIAlign, the first rung: a thread for each output, which finds its samples itself. Every mode, in float64 as the
// definition, so that of nearly equal samples both take the same one.
//
// x (N, C, H, W), regions (K, 5) image x1 y1 x2 y2, y (K, C, oh, ow). `mode`: 0 mean, 1 greatest sample, 2 greatest of
// the samples' weighted corners. roi_align_winner also tells which elements a maximum came from: for its gradient.
//
// Launch: grid (ceil(K C oh ow / TILE)), block (TILE).
#include "axis.cuh"

#ifndef TILE
#define TILE 128
#endif

// The four corners of a sample, in the order of rows.
template <typename T>
__device__ __forceinline__ void corners_of(const T* plane, int W, const Sample& row, const Sample& column, int down,
                                           int across, double corners[4]) {
  const double u0 = row.inside ? 1 - row.part : 0, u1 = row.inside ? row.part : 0;
  const double v0 = column.inside ? 1 - column.part : 0, v1 = column.inside ? column.part : 0;
  const T* top = plane + row.low * W + column.low;
  const T* bottom = top + down * W;
  corners[0] = static_cast<double>(top[0]) * (u0 * v0), corners[1] = static_cast<double>(top[across]) * (u0 * v1);
  corners[2] = static_cast<double>(bottom[0]) * (u1 * v0), corners[3] = static_cast<double>(bottom[across]) * (u1 * v1);
}

__device__ __forceinline__ bool greater(double value, double best) { return value > best || (value != value && best == best); }

template <typename T>
__global__ void __launch_bounds__(TILE, 4) roi_align(const T* __restrict__ x, const double* __restrict__ regions,
                                                  T* __restrict__ y, long long count, int C, int H, int W, int oh, int ow,
                                                  const Align how, int mode) {
  const long long e = static_cast<long long>(blockIdx.x) * TILE + threadIdx.x;
  if (e >= count) return;
  const int j = static_cast<int>(e % ow), i = static_cast<int>(e / ow % oh);
  const int c = static_cast<int>(e / ow / oh % C);
  const double* region = regions + e / ow / oh / C * 5;
  const AlignAxis rows = how.axis(region[2], region[4], oh, H), columns = how.axis(region[1], region[3], ow, W);
  const T* plane = x + (static_cast<size_t>(region[0]) * C + c) * H * W;
  double sum = 0, best = 0;
  bool some = false;
  for (int u = 0; u < rows.grid; u++) {
    const Sample row = rows.sample(i, u);
    for (int v = 0; v < columns.grid; v++) {
      const Sample column = columns.sample(j, v);
      double corners[4];
      corners_of(plane, W, row, column, row.low + 1 < H, column.low + 1 < W, corners);
      const double value = (corners[0] + corners[1]) + (corners[2] + corners[3]);
      sum += value;
      if (mode == 1 && (!some || greater(value, best))) best = value, some = true;
      if (mode == 2)
        for (int n = 0; n < 4; n++)
          if (!some || greater(corners[n], best)) best = corners[n], some = true;
    }
  }
  const double samples = static_cast<double>(rows.grid) * columns.grid;
  y[e] = static_cast<T>(mode ? best : samples > 0 ? sum / samples : 0.0);
}

// Of each output the elements that its maximum came from, and what of g goes to each: at, value (K, C, oh, ow, 4), -1 for
// none. at is row * W + column.
template <typename T>
__global__ void __launch_bounds__(TILE, 4) roi_align_winner(const T* __restrict__ x, const double* __restrict__ regions,
                                                         const T* __restrict__ g, int* __restrict__ at, T* __restrict__ value,
                                                         long long count, int C, int H, int W, int oh, int ow,
                                                         const Align how, int mode) {
  const long long e = static_cast<long long>(blockIdx.x) * TILE + threadIdx.x;
  if (e >= count) return;
  const int j = static_cast<int>(e % ow), i = static_cast<int>(e / ow % oh);
  const int c = static_cast<int>(e / ow / oh % C);
  const double* region = regions + e / ow / oh / C * 5;
  const AlignAxis rows = how.axis(region[2], region[4], oh, H), columns = how.axis(region[1], region[3], ow, W);
  const T* plane = x + (static_cast<size_t>(region[0]) * C + c) * H * W;
  double best = 0;
  int up = -1, vp = 0, corner = 0;
  for (int u = 0; u < rows.grid; u++) {
    const Sample row = rows.sample(i, u);
    for (int v = 0; v < columns.grid; v++) {
      const Sample column = columns.sample(j, v);
      double corners[4];
      corners_of(plane, W, row, column, row.low + 1 < H, column.low + 1 < W, corners);
      const double whole = (corners[0] + corners[1]) + (corners[2] + corners[3]);
      for (int n = 0; n < (mode == 2 ? 4 : 1); n++) {
        const double found = mode == 2 ? corners[n] : whole;
        if (up < 0 || greater(found, best)) best = found, up = u, vp = v, corner = n;
      }
    }
  }
  for (int n = 0; n < 4; n++) {
    int place = -1;
    double part = 0;
    if (up >= 0 && (mode == 1 || n == corner)) {
      const Sample row = rows.sample(i, up), column = columns.sample(j, vp);
      const int r = min(row.low + n / 2, H - 1), s = min(column.low + n % 2, W - 1);
      const double u = !row.inside ? 0.0 : n / 2 ? row.part : 1 - row.part;
      const double v = !column.inside ? 0.0 : n % 2 ? column.part : 1 - column.part;
      if (u * v != 0) place = r * W + s, part = u * v * g[e];
    }
    at[4 * e + n] = place;
    value[4 * e + n] = static_cast<T>(part);
  }
}
