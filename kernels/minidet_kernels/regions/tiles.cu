// Gradient of RoIAlign (mean) and of crop_and_resize without atomics: a block has a tile of the map to itself, and adds
// the regions that touch it, in their order.
//
//   gx[n][c][r][s] = sum over k ( sum over j of columns(j, s) ( sum over i of rows(i, r) g[k][c][i][j] ) )
//
// The lanes are channels, so g comes with its channels last: gt (K, oh, ow, C). A warp has two rows of 16 elements of 32
// channels in registers; 8 such warps make the tile of 16 x 16, and as many again its next 32 channels. The block looks
// through the regions, as many at a time as it has threads, and lists those that touch the tile. Of BATCH of them it puts
// the shares (shares.cu) of the tile's rows and columns into shared memory, and notes which outputs have any: a warp then
// goes through those alone.
//
// Launch: grid (tiles across, tiles down, N * ceil(C / 64)), block (32, 16). oh and ow at most 32.
#ifndef BATCH
#define BATCH 4
#endif
#define THREADS 512
#define SIDE 16

template <typename T>
struct alignas(2 * sizeof(T)) Two {
  T v[2];
};
template <typename T>
struct alignas(16) Four {
  T v[4];
};

template <typename T>
struct Shared {
  alignas(16) T rows[BATCH][32][SIDE];  // of output i in the tile's row r
  alignas(16) T columns[BATCH][32][SIDE];
  unsigned some_rows[BATCH][SIDE / 2];  // outputs that have a share in either row of a warp
  unsigned some_columns[BATCH];         // or in any column of the tile
  unsigned fours[BATCH][32];            // of an output the fours of columns that it has a share in
  int listed[THREADS];
  int counts[THREADS / 32];
};

template <typename T>
__global__ void __launch_bounds__(THREADS, sizeof(T) == 4 ? 2 : 1)
    regions_tiles(const T* __restrict__ gt, const int4* __restrict__ spans, const T* __restrict__ shares,
                  const int* __restrict__ boxes, T* __restrict__ gx, int K, int C, int H, int W, int oh, int ow) {
  __shared__ Shared<T> shared;
  const int lane = threadIdx.x, warp = threadIdx.y, thread = warp * 32 + lane;
  const int groups = (C + 63) / 64, n = blockIdx.z / groups, lines = oh + ow;
  const int r0 = blockIdx.y * SIDE, s0 = blockIdx.x * SIDE, pair = warp % (SIDE / 2);
  const int c = (blockIdx.z % groups * 2 + warp / (SIDE / 2)) * 32 + lane;
  T sums[2][SIDE];
#pragma unroll
  for (int s = 0; s < SIDE; s++) sums[0][s] = sums[1][s] = 0;

  for (int k0 = 0; k0 < K; k0 += THREADS) {
    const int k = k0 + thread;
    bool here = false;
    if (k < K) {
      const int* box = boxes + static_cast<size_t>(k) * 5;
      here = box[0] == n && box[1] < r0 + SIDE && box[2] >= r0 && box[3] < s0 + SIDE && box[4] >= s0;
    }
    const unsigned votes = __ballot_sync(0xffffffffu, here);
    if (lane == 0) shared.counts[warp] = __popc(votes);
    __syncthreads();
    int place = __popc(votes & ((1u << lane) - 1)), count = 0;
#pragma unroll 1
    for (int w = 0; w < THREADS / 32; w++) {
      if (w < warp) place += shared.counts[w];
      count += shared.counts[w];
    }
    if (here) shared.listed[place] = k;
    __syncthreads();

    for (int b0 = 0; b0 < count; b0 += BATCH) {
      const int batch = min(BATCH, count - b0);
      if (thread < BATCH * SIDE / 2) shared.some_rows[thread / (SIDE / 2)][thread % (SIDE / 2)] = 0;
      if (thread < BATCH) shared.some_columns[thread] = 0;
      if (thread < BATCH * 32) shared.fours[thread / 32][thread % 32] = 0;
      __syncthreads();
      const int b = thread / SIDE % BATCH, at = thread % SIDE;
#pragma unroll 1
      for (int line = b < batch ? thread / SIDE / BATCH : lines; line < lines; line += THREADS / SIDE / BATCH) {
        const size_t region = shared.listed[b0 + b];
        const bool down = line < oh;
        const int output = down ? line : line - oh, element = (down ? r0 : s0) + at;
        const int4 span = spans[region * lines + line];
        T w = 0;
        if (element >= span.x && element <= span.y) w = shares[region * (H + W + 3 * lines) + span.z + element - span.x];
        (down ? shared.rows : shared.columns)[b][output][at] = w;
        if (w == 0) continue;
        atomicOr(down ? &shared.some_rows[b][at / 2] : &shared.some_columns[b], 1u << output);
        if (!down) atomicOr(&shared.fours[b][output], 1u << at / 4);
      }
      __syncthreads();
#pragma unroll 1
      for (int b = 0; b < batch; b++) {
        const unsigned rows = shared.some_rows[b][pair];
        if (!rows) continue;
        const T* from = gt + static_cast<size_t>(shared.listed[b0 + b]) * oh * ow * C + min(c, C - 1);
        for (unsigned columns = shared.some_columns[b]; columns; columns &= columns - 1) {
          const int j = __ffs(columns) - 1;
          T upper = 0, lower = 0;
          for (unsigned left = rows; left; left &= left - 1) {
            const int i = __ffs(left) - 1;
            const T value = from[(i * ow + j) * C];
            const Two<T> w = *reinterpret_cast<const Two<T>*>(&shared.rows[b][i][2 * pair]);
            upper = fma(w.v[0], value, upper), lower = fma(w.v[1], value, lower);
          }
          const unsigned fours = shared.fours[b][j];
#pragma unroll
          for (int q = 0; q < SIDE / 4; q++) {
            if (!(fours >> q & 1)) continue;
            const Four<T> w = *reinterpret_cast<const Four<T>*>(&shared.columns[b][j][4 * q]);
#pragma unroll
            for (int v = 0; v < 4; v++) {
              sums[0][4 * q + v] = fma(w.v[v], upper, sums[0][4 * q + v]);
              sums[1][4 * q + v] = fma(w.v[v], lower, sums[1][4 * q + v]);
            }
          }
        }
      }
      __syncthreads();
    }
  }
  if (c >= C) return;
#pragma unroll
  for (int row = 0; row < 2; row++) {
    const int r = r0 + 2 * pair + row;
    if (r >= H) return;
    T* line = gx + ((static_cast<size_t>(n) * C + c) * H + r) * W + s0;
    if (W % 4 == 0) {  // then whole quarters of the tile's row are inside, and 16 bytes are aligned
#pragma unroll
      for (int q = 0; q < SIDE / 4; q++)
        if (s0 + 4 * q < W)
          *reinterpret_cast<Four<T>*>(line + 4 * q) = {sums[row][4 * q], sums[row][4 * q + 1], sums[row][4 * q + 2], sums[row][4 * q + 3]};
    } else {
#pragma unroll
      for (int s = 0; s < SIDE; s++)
        if (s0 + s < W) line[s] = sums[row][s];
    }
  }
}
