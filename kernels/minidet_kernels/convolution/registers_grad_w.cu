// The gradient of the filters by tiles in registers (register_tile.cuh), its long sums cut into splits.
//
//   gw[g, m][c][u][v]  =  sum over n, i, j of  g[n][g, m][i][j] * x[n][g, c][i sh + u dh - ph][j sw + v dw - pw]
//
// As a matrix product of a group: filters rows, channels * kh * kw columns, and images * oh * ow terms. There are few
// tiles and many terms: a GPU is kept busy by cutting the terms into ``splits``, and sum_splits.cu adds the parts in
// order, so that every run gives the same bits, which atomic additions would not.
//
// Both matrices lie in memory with the terms side by side, so a warp reads BK of them of 32 / BK rows and turns them
// around on the way to shared memory; the rows there are PAD longer, so that the writes meet different banks.
//
// x (images, groups * channels, H, W), g (images, groups * filters, oh, ow), gw (splits, groups * filters, columns).
//
// Launch: grid (ceil(filters / BM) * ceil(columns / BN), splits, groups), block (BM BN / (TM TN)); each split makes
// ``steps`` times BK terms.
#include "register_tile.cuh"
#include "walk.cuh"

// A loader: BK terms of BM filters of g.
template <class T>
struct Upstream {
  static constexpr int ROWS = T::THREADS / T::BK, PASSES = T::BM / ROWS;
  static_assert(T::THREADS % T::BK == 0 && T::BM % ROWS == 0, "every thread has one term of whole rows");
  const float* g;
  const Walk& p;
  const Walker& at;
  int row, terms;

  __device__ __forceinline__ Upstream(const float* g, const Walk& p, const Walker& at, int m0)
      : g(g), p(p), at(at), row(m0 + threadIdx.x / T::BK), terms(p.images * p.oh * p.ow) {}
  __device__ __forceinline__ void fetch(float (*to)[T::BM + T::PAD]) {
#pragma unroll
    for (int r = 0; r < PASSES; r++) {
      const int m = row + r * ROWS;
      copy_async<4>(&to[threadIdx.x % T::BK][threadIdx.x / T::BK + r * ROWS], g + at.at_g + m * p.oh * p.ow,
                    at.k < terms && m < p.filters);
    }
  }
};

// A loader: BK terms of BN columns of pixels. It is the second to load, so it moves the place on.
template <class T>
struct Seen {
  static constexpr int ROWS = T::THREADS / T::BK, PASSES = T::BN / ROWS;
  static_assert(T::BN % ROWS == 0, "every thread has one term of whole columns");
  const float* x;
  const Walk& p;
  Walker& at;
  int terms;
  const int4* taps; // in shared memory: for each column how far its tap's pixel is from a place's, in all, down and across

  __device__ __forceinline__ Seen(const float* x, const Walk& p, Walker& at, int n0)
      : x(x), p(p), at(at), terms(p.images * p.oh * p.ow) {
    __shared__ int4 all[T::BN];
    for (int each = threadIdx.x; each < T::BN; each += T::THREADS) {
      const int column = n0 + each, c = column / (p.kh * p.kw);
      const int down = column / p.kw % p.kh * p.tap_h + p.first_h, across = column % p.kw * p.tap_w + p.first_w;
      const int outside = -(1 << 30); // of everything
      all[each] = c < p.channels ? make_int4((c * p.H + down) * p.W + across, down, across, 0) : make_int4(0, outside, 0, 0);
    }
    taps = all + threadIdx.x / T::BK;
    __syncthreads();
  }
  __device__ __forceinline__ void fetch(float (*to)[T::BN + T::PAD]) {
    const int i = at.i * p.step_h, j = at.j * p.step_w;
#pragma unroll
    for (int r = 0; r < PASSES; r++) {
      const int4 tap = taps[r * ROWS];
      const unsigned a = i + tap.y, b = j + tap.z; // one comparison for both ends
      const bool inside = at.k < terms && a < static_cast<unsigned>(p.H) && b < static_cast<unsigned>(p.W);
      copy_async<4>(&to[threadIdx.x % T::BK][threadIdx.x / T::BK + r * ROWS], x + at.at_x + tap.x, inside);
    }
    at.advance(p, T::BK);
  }
};

template <int BM, int BN, int BK, int TM, int TN>
__global__ void __launch_bounds__(BM* BN / (TM * TN), BM * BN == 16384 ? 2 : 4)
    conv2d_grad_w_registers(const float* __restrict__ x, const float* __restrict__ g, float* __restrict__ gw, int steps,
                            const Walk p) {
  using T = RegisterTile<BM, BN, BK, TM, TN>;
  const int down = (p.filters + BM - 1) / BM, group = blockIdx.z, split = blockIdx.y, columns = p.channels * p.kh * p.kw;
  const int m0 = blockIdx.x % down * BM, n0 = blockIdx.x / down * BN, all = (p.images * p.oh * p.ow + BK - 1) / BK;
  float sum[TM][TN] = {};
  Walker at(p, split * steps * BK + threadIdx.x % BK, group);
  Upstream<T> a(g, p, at, m0);
  Seen<T> b(x, p, at, n0);
  accumulate<T>(sum, a, b, min(steps, all - split * steps));

  const int column = n0 + tile_column<T>();
  gw += (static_cast<size_t>(split) * p.groups + group) * p.filters * columns;
  hand_out<T>(sum, [&](int row, float value) {
    if (m0 + row < p.filters && column < columns) gw[(m0 + row) * columns + column] = value;
  });
}
