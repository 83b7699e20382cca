// Gradient of a maximum over regions without atomics: every element of the map gets the same sum, in the order of the
// regions and of their outputs, every time. For RoIPool, and for RoIAlign's maximum, of four entries for each output.
//
//   gx[n][c][e] = sum of g[k][c][b], over the regions k of image n and their entries b, in order, whose index is e
//
// The entries of region k and channel c are a run of L neighbours in memory. First a warp notes, of each run, the least
// box of elements around those that it goes to (runs_boxes). Then each warp has a tile of one map to itself (runs_back):
// it looks for the runs that touch the tile, 32 at a time, and adds them up in shared memory, 32 entries at a time. Lanes
// that meet at one element take turns, the lower lane first.
//
// Launch of runs_boxes: grid (ceil(K C / WARPS)), block (32, WARPS); of runs_back: grid (ceil(N C * tiles down * tiles
// across / WARPS)), block (32, WARPS). A tile is height x width, at most BYTES.
#ifndef WARPS
#define WARPS 4
#endif
#ifndef BYTES
#define BYTES 8192
#endif

// boxes (C, K): first row, last row, first column, last column; so that a warp reads those of one channel side by side.
template <typename I>
__global__ void __launch_bounds__(32 * WARPS) runs_boxes(const I* __restrict__ index, int4* __restrict__ boxes, int K, int C,
                                                         int L, int W) {
  const long long run = static_cast<long long>(blockIdx.x) * WARPS + threadIdx.y;
  if (run >= static_cast<long long>(K) * C) return;
  int4 box = make_int4(0x7fffffff, -1, 0x7fffffff, -1);
  for (int b = threadIdx.x; b < L; b += 32) {
    const int at = static_cast<int>(index[run * L + b]);
    if (at < 0) continue;
    box = make_int4(min(box.x, at / W), max(box.y, at / W), min(box.z, at % W), max(box.w, at % W));
  }
  for (int step = 16; step; step /= 2) {
    box.x = min(box.x, __shfl_xor_sync(0xffffffffu, box.x, step));
    box.y = max(box.y, __shfl_xor_sync(0xffffffffu, box.y, step));
    box.z = min(box.z, __shfl_xor_sync(0xffffffffu, box.z, step));
    box.w = max(box.w, __shfl_xor_sync(0xffffffffu, box.w, step));
  }
  if (threadIdx.x == 0) boxes[run % C * K + run / C] = box;
}

template <typename T, typename I>
__global__ void __launch_bounds__(32 * WARPS) runs_back(const T* __restrict__ g, const I* __restrict__ index,
                                                        const int4* __restrict__ boxes, const double* __restrict__ regions,
                                                        T* __restrict__ gx, int N, int K, int C, int H, int W, int L,
                                                        int height, int width, int down, int across) {
  __shared__ T tiles[WARPS][BYTES / sizeof(T)];
  const int lane = threadIdx.x;
  const long long number = static_cast<long long>(blockIdx.x) * WARPS + threadIdx.y;
  if (number >= static_cast<long long>(N) * C * down * across) return;
  const int tile = static_cast<int>(number % (down * across)), plane = static_cast<int>(number / (down * across));
  const int n = plane / C, c = plane % C;
  const int r0 = tile / across * height, s0 = tile % across * width;
  const int r1 = min(r0 + height, H), s1 = min(s0 + width, W);
  T* sums = tiles[threadIdx.y];
  for (int e = lane; e < height * width; e += 32) sums[e] = 0;
  __syncwarp();
  for (int k0 = 0; k0 < K; k0 += 32) {
    bool here = false;
    if (k0 + lane < K && regions[static_cast<size_t>(k0 + lane) * 5] == n) {
      const int4 box = boxes[static_cast<size_t>(c) * K + k0 + lane];
      here = box.y >= r0 && box.x < r1 && box.w >= s0 && box.z < s1;
    }
    for (unsigned touch = __ballot_sync(0xffffffffu, here); touch; touch &= touch - 1) {
      const size_t run = (static_cast<size_t>(k0 + __ffs(touch) - 1) * C + c) * L;
      for (int b = 0; b < L; b += 32) {
        int to = -1;
        T value = 0;
        if (b + lane < L) {
          const int at = static_cast<int>(index[run + b + lane]), r = at / W, s = at % W;
          value = g[run + b + lane];
          if (at >= 0 && r >= r0 && r < r1 && s >= s0 && s < s1) to = (r - r0) * width + s - s0;
        }
        const unsigned same = __match_any_sync(0xffffffffu, to);
        const int turn = to < 0 ? -1 : __popc(same & ((1u << lane) - 1));
        for (int now = 0; __any_sync(0xffffffffu, turn >= now); now++) {
          if (turn == now) sums[to] += value;
          __syncwarp();
        }
      }
    }
  }
  for (int e = lane; e < (r1 - r0) * width; e += 32) {
    const int r = r0 + e / width, s = s0 + e % width;
    if (s < s1) gx[(static_cast<size_t>(plane) * H + r) * W + s] = sums[e];
  }
}
