// Nearest, coordinates "asymmetric" rounded down: y[p][i][j] = x[p][floor(i H / oh)][floor(j W / ow)] for each plane.
//
// The first rung. A thread makes one column of the output and strides over the rows of all planes; the writes of a warp are
// contiguous. The nearest column is found once, but the row anew for each output; places.cu finds both once.
// Indices are exact: integers, 64 bits where a product may be large.
//
// Launch: grid (ceil(ow / TILE), any), block (TILE).
#ifndef TILE
#define TILE 128
#endif

extern "C" __global__ void __launch_bounds__(TILE) resize_nearest(const float* __restrict__ x, float* __restrict__ y, int planes,
                                                                  int H, int W, int oh, int ow) {
  const int j = blockIdx.x * TILE + threadIdx.x;
  if (j >= ow) return;
  const int b = static_cast<int>(static_cast<long long>(j) * W / ow);
  for (long long row = blockIdx.y; row < static_cast<long long>(planes) * oh; row += gridDim.y) {
    const long long plane = row / oh, i = row % oh;
    y[row * ow + j] = x[(plane * H + i * H / oh) * W + b];
  }
}
