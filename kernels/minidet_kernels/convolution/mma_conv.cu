// Convolution by tensor cores, and the gradient of its input: a product of matrices, of which one is looked up.
//
//   y[n][g][m][place] = epilogue(sum over taps u, v and channels c of  w[g][m][u][v][c] * x[n][a + u by][b + v by][g][c])
//
// x (N, in_h, in_w, groups, channels) and w (groups, rows, kernel_h, kernel_w, channels) are packed and rounded by
// mma_pack.cu; channels is a multiple of VECTOR. y (N, groups, rows, out_h, out_w) is float32.
//
// One launch makes the places (i, j) of a lattice, at first + step (i, j) of the output. Under its first tap lies
// (i, j) stride + from of x, outside of which there are zeros, and from tap to tap it is `by` further. Of the filters'
// taps it takes taps_h x taps_w, from `tap` on, every tap_step-th. So it does, with other numbers,
//   conv2d:         all places (first 0, step 1), all taps; stride, from = -padding, by = dilation;
//   conv2d_grad_x:  for each phase of the stride those pixels that the same taps reach, of g in place of x and of filters
//                   turned around; stride 1 and, as tap and pixel go opposite ways, by < 0.
//
// A block makes BM rows by BN places, a warp WM x WN of them. 128 bytes of each row and each place (8 chunks) are summed
// at a time: STAGES such tiles are in shared memory, one in use and the others on their way (cp.async). A thread copies
// the same chunk column of several rows and places, so it finds out once a tile which tap and channel that is. ldmatrix
// hands the chunks to the lanes; neither it nor the copies meet in a bank (mma.cuh). At the end the sums go through
// shared memory, so that y is written along its rows, and so the code for activations stands here once.
//
// Launch: grid (ceil(rows / BM) ceil(N places / BN), groups), block (32 (BM / WM) (BN / WN)),
// dynamic shared memory STAGES 128 (BM + BN) + 8 BN bytes.
#include "epilogue.cuh"
#include "mma.cuh"

#ifndef STAGES
#define STAGES 3
#endif

struct Lattice {
  int images, groups, rows, channels;
  int in_h, in_w, out_h, out_w, kernel_h, kernel_w;
  int places_h, places_w, first_h, first_w, step_h, step_w;
  int stride_h, stride_w, from_h, from_w, by_h, by_w;
  int taps_h, taps_w, tap_h, tap_w, tap_step_h, tap_step_w;
};

template <class Kind, int BM, int BN, int WM, int WN>
__global__ void __launch_bounds__(32 * (BM / WM) * (BN / WN), 2)
    mma_conv(const typename Kind::Word* __restrict__ w, const typename Kind::Word* __restrict__ x, float* __restrict__ y,
             const float* __restrict__ bias, const float* __restrict__ residual, const Lattice p, const Epilogue finish) {
  typedef typename Kind::Word Word;
  constexpr int WARPS = (BM / WM) * (BN / WN), THREADS = 32 * WARPS, AT_ONCE = THREADS / 8;
  constexpr int STAGE = 8 * (BM + BN), PITCH = BN + 8;  // chunks of a stage; floats of a row of sums, so that no two meet
  static_assert(BM % AT_ONCE == 0 && BN % AT_ONCE == 0 && WM % 16 == 0 && WN % 16 == 0, "tiles are shared out evenly");
  static_assert(4 * BM * PITCH <= STAGES * STAGE * 16, "the sums go where the stages were");
  extern __shared__ __align__(1024) uint4 memory[];
  long long* table = reinterpret_cast<long long*>(memory + STAGES * STAGE);  // where each place of the tile is in y

  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const int tiles_m = (p.rows + BM - 1) / BM;
  const int m0 = static_cast<int>(blockIdx.x) % tiles_m * BM, n0 = static_cast<int>(blockIdx.x) / tiles_m * BN;
  const int group = blockIdx.y;
  const int places = p.places_h * p.places_w, pixels = p.images * places;
  const int plane = p.out_h * p.out_w;

  for (int n = thread; n < BN; n += THREADS) {
    const int image = (n0 + n) / places, place = (n0 + n) % places;
    const int i = place / p.places_w * p.step_h + p.first_h, j = place % p.places_w * p.step_w + p.first_w;
    const long long row = (static_cast<long long>(image) * p.groups + group) * p.rows + m0;
    table[n] = n0 + n < pixels ? row * plane + i * p.out_w + j : -1;
  }

  // The thread's chunk column, and the tap and channel that it is in: they go on by 8 chunks from tile to tile.
  const int column = thread % 8, first_row = thread / 8;
  const int chunks = p.channels / Kind::VECTOR, pitch = p.groups * p.channels;
  const int taps = p.taps_h * p.taps_w;
  const int tiles = (taps * chunks + 7) / 8;
  int chunk = column, u = 0, v = 0;
  auto settle = [&] {
    while (u < p.taps_h && chunk >= chunks) {
      chunk -= chunks;
      if (++v == p.taps_w) v = 0, u++;
    }
  };

  // The places that the thread copies: where they are in x under the first tap. One that is not there is far outside.
  int base[BN / AT_ONCE], a[BN / AT_ONCE], b[BN / AT_ONCE];
#pragma unroll
  for (int s = 0; s < BN / AT_ONCE; s++) {
    const int n = n0 + first_row + s * AT_ONCE, image = n / places, place = n % places;
    a[s] = n < pixels ? place / p.places_w * p.stride_h + p.from_h : -(1 << 30);
    b[s] = place % p.places_w * p.stride_w + p.from_w;
    base[s] = n < pixels ? ((image * p.in_h + a[s]) * p.in_w + b[s]) * pitch + group * p.channels : 0;
  }

  // Rows that are a multiple of 8 apart have their chunks in the same order, so from the first on it is a plain step.
  static_assert(AT_ONCE % 8 == 0, "the steps from row to row");
  auto copy = [&](int tile) {
    uint4* const to_w = memory + tile % STAGES * STAGE + mma_place(first_row, column);
    uint4* const to_x = to_w + 8 * BM;
    settle();
    const bool there = u < p.taps_h;
    const int tap = (p.tap_h + u * p.tap_step_h) * p.kernel_w + p.tap_w + v * p.tap_step_w;
    const int of_w = tap * p.channels + chunk * Kind::VECTOR, row_of_w = p.kernel_h * p.kernel_w * p.channels;
#pragma unroll
    for (int s = 0; s < BM / AT_ONCE; s++) {
      const int m = first_row + s * AT_ONCE;
      const bool wanted = there && m0 + m < p.rows;
      copy_async<16>(to_w + s * AT_ONCE * 8, wanted ? w + (group * p.rows + m0 + m) * row_of_w + of_w : w, wanted);
    }
    const int down = u * p.by_h, right = v * p.by_w;
    const int of_x = (down * p.in_w + right) * pitch + chunk * Kind::VECTOR;
#pragma unroll
    for (int s = 0; s < BN / AT_ONCE; s++) {
      const bool wanted = there && static_cast<unsigned>(a[s] + down) < static_cast<unsigned>(p.in_h) &&
                          static_cast<unsigned>(b[s] + right) < static_cast<unsigned>(p.in_w);
      copy_async<16>(to_x + s * AT_ONCE * 8, wanted ? x + (base[s] + of_x) : x, wanted);
    }
    chunk += 8;
  };

  const int warp_m = warp % (BM / WM) * WM, warp_n = warp / (BM / WM) * WN;
  float sums[WM / 16][WN / 8][4] = {};
  auto multiply = [&](int tile) {
    const uint4* const of_w = memory + tile % STAGES * STAGE;
    const uint4* const of_x = of_w + 8 * BM;
    const int row_w = warp_m + lane % 16, row_x = warp_n + lane % 8 + lane / 16 * 8;
#pragma unroll
    for (int step = 0; step < 4; step++) {
      unsigned fx[WN / 8][2];
#pragma unroll
      for (int j = 0; j < WN / 8; j += 2) {
        unsigned two[4];
        load_matrices<4>(two, of_x + mma_place(row_x, 2 * step + lane / 8 % 2) + 64 * j);
        fx[j][0] = two[0], fx[j][1] = two[1], fx[j + 1][0] = two[2], fx[j + 1][1] = two[3];
      }
#pragma unroll
      for (int i = 0; i < WM / 16; i++) {
        unsigned fw[4];
        load_matrices<4>(fw, of_w + mma_place(row_w, 2 * step + lane / 16) + 128 * i);
#pragma unroll
        for (int j = 0; j < WN / 8; j++) Kind::multiply(sums[i][j], fw, fx[j]);
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

  __syncthreads();
  float* const out = reinterpret_cast<float*>(memory);
#pragma unroll
  for (int i = 0; i < WM / 16; i++)
#pragma unroll
    for (int j = 0; j < WN / 8; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int m = warp_m + 16 * i + lane / 4 + 8 * half, n = warp_n + 8 * j + lane % 4 * 2;
        *reinterpret_cast<float2*>(out + m * PITCH + n) = make_float2(sums[i][j][2 * half], sums[i][j][2 * half + 1]);
      }
  __syncthreads();
  for (int m = warp; m < BM && m0 + m < p.rows; m += WARPS) {
    const float more = bias ? bias[group * p.rows + m0 + m] : 0.0f;
    for (int n = lane; n < BN; n += 32) {
      if (table[n] < 0) continue;
      const size_t at = static_cast<size_t>(table[n]) + static_cast<size_t>(m) * plane;
      y[at] = epilogue(out[m * PITCH + n] + more, residual, static_cast<int>(at), finish);
    }
  }
}
