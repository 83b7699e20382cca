// The third rung: tiles in registers, vector loads and two buffers (register_tile.cuh), forward and input's gradient.
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
  int firsts[4];       // the places' first pixels
  unsigned inside[4];  // a bit for each tap's column that is inside of x, and from bit 16 on for each row
  float held[PASSES][4];

  __device__ __forceinline__ Pixels(const float* x, const Gather& p, const Odometer& step, int column, int first, int group)
      : x(x), p(p), step(step), k(first + threadIdx.x / COLUMNS) {
    const int c = k / (p.kh * p.kw);
    u = k / p.kw % p.kh;
    v = k % p.kw;
    at = (c * p.H + u * p.tap_h) * p.W + v * p.tap_w;
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const Place place = gather_place(p, column + threadIdx.x % COLUMNS + e * COLUMNS, group);
      firsts[e] = place.at;
      inside[e] = 0;
      for (int v = 0; v < p.kw; v++) inside[e] |= static_cast<unsigned>(place.j + v * p.tap_w) < static_cast<unsigned>(p.W) ? 1u << v : 0u;
      for (int u = 0; u < p.kh; u++) inside[e] |= static_cast<unsigned>(place.i + u * p.tap_h) < static_cast<unsigned>(p.H) ? 65536u << u : 0u;
    }
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int r = 0; r < PASSES; r++) {
      const unsigned both = k < step.terms ? 1u << v | 65536u << u : 1u << 31; // no row has number 15
#pragma unroll
      for (int e = 0; e < 4; e++) held[r][e] = (inside[e] & both) == both ? x[firsts[e] + at] : 0.0f;
      k += ROWS; // v, then u, then c, each with a carry of one at most
      u += step.u;
      v += step.v;
      at += step.at;
      if (v >= p.kw) v -= p.kw, u++, at += step.past_v;
      if (u >= p.kh) u -= p.kh, at += step.past_u;
    }
  }
  __device__ __forceinline__ void store(float (*to)[T::BN + T::PAD]) {
#pragma unroll
    for (int r = 0; r < PASSES; r++)
#pragma unroll
      for (int e = 0; e < 4; e++) to[threadIdx.x / COLUMNS + r * ROWS][threadIdx.x % COLUMNS + e * COLUMNS] = held[r][e];
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

  const int count = p.images * p.rows * p.columns, plane = p.oh * p.ow;
  y += static_cast<size_t>(split) * p.images * p.groups * p.filters * plane;
#pragma unroll
  for (int i = 0; i < TM; i++) {
    const int m = m0 + T::row(i / 4) + i % 4;
    const float more = bias && m < p.filters ? bias[group * p.filters + m] : 0.0f;
#pragma unroll
    for (int j = 0; j < TN; j++) sum[i][j] += more;
  }
#pragma unroll
  for (int q = 0; q < TN / 4; q++) {
    const int place = n0 + T::column(q);
    if (p.wide && place < count) {
      const int target = gather_target(p, place, group);
#pragma unroll
      for (int i = 0; i < TM; i++) {
        const int m = m0 + T::row(i / 4) + i % 4, at = target + m * plane;
        if (m >= p.filters) continue;
        float four[4];
#pragma unroll
        for (int j = 0; j < 4; j++) four[j] = FUSED ? epilogue(sum[i][4 * q + j], residual, at + j, e) : sum[i][4 * q + j];
        *reinterpret_cast<float4*>(y + at) = make_float4(four[0], four[1], four[2], four[3]);
      }
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (place + j >= count) continue;
        const int target = gather_target(p, place + j, group);
#pragma unroll
        for (int i = 0; i < TM; i++) {
          const int m = m0 + T::row(i / 4) + i % 4, at = target + m * plane;
          if (m < p.filters) y[at] = FUSED ? epilogue(sum[i][4 * q + j], residual, at, e) : sum[i][4 * q + j];
        }
      }
    }
  }
}
