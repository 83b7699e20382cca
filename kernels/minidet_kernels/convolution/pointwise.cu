// Filters of 1 x 1 with stride 1: a plain matrix product of each image, by tiles in registers (register_tile.cuh).
//
//   y[n][g, m][r]  =  sum over c of  f(g, m, c) * x[n][g, c][r]          r: a pixel, by its number
//
// Nothing is gathered: the pixels of a channel lie side by side, so they are copied four at a time, which takes a quarter
// of the instructions of registers.cu and none of its counting. Where H W is no multiple of 4, rows of four may begin at
// odd places and reach into the next image, and are copied one by one. H W is at least 4.
//
// x, packed, y, bias, residual, splits: as in registers.cu, whose launch it has.
#include "epilogue.cuh"
#include "gather.cuh"
#include "register_tile.cuh"

// A loader: BK channels of BN pixels.
template <class T>
struct Channels {
  static constexpr int ACROSS = T::BN / 4, ROWS = T::THREADS / ACROSS, PASSES = T::BK / ROWS;
  const float* x;
  const Gather& p;
  int at;         // the number of the first of four
  int left;       // channels from this thread's next one on
  int room, more; // pixels from the first of four on, of the image and of all images

  __device__ __forceinline__ Channels(const float* x, const Gather& p, int n0, int first, int group) : x(x), p(p) {
    const int plane = p.H * p.W, c = first + threadIdx.x / ACROSS, place = n0 + threadIdx.x % ACROSS * 4, n = place / plane;
    left = p.channels - c;
    more = p.images * plane - place;
    room = plane - place % plane;
    at = ((n * p.groups + group) * p.channels + c) * plane + place % plane;
  }
  __device__ __forceinline__ void fetch(float (*to)[T::BN + T::PAD]) {
    const int plane = p.H * p.W, next = (p.groups * p.channels - 1) * plane; // to the channel's pixels of the next image
#pragma unroll
    for (int r = 0; r < PASSES; r++) {
      float* row = &to[threadIdx.x / ACROSS + r * ROWS][threadIdx.x % ACROSS * 4];
      const float* four = x + (at + r * ROWS * plane);
      const bool there = r * ROWS < left;
      if (plane % 4 == 0)
        copy_async<16>(row, four, there && more > 0);
      else
#pragma unroll
        for (int e = 0; e < 4; e++) copy_async<4>(row + e, four + e + (e < room ? 0 : next), there && more > e);
    }
    at += T::BK * plane;
    left -= T::BK;
  }
};

template <int BM, int BN, int BK, int TM, int TN, bool FUSED>
__global__ void __launch_bounds__(BM* BN / (TM * TN), BM * BN == 16384 ? 2 : TM * TN == 64 ? 3 : 4)
    conv2d_pointwise(const float* __restrict__ x, const float* __restrict__ packed, const float* __restrict__ bias,
                     const float* __restrict__ residual, float* __restrict__ y, int deep, int high, int steps, const Gather p,
                     const Epilogue e) {
  using T = RegisterTile<BM, BN, BK, TM, TN>;
  const int down = high / BM, group = blockIdx.z, split = blockIdx.y;
  const int m0 = blockIdx.x % down * BM, n0 = blockIdx.x / down * BN, first = split * steps * BK;
  float sum[TM][TN] = {};
  WholeRows<T, BM> a(packed + (static_cast<size_t>(group) * deep + first) * high + m0, high);
  Channels<T> b(x, p, n0, first, group);
  accumulate<T>(sum, a, b, min(steps, deep / BK - split * steps));

  const int place = n0 + tile_column<T>(), plane = p.oh * p.ow;
  const bool there = place < p.images * plane;
  const int target = there ? gather_target(p, place, group) : 0;
  y += static_cast<size_t>(split) * p.images * p.groups * p.filters * plane;
  hand_out<T>(sum, [&](int row, float value) {
    const int m = m0 + row, at = target + m * plane;
    if (!there || m >= p.filters) return;
    if (bias) value += bias[group * p.filters + m];
    y[at] = FUSED ? epilogue(value, residual, at, e) : value;
  });
}
