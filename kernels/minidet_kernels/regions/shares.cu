// What the outputs of every region take of which elements, once for all channels: for the gradient by tiles.
//
// Output i of an axis takes the elements low to high, next to each other in memory from `place` on: spans (K, oh + ow),
// shares (K, room), room = H + W + 3 (oh + ow), rows before columns. Outputs are neighbours, and two of them share at most
// two elements (three, if rounding pleases), so output i begins 3 i behind the elements before it, and none is in the way
// of another. boxes (K, 5): the image, and the first and last row and column that the region may take.
//
// Launch: grid (K), block (32, WARPS).
#include "axis.cuh"

#ifndef KIND
#define KIND Align
#endif
#ifndef WARPS
#define WARPS 8
#endif

template <typename T, typename Axis>
__device__ __forceinline__ void note(const Axis& axis, int out, int begin, int4* spans, T* shares, int* box) {
  int low0, high0, low1, high1;
  axis.span(0, 1, &low0, &high0);
  axis.span(out - 1, 1, &low1, &high1);
  const bool rising = low0 <= low1;
  for (int i = threadIdx.y; i < out; i += WARPS) {
    int low, high;
    axis.span(i, 1, &low, &high);
    const int place = begin + 3 * i + (low > high ? 0 : rising ? low - low0 : high0 - high);
    if (threadIdx.x == 0) spans[i] = make_int4(low, high, place, 0);
    for (int r = low + static_cast<int>(threadIdx.x); r <= high; r += 32) shares[place + r - low] = static_cast<T>(axis.share(i, r));
  }
  if (threadIdx.x == 0 && threadIdx.y == 0) box[0] = min(low0, low1) - 1, box[1] = max(high0, high1) + 1;  // for rounding
}

template <typename T>
__global__ void __launch_bounds__(32 * WARPS) regions_shares(const double* __restrict__ regions, int4* __restrict__ spans,
                                                             T* __restrict__ shares, int* __restrict__ boxes, int H, int W,
                                                             int oh, int ow, const KIND how) {
  const size_t k = blockIdx.x;
  const double* region = regions + 5 * k;
  int4* mine = spans + k * (oh + ow);
  T* from = shares + k * (H + W + 3 * (oh + ow));
  if (threadIdx.x == 0 && threadIdx.y == 0) boxes[5 * k] = static_cast<int>(region[0]);
  note(how.axis(region[2], region[4], oh, H), oh, 0, mine, from, boxes + 5 * k + 1);
  note(how.axis(region[1], region[3], ow, W), ow, H + 3 * oh, mine + oh, from, boxes + 5 * k + 3);
}
