// Winograd's convolution, 3 of 4: at each of the n^2 points a matrix product, by tiles in registers (register_tile.cuh).
//
//   products[p][o][t]  =  sum over c of  U[p][c][o] * V[p][c][t]
//
// U (points, deep, high) and V (points, deep, wide) are whole tiles, so nothing is looked for: only copies and products.
//
// Launch: grid (high / BM * wide / BN, 1, points), block (BM BN / (TM TN)); products (points, filters, wide).
#include "register_tile.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ / 10 >= 100 && __CUDA_ARCH__ / 10 < 120
#define MINIDET_LARGE 1  // two of the largest blocks would spill there
#else
#define MINIDET_LARGE 2
#endif

template <int BM, int BN, int BK, int TM, int TN>
__global__ void __launch_bounds__(BM* BN / (TM * TN), BM * BN == 16384 ? MINIDET_LARGE : TM * TN == 64 ? 3 : 4)
    winograd_products(const float* __restrict__ U, const float* __restrict__ V, float* __restrict__ products, int deep, int high,
                      int wide, int filters) {
  using T = RegisterTile<BM, BN, BK, TM, TN>;
  const int point = blockIdx.z, m0 = blockIdx.x % (high / BM) * BM, n0 = blockIdx.x / (high / BM) * BN;
  float sum[TM][TN] = {};
  WholeRows<T, BM> a(U + static_cast<size_t>(point) * deep * high + m0, high);
  WholeRows<T, BN> b(V + static_cast<size_t>(point) * deep * wide + n0, wide);
  accumulate<T>(sum, a, b, deep / BK);
  products += (static_cast<size_t>(point) * filters + m0) * wide + n0 + tile_column<T>();
  hand_out<T>(sum, [&](int row, float value) {
    if (m0 + row < filters) products[static_cast<size_t>(row) * wide] = value;
  });
}
