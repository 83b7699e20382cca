// crop_and_resize: a thread finds the place of its sample once, and takes it from many channels. And the gradient by the
// boxes: a block for each box, whose threads add up samples and PARTS parts of the channels in a fixed order, and then
// each other's sums in a tree.
//
// x (N, C, H, W), regions (K, 5) image x1 y1 x2 y2, y and g (K, C, oh, ow), gb (K, 4) y1 x1 y2 x2, all float64.
//
// Launch of crop: grid (ceil(K oh ow / TILE), any), block (TILE); of crop_grad_boxes: grid (K), block (TILE).
#include "axis.cuh"

#ifndef TILE
#define TILE 128
#endif
#ifndef PARTS
#define PARTS 8
#endif

template <typename T>
__global__ void __launch_bounds__(TILE, 4) crop(const T* __restrict__ x, const double* __restrict__ regions, T* __restrict__ y,
                                                int K, int C, int H, int W, int oh, int ow, const Crop how, T nothing) {
  const long long e = static_cast<long long>(blockIdx.x) * TILE + threadIdx.x;
  const int bins = oh * ow;
  if (e >= static_cast<long long>(K) * bins) return;
  const size_t k = e / bins;
  const int b = static_cast<int>(e % bins);
  const double* region = regions + 5 * k;
  const Sample row = how.axis(region[2], region[4], oh, H).sample(b / ow, 0);
  const Sample column = how.axis(region[1], region[3], ow, W).sample(b % ow, 0);
  const bool inside = row.inside && column.inside;
  const int down = row.low + 1 < H ? W : 0, across = column.low + 1 < W;
  const T u = static_cast<T>(row.part), v = static_cast<T>(column.part);
  const T u0 = static_cast<T>(1 - row.part), v0 = static_cast<T>(1 - column.part);
  for (int c = blockIdx.y; c < C; c += gridDim.y) {
    T value = nothing;
    if (inside) {
      const T* at = x + (static_cast<size_t>(region[0]) * C + c) * H * W + row.low * W + column.low;
      value = u0 * (v0 * at[0] + v * at[across]) + u * (v0 * at[down] + v * at[down + across]);
    }
    y[(k * C + c) * bins + b] = value;
  }
}

template <typename T>
__global__ void __launch_bounds__(TILE, 4) crop_grad_boxes(const T* __restrict__ g, const T* __restrict__ x,
                                                           const double* __restrict__ regions, double* __restrict__ gb, int C,
                                                           int H, int W, int oh, int ow, const Crop how) {
  __shared__ double sums[4][TILE];
  const size_t k = blockIdx.x;
  const double* region = regions + 5 * k;
  const CropAxis rows = how.axis(region[2], region[4], oh, H), columns = how.axis(region[1], region[3], ow, W);
  const double height = how.axis(0, 1, oh, H).second, width = how.axis(0, 1, ow, W).second;  // what a coordinate counts in
  const int bins = oh * ow;
  double mine[4] = {};
  for (int e = threadIdx.x; e < bins * PARTS; e += TILE) {
    const int b = e / PARTS, i = b / ow, j = b % ow;
    const Sample row = rows.sample(i, 0), column = columns.sample(j, 0);
    if (!row.inside || !column.inside) continue;
    const int down = row.low + 1 < H ? W : 0, across = column.low + 1 < W;
    const double u = row.part, v = column.part;
    double by_row = 0, by_column = 0;
    for (int c = e % PARTS; c < C; c += PARTS) {
      const T* at = x + (static_cast<size_t>(region[0]) * C + c) * H * W + row.low * W + column.low;
      const double p = at[0], q = at[across], r = at[down], s = at[down + across], value = g[(k * C + c) * bins + b];
      by_row += value * ((1 - v) * (r - p) + v * (s - q));
      by_column += value * ((1 - u) * (q - p) + u * (s - r));
    }
    const double of_i = oh > 1 ? static_cast<double>(i) / (oh - 1) : 0.5, of_j = ow > 1 ? static_cast<double>(j) / (ow - 1) : 0.5;
    mine[0] += (1 - of_i) * by_row * height, mine[1] += (1 - of_j) * by_column * width;
    mine[2] += of_i * by_row * height, mine[3] += of_j * by_column * width;
  }
  for (int side = 0; side < 4; side++) sums[side][threadIdx.x] = mine[side];
  for (int half = TILE / 2; half; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half)
      for (int side = 0; side < 4; side++) sums[side][threadIdx.x] += sums[side][threadIdx.x + half];
  }
  if (threadIdx.x == 0)
    for (int side = 0; side < 4; side++) gb[4 * k + side] = sums[side][0];
}
