// The gradient of a convolution's filters on Hopper (sm_90a alone): products of warpgroups, with places as terms.
//
// It HAS NEVER RUN ON A GPU. It is compiled for one, and it runs on the CPU, where the machinery is emulated.
//
//   part[z][o][u][v][c] = sum over the places (n, i, j) of share z of
//                         g[n][i][j][o] * x[n][i stride - padding + u dilation][j ...][c]
//
// g (N, oh, ow, filters) and x (N, H, W, channels) are bf16, packed by mma_pack.cu, both last axes filled up to a multiple of
// 8. One group. `upstream` and `maps` are their tensor maps: boxes of 64 filters by 64 places, and windows of 64 places and 64
// channels ("im2col"). What is outside of either is zero: filters and channels that a tile has too many, pixels of the
// padding, and the places after the last, whose products are 0 * 0 (PTX ISA, "Out of Boundary Access", of both modes).
//
// What is summed over, the places, is the slow axis of both arrays, so a copy lays a row of 128 bytes down for each term. That
// is the layout that `wgmma` calls MN-major: of 16-bit words it turns both matrices around as it reads them (terms_128).
//
// The columns are pieces of 64 channels of a tap, numbered tap by tap, and each piece is a copy of its own; so a tile may hold
// several taps of few channels. The terms are dealt out to shares, a block for each; mma_grad_w_sum (mma_grad_w.cu) adds the
// parts in their order: no atomics, and the same bits each time.
//
// A block makes BM filters by BN columns in tiles of 64 places, STAGES of them under way; producer, consumers and their
// barriers are those of wgmma_bf16.cu. With 128 filters each of the consumers has 64 of them and all columns, with 64 filters
// half of the columns.
//
// Launch: grid (ceil(filters / BM) ceil(taps ceil(channels / 64) 64 / BN), shares), block (384),
// dynamic shared memory STAGES (128 (BM + BN) + 16) bytes.
#include "minidet_hopper.cuh"

#ifndef STAGES
#define STAGES 4
#endif

struct Terms {
  int places, filters, channels, oh, ow, kernel_h, kernel_w;  // filters without, channels with the filling
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, tiles_of_share;
};

template <int BM, int BN>
__global__ void __launch_bounds__(384, 1)
    conv2d_grad_w_wgmma(const __grid_constant__ TensorMap upstream, const __grid_constant__ TensorMap maps,
                        float* __restrict__ parts, const Terms p) {
  constexpr int TERMS = 64, PIECE = 128 * TERMS;  // bytes of 64 filters, or channels, of a tile's places
  constexpr int OF_G = BM / 64, OF_X = BN / 64, STAGE = (OF_G + OF_X) * PIECE;
  constexpr int WN = BM == 128 ? BN : BN / 2;  // columns of a consumer
  static_assert(BM == 64 || BM == 128, "one or two consumers side by side");
  extern __shared__ __align__(1024) unsigned char memory[];
  Barrier* const full = reinterpret_cast<Barrier*>(memory + STAGES * STAGE);
  Barrier* const empty = full + STAGES;

  const int thread = threadIdx.x, group = thread / 128, lane = thread % 32;
  const int tiles_m = (p.filters + BM - 1) / BM;
  const int m0 = static_cast<int>(blockIdx.x) % tiles_m * BM, first = static_cast<int>(blockIdx.x) / tiles_m * OF_X;
  const int taps = p.kernel_h * p.kernel_w, of_tap = (p.channels + 63) / 64, pieces = taps * of_tap;
  const int all = (p.places + TERMS - 1) / TERMS, begin = static_cast<int>(blockIdx.y) * p.tiles_of_share;
  const int tiles = min(p.tiles_of_share, all - begin);

  if (thread == 0) {
    for (int s = 0; s < STAGES; s++) {
      barrier_init(full + s, 1);
      barrier_init(empty + s, 8);
    }
    barrier_fence();
  }
  __syncthreads();

  if (group == 0) {
    registers_fewer<40>();
    if (thread == 0) {
      int c[OF_X], right[OF_X], down[OF_X];
#pragma unroll
      for (int q = 0; q < OF_X; q++) {  // pieces after the last have channels after the last: zeros
        const int piece = first + q, tap = piece < pieces ? piece / of_tap : 0;
        c[q] = (piece < pieces ? piece % of_tap : of_tap) * 64;
        right[q] = tap % p.kernel_w * p.dilation_w, down[q] = tap / p.kernel_w * p.dilation_h;
      }
      for (int tile = 0; tile < tiles; tile++) {
        const int s = tile % STAGES, round = tile / STAGES;
        if (round > 0) barrier_wait(empty + s, (round - 1) & 1);
        const int place = (begin + tile) * TERMS, image = place / (p.oh * p.ow), inside = place % (p.oh * p.ow);
        const int h = inside / p.ow * p.stride_h - p.padding_h, w = inside % p.ow * p.stride_w - p.padding_w;
        unsigned char* const to = memory + s * STAGE;
        barrier_expect(full + s, STAGE);
#pragma unroll
        for (int q = 0; q < OF_G; q++) copy_box(to + q * PIECE, &upstream, m0 + 64 * q, place, 0, full + s);
#pragma unroll
        for (int q = 0; q < OF_X; q++)
          copy_windows(to + (OF_G + q) * PIECE, &maps, c[q], w, h, image, right[q], down[q], full + s);
      }
    }
    return;
  }

  registers_more<232>();
  const int of_group = group - 1, piece_m = BM == 128 ? of_group : 0, piece_n = BM == 128 ? 0 : of_group * (WN / 64);
  float sums[WN / 2] = {};
  for (int tile = 0; tile < tiles; tile++) {
    const int s = tile % STAGES;
    barrier_wait(full + s, tile / STAGES & 1);
    const unsigned char* const from = memory + s * STAGE;
    const unsigned long long a = terms_128(from + piece_m * PIECE, PIECE);
    const unsigned long long b = terms_128(from + (OF_G + piece_n) * PIECE, PIECE);
    products_fence();
#pragma unroll
    for (int k = 0; k < TERMS / 16; k++) products<WN, 1>(sums, a + 128 * k, b + 128 * k);
    products_commit();
    products_wait<1>();  // those of the tile before this one are done
    __syncwarp();
    if (tile > 0 && lane == 0) barrier_arrive(empty + (tile - 1) % STAGES);
  }
  products_wait<0>();

  // Four lanes write 32 bytes of a row: 8 channels of a tap, all of which are there or none.
  const int columns = taps * p.channels, row = m0 + 64 * piece_m + thread % 128 / 32 * 16 + lane / 4;
  float* const part = parts + static_cast<size_t>(blockIdx.y) * p.filters * columns;
#pragma unroll
  for (int q = 0; q < WN / 64; q++) {
    const int piece = first + piece_n + q, at = piece / of_tap * p.channels, c0 = piece % of_tap * 64;
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
      for (int half = 0; half < 2; half++)
        if (piece < pieces && c0 + 8 * j < p.channels && row + 8 * half < p.filters)
          *reinterpret_cast<float2*>(part + static_cast<size_t>(row + 8 * half) * columns + at + c0 + 8 * j + lane % 4 * 2) =
              make_float2(sums[32 * q + 4 * j + 2 * half], sums[32 * q + 4 * j + 2 * half + 1]);
  }
}
