// The third rung: tiles in registers, and copies that run ahead (register_tile.cuh); forward and the input's gradient.
//
// Rows are filters, packed by pack_filters.cu. Columns are places, four of a thread, neighbours in a warp: so loads are
// contiguous wherever the stride is one. Which pixel lies under the next tap is counted like an odometer, since a division
// would cost more than the products.
//
// Long sums of few results (small maps) are cut into ``splits`` pieces, which sum_splits.cu adds in order.
//
// x (images, groups * channels, H, W), packed (groups, deep, high), y (images, groups * filters, oh, ow), or, of several
// splits, (splits, that); bias (groups * filters) and residual (as y) may be null.
//
// Launch: grid (ceil(filters / BM) * ceil(places / BN), splits, groups), block (BM BN / (TM TN)); deep is a multiple of BK,
// high of BM, and each split makes ``steps`` times BK terms.
#include "epilogue.cuh"
#include "gather.cuh"
#include "register_tile.cuh"

// How the tap of a term changes ROWS terms later. Made by the launcher, so that it is in constant memory, not in registers.
struct Odometer {
  int terms;
  int at, u, v;     // what is added: to the number of the pixel, and to the tap
  int past_v, past_u; // what is added to the number of the pixel besides, where v (u) begins anew
};

// A loader: BK rows of the matrix of pixels (terms, places), which exists nowhere.
template <class T>
struct Pixels {
  static constexpr int COLUMNS = T::BN / 4, ROWS = T::THREADS / COLUMNS, PASSES = T::BK / ROWS;
  static_assert(T::THREADS % COLUMNS == 0 && T::BK % ROWS == 0, "every thread has four columns of whole rows");
  const float* x;
  const Gather& p;
  const Odometer& step;
  int k, u, v;         // of this thread's next row, the tap
  int at;              // the tap's pixel, from a place's first pixel
  const int2* places;  // in shared memory: for each column the place's first pixel, and which taps are inside

  __device__ __forceinline__ Pixels(const float* x, const Gather& p, const Odometer& step, int n0, int first, int group)
      : x(x), p(p), step(step), k(first + threadIdx.x / COLUMNS) {
    const int c = k / (p.kh * p.kw);
    u = k / p.kw % p.kh;
    v = k % p.kw;
    at = (c * p.H + u * p.tap_h) * p.W + v * p.tap_w;
    __shared__ int2 all[T::BN]; // the rows need not each keep them, and registers are scarce
    for (int column = threadIdx.x; column < T::BN; column += T::THREADS) {
      const Place place = gather_place(p, n0 + column, group);
      unsigned inside = 0; // a bit for each tap's column that is inside of x, and from bit 16 on for each row
      for (int v = 0; v < p.kw; v++) inside |= static_cast<unsigned>(place.j + v * p.tap_w) < static_cast<unsigned>(p.W) ? 1u << v : 0u;
      for (int u = 0; u < p.kh; u++) inside |= static_cast<unsigned>(place.i + u * p.tap_h) < static_cast<unsigned>(p.H) ? 65536u << u : 0u;
      all[column] = make_int2(place.at, static_cast<int>(inside));
    }
    places = all + threadIdx.x % COLUMNS;
    __syncthreads();
  }
  __device__ __forceinline__ void fetch(float (*to)[T::BN + T::PAD]) {
#pragma unroll
    for (int r = 0; r < PASSES; r++) {
      const unsigned both = k < step.terms ? 1u << v | 65536u << u : 1u << 31; // no row has number 15
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int2 place = places[e * COLUMNS];
        copy_async<4>(&to[threadIdx.x / COLUMNS + r * ROWS][threadIdx.x % COLUMNS + e * COLUMNS], x + place.x + at,
                      (place.y & both) == both);
      }
      k += ROWS; // v, then u, then c, each with a carry of one at most
      u += step.u;
      v += step.v;
      at += step.at;
      if (v >= p.kw) v -= p.kw, u++, at += step.past_v;
      if (u >= p.kh) u -= p.kh, at += step.past_u;
    }
  }
};

template <int BM, int BN, int BK, int TM, int TN, bool FUSED>
__global__ void __launch_bounds__(BM* BN / (TM * TN), BM * BN == 16384 ? 2 : TM * TN == 64 ? 3 : 4)
    conv2d_registers(const float* __restrict__ x, const float* __restrict__ packed, const float* __restrict__ bias,
                     const float* __restrict__ residual, float* __restrict__ y, int deep, int high, int steps, const Gather p,
                     const Odometer step, const Epilogue e) {
  using T = RegisterTile<BM, BN, BK, TM, TN>;
  const int down = high / BM, group = blockIdx.z, split = blockIdx.y;
  const int m0 = blockIdx.x % down * BM, n0 = blockIdx.x / down * BN, first = split * steps * BK;
  float sum[TM][TN] = {};
  WholeRows<T, BM> a(packed + (static_cast<size_t>(group) * deep + first) * high + m0, high);
  Pixels<T> b(x, p, step, n0, first, group);
  accumulate<T>(sum, a, b, min(steps, deep / BK - split * steps));

  const int place = n0 + tile_column<T>(), plane = p.oh * p.ow;
  const bool there = place < p.images * p.rows * p.columns;
  const int target = there ? gather_target(p, place, group) : 0;
  y += static_cast<size_t>(split) * p.images * p.groups * p.filters * plane;
  hand_out<T>(sum, [&](int row, float value) {
    const int m = m0 + row, at = target + m * plane;
    if (!there || m >= p.filters) return;
    if (bias) value += bias[group * p.filters + m];
    y[at] = FUSED ? epilogue(value, residual, at, e) : value;
  });
}
