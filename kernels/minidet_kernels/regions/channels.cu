// RoIAlign (mean) and crop_and_resize with the channels last: the lanes of a warp are channels, and what a region takes
// of which element is found once for all of them.
//
// A block makes the outputs of one region for up to GROUPS * 32 channels. First a warp for each row and each column of
// outputs lists the elements that it takes (taps), those of share zero left out: at, weight in shared memory. Then each
// warp adds up outputs, 32 channels at a time, every read one line of x. 32 outputs are turned in shared memory, so that
// they are written along the outputs: contiguously, and for a grid of 7 x 7 with few lines cut.
//
// x (N, H, W, C), regions (K, 5) image x1 y1 x2 y2, y (K, C, oh, ow); `nothing` is the value without any tap.
//
// Launch: grid (K, ceil(C / 32 / GROUPS)), block (32, WARPS), dynamic shared memory of `room` weights and `room` integers,
// room = H + W + 3 (oh + ow), and 2 (oh + ow) integers.
#include "axis.cuh"

#ifndef KIND
#define KIND Align
#endif
#ifndef WARPS
#define WARPS 8
#endif
#ifndef GROUPS
#define GROUPS 4
#endif

// List the taps of one axis by all warps: output i has those from first[i] to last[i]. Outputs are neighbours, and two of
// them share at most two elements (three, if rounding pleases), so output i may begin 3 i behind the elements before it.
template <typename T, typename Axis>
__device__ __forceinline__ void list_taps(const Axis& axis, int out, int begin, int* first, int* last, int* at, T* weight) {
  int low0, high0, low1, high1;
  axis.span(0, 1, &low0, &high0);
  axis.span(out - 1, 1, &low1, &high1);
  const bool rising = low0 <= low1;
  for (int i = threadIdx.y; i < out; i += WARPS) {
    int low, high;
    axis.span(i, 1, &low, &high);
    int to = begin + 3 * i + (low > high ? 0 : rising ? low - low0 : high0 - high);
    if (threadIdx.x == 0) first[i] = to;
    for (int r = low; r <= high; r += 32) {
      const int mine = r + threadIdx.x;
      const T w = mine <= high ? static_cast<T>(axis.share(i, mine)) : T(0);
      const unsigned some = __ballot_sync(0xffffffffu, w != 0);
      if (w != 0) {
        const int place = to + __popc(some & ((1u << threadIdx.x) - 1));
        at[place] = mine, weight[place] = w;
      }
      to += __popc(some);
    }
    if (threadIdx.x == 0) last[i] = to;
  }
}

template <typename T>
__global__ void __launch_bounds__(32 * WARPS, 3) regions_forward(const T* __restrict__ x, const double* __restrict__ regions,
                                                              T* __restrict__ y, int C, int H, int W, int oh, int ow,
                                                              const KIND how, T nothing) {
  extern __shared__ double memory[];
  __shared__ T turned[32][33];
  const int room = H + W + 3 * (oh + ow), columns_from = H + 3 * oh;
  T* weight = reinterpret_cast<T*>(memory);
  int* at = reinterpret_cast<int*>(weight + room);
  int *row_first = at + room, *row_last = row_first + oh, *column_first = row_last + oh, *column_last = column_first + ow;

  const size_t k = blockIdx.x;
  const double* region = regions + 5 * k;
  list_taps(how.axis(region[2], region[4], oh, H), oh, 0, row_first, row_last, at, weight);
  list_taps(how.axis(region[1], region[3], ow, W), ow, columns_from, column_first, column_last, at, weight);
  __syncthreads();

  const int bins = oh * ow, lane = threadIdx.x;
  const T* image = x + static_cast<size_t>(region[0]) * H * W * C;
  const int c1 = min(C, (static_cast<int>(blockIdx.y) + 1) * GROUPS * 32);
  for (int c0 = blockIdx.y * GROUPS * 32; c0 < c1; c0 += 32)
    for (int b0 = 0; b0 < bins; b0 += 32) {
      for (int b = threadIdx.y; b < min(32, bins - b0); b += WARPS) {
        const int i = (b0 + b) / ow, j = (b0 + b) % ow;
        const T* mine = image + min(c0 + lane, C - 1);
        T sum = 0;
        for (int t = row_first[i]; t < row_last[i]; t++) {
          const T* line = mine + static_cast<size_t>(at[t]) * W * C;
          T part = 0;
          for (int s = column_first[j]; s < column_last[j]; s++)
            part = fma(weight[s], line[static_cast<size_t>(at[s]) * C], part);
          sum = fma(weight[t], part, sum);
        }
        const bool some = row_first[i] < row_last[i] && column_first[j] < column_last[j];
        turned[lane][b] = some ? sum : nothing;
      }
      __syncthreads();
      if (b0 + lane < bins)
        for (int c = threadIdx.y; c < min(32, C - c0); c += WARPS)
          y[(k * C + c0 + c) * bins + b0 + lane] = turned[c][lane];
      __syncthreads();
    }
}
