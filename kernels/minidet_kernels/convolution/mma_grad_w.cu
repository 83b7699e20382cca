// The gradient of a convolution's filters by tensor cores: a product of matrices, with the places of the output as terms.
//
//   part[z][g][o][u][v][c] = sum over the places (n, i, j) of share z of
//                            g[n][i][j][g][o] * x[n][i stride - padding + u dilation][j ...][g][c]
//
// g (N, oh, ow, groups, filters) and x (N, H, W, groups, channels) are packed and rounded by mma_pack.cu; filters and
// channels are multiples of VECTOR. The sums are long (N oh ow terms) and the result is small, so the places are dealt out
// to `shares` blocks each of which writes sums of its own; mma_grad_w_sum adds them up in the order of the shares. No
// number is added to by two blocks, so the result has the same bits each time.
//
// A block makes BM filters by BN columns (u, v, c), in tiles of TERMS = 2 DEPTH places, of which STAGES are in shared memory. Both
// matrices have a row for each place, their chunks along what is not summed over: of 16-bit words ldmatrix turns them
// around on the way to the lanes, of floats the lanes read their words one by one; either way no two meet in a bank.
//
// Launch: grid (ceil(rows / BM) ceil(kh kw channels / BN), groups, shares), block (32 (BM / WM) (BN / WN)),
// dynamic shared memory STAGES TERMS (BM + BN) sizeof(Word) bytes.
#include "mma.cuh"

#ifndef STAGES
#define STAGES 3
#endif

struct Terms {
  int places, groups, rows, filters, channels;  // rows: filters of a group without the filling; both others with it
  int H, W, oh, ow, kernel_h, kernel_w;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  int tiles_of_share;
  Division by_image, by_row;  // oh ow, ow
};

template <class Kind, int BM, int BN, int WM, int WN>
__global__ void __launch_bounds__(32 * (BM / WM) * (BN / WN), 2)
    mma_grad_w(const typename Kind::Word* __restrict__ g, const typename Kind::Word* __restrict__ x, float* __restrict__ parts,
               const Terms p) {
  typedef typename Kind::Word Word;
  constexpr int VECTOR = Kind::VECTOR, DEPTH = Kind::DEPTH, TERMS = 2 * DEPTH, THREADS = 32 * (BM / WM) * (BN / WN);
  constexpr int CM = BM / VECTOR, CN = BN / VECTOR;  // chunks of a row
  constexpr int STAGE = TERMS * (CM + CN), ROWS_M = THREADS / CM, ROWS_N = THREADS / CN;
  static_assert(TERMS % ROWS_M == 0 && TERMS % ROWS_N == 0 && TERMS % DEPTH == 0, "tiles are shared out evenly");
  static_assert(CM % 8 == 0 && CN % 8 == 0 && WM % 16 == 0 && WN % 16 == 0, "whole chunks for all");
  extern __shared__ __align__(1024) uint4 memory[];

  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const int columns = p.kernel_h * p.kernel_w * p.channels;
  const int tiles_m = (p.rows + BM - 1) / BM;
  const int m0 = static_cast<int>(blockIdx.x) % tiles_m * BM, n0 = static_cast<int>(blockIdx.x) / tiles_m * BN;
  const int group = blockIdx.y;
  const int all = (p.places + TERMS - 1) / TERMS, begin = static_cast<int>(blockIdx.z) * p.tiles_of_share;
  const int tiles = min(p.tiles_of_share, all - begin);

  // The chunk columns that the thread copies: of g some filters, of x a tap and some channels.
  const int filter = m0 + thread % CM * VECTOR;
  const int column = n0 + thread % CN * VECTOR, tap = column / p.channels;
  const int down = tap / p.kernel_w * p.dilation_h - p.padding_h, right = tap % p.kernel_w * p.dilation_w - p.padding_w;
  const int of_g = group * p.filters + filter, of_x = group * p.channels + column % p.channels;

  // Rows that are a multiple of 8 (floats: 4) apart have their chunks in the same order: a plain step leads from one to
  // the next.
  static_assert(ROWS_M % VECTOR == 0 && ROWS_N % VECTOR == 0, "the steps from row to row");
  auto copy = [&](int tile) {
    uint4* const stage = memory + tile % STAGES * STAGE;
    uint4* const to_g = stage + mma_place_of_term<Kind, CM>(thread / CM, thread % CM);
    uint4* const to_x = stage + TERMS * CM + mma_place_of_term<Kind, CN>(thread / CN, thread % CN);
    const int first = (begin + tile) * TERMS;
#pragma unroll
    for (int s = 0; s < TERMS / ROWS_M; s++) {
      const int row = thread / CM + s * ROWS_M, place = first + row;
      const bool wanted = place < p.places && filter < p.filters;
      copy_async<16>(to_g + s * ROWS_M * CM, wanted ? g + (place * p.groups * p.filters + of_g) : g, wanted);
    }
#pragma unroll
    for (int s = 0; s < TERMS / ROWS_N; s++) {
      const int row = thread / CN + s * ROWS_N, place = first + row;
      const int image = p.by_image(place), inside = place - image * p.by_image.by;
      const int i = p.by_row(inside), j = inside - i * p.by_row.by;
      const int a = i * p.stride_h + down, b = j * p.stride_w + right;
      const bool wanted = place < p.places && column < columns && static_cast<unsigned>(a) < static_cast<unsigned>(p.H) &&
                          static_cast<unsigned>(b) < static_cast<unsigned>(p.W);
      copy_async<16>(to_x + s * ROWS_N * CN,
                     wanted ? x + (((image * p.H + a) * p.W + b) * p.groups * p.channels + of_x) : x, wanted);
    }
  };

  const int warp_m = warp % (BM / WM) * WM, warp_n = warp / (BM / WM) * WN;
  // Floats: a lane reads term lane % 4 (and the 4th after it) of columns lane / 4 in each 8 of the warp's. In 32 columns
  // the 8 come in an order of their own for each term: where they are, of four in turn.
  static_assert(WM % 32 == 0 && WN % 32 == 0, "8 chunks, which swap places among themselves");
  int eight[4];
#pragma unroll
  for (int q = 0; q < 4; q++) eight[q] = 4 * (2 * (q ^ lane % 4) + lane / 16) + lane / 4 % 4;
  float sums[WM / 16][WN / 8][4] = {};
  auto multiply = [&](int tile) {
    const uint4* const of_g = memory + tile % STAGES * STAGE;
    const uint4* const of_x = of_g + TERMS * CM;
    const unsigned* const floats_g = reinterpret_cast<const unsigned*>(of_g) + lane % 4 * BM + warp_m;
    const unsigned* const floats_x = reinterpret_cast<const unsigned*>(of_x) + lane % 4 * BN + warp_n;
#pragma unroll
    for (int step = 0; step < TERMS; step += DEPTH) {
      unsigned fx[WN / 8][2];
      if constexpr (VECTOR == 8) {
#pragma unroll
        for (int j = 0; j < WN / 8; j += 2) {  // matrices: rows 0-7 and rows 8-15 of one chunk column, then of the next
          unsigned two[4];
          load_transposed<4>(two, of_x + mma_place_of_term<Kind, CN>(step + lane % 16, warp_n / 8 + j + lane / 16));
          fx[j][0] = two[0], fx[j][1] = two[1], fx[j + 1][0] = two[2], fx[j + 1][1] = two[3];
        }
      } else {
#pragma unroll
        for (int j = 0; j < WN / 8; j++)
#pragma unroll
          for (int r = 0; r < 2; r++) fx[j][r] = floats_x[(step + 4 * r) * BN + j / 4 * 32 + eight[j % 4]];
      }
#pragma unroll
      for (int i = 0; i < WM / 16; i++) {
        unsigned fg[4];
        if constexpr (VECTOR == 8) {  // matrices: rows 0-7 of one chunk column and of the next, then rows 8-15
          const int term = step + lane % 8 + lane / 16 * 8, chunk = warp_m / 8 + 2 * i + lane / 8 % 2;
          load_transposed<4>(fg, of_g + mma_place_of_term<Kind, CM>(term, chunk));
        } else {
#pragma unroll
          for (int r = 0; r < 4; r++)
            fg[r] = floats_g[(step + r / 2 * 4) * BM + i / 2 * 32 + eight[(2 * i + r % 2) % 4]];
        }
#pragma unroll
        for (int j = 0; j < WN / 8; j++) Kind::multiply(sums[i][j], fg, fx[j]);
      }
    }
  };

  for (int tile = 0; tile < STAGES - 1; tile++) {
    if (tile < tiles) copy(tile);
    copy_commit();
  }
  for (int tile = 0; tile < tiles; tile++) {
    copy_wait<STAGES - 2>();
    __syncthreads();  // the tile is there for all, and nobody reads the one before it any more, whose place is next
    if (tile + STAGES - 1 < tiles) copy(tile + STAGES - 1);
    copy_commit();
    multiply(tile);
  }

  // Two neighbouring columns lie side by side, and their number is even.
  float* const part = parts + (static_cast<size_t>(blockIdx.z) * p.groups + group) * p.rows * columns;
#pragma unroll
  for (int i = 0; i < WM / 16; i++)
#pragma unroll
    for (int j = 0; j < WN / 8; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int m = m0 + warp_m + 16 * i + lane / 4 + 8 * half, n = n0 + warp_n + 8 * j + lane % 4 * 2;
        if (m < p.rows && n < columns)
          *reinterpret_cast<float2*>(part + static_cast<size_t>(m) * columns + n) =
              make_float2(sums[i][j][2 * half], sums[i][j][2 * half + 1]);
      }
}

// w[o][c][t] = the sum of parts[z][o][t][c] over z, in that order, without the channels that fill up.
// Launch: grid (ceil(numbers of w / 256)), block (256).
extern "C" __global__ void __launch_bounds__(256) mma_grad_w_sum(const float* __restrict__ parts, float* __restrict__ w, int shares,
                                                                 int filters, int channels, int filled, int taps) {
  const size_t at = static_cast<size_t>(blockIdx.x) * 256 + threadIdx.x;
  if (at >= static_cast<size_t>(filters) * channels * taps) return;
  const int t = at % taps, c = at / taps % channels;
  const size_t o = at / taps / channels, share = static_cast<size_t>(filters) * taps * filled;
  const float* from = parts + (o * taps + t) * filled + c;
  float sum = 0.0f;
  for (int z = 0; z < shares; z++) sum += from[z * share];
  w[at] = sum;
}
