// Gradient of max pooling without atomics: the same sum, in the order of the windows, every time.
//
//   gx[p][e] = sum of g[p][w], over the windows w in row-major order whose index[p][w] is e
//
// Which windows an element may have won is not known here, only which it did. So first a warp notes, of each row of
// windows, the least and the greatest row that it won (max_pool_spans). Then each warp has a tile of the input to itself
// (max_pool_back): it goes through the rows of windows that touch the tile, in order, 32 windows at a time, and adds
// them up in shared memory. Lanes that meet at one element take turns, the lower lane first.
//
// Launch of max_pool_spans: grid (ceil(planes oh / WARPS)), block (32, WARPS); of max_pool_back: grid (ceil(planes * tiles
// down * tiles across / WARPS)), block (32, WARPS). A tile is height x width, at most CELLS elements.
#ifndef WARPS
#define WARPS 4
#endif
#ifndef CELLS
#define CELLS 1024
#endif

// `rows` is planes * oh: a row of windows each. spans (rows, 2).
extern "C" __global__ void __launch_bounds__(32 * WARPS) max_pool_spans(const long long* __restrict__ index,
                                                                        int2* __restrict__ spans, int rows, int ow, int W) {
  const int row = blockIdx.x * WARPS + threadIdx.y;
  if (row >= rows) return;
  int low = 0x7fffffff, high = -1;
  for (int j = threadIdx.x; j < ow; j += 32) {
    const int r = static_cast<int>(index[static_cast<size_t>(row) * ow + j]) / W;
    low = min(low, r), high = max(high, r);
  }
  for (int step = 16; step; step /= 2) {
    low = min(low, __shfl_xor_sync(0xffffffffu, low, step));
    high = max(high, __shfl_xor_sync(0xffffffffu, high, step));
  }
  if (threadIdx.x == 0) spans[row] = make_int2(low, high);
}

template <typename T>
__global__ void __launch_bounds__(32 * WARPS) max_pool_back(const T* __restrict__ g, const long long* __restrict__ index,
                                                            const int2* __restrict__ spans, T* __restrict__ gx, int planes,
                                                            int H, int W, int oh, int ow, int height, int width, int down,
                                                            int across) {
  __shared__ T tiles[WARPS][CELLS];
  const int lane = threadIdx.x;
  const long long number = static_cast<long long>(blockIdx.x) * WARPS + threadIdx.y;
  if (number >= static_cast<long long>(planes) * down * across) return;
  const int p = static_cast<int>(number / (down * across)), tile = static_cast<int>(number % (down * across));
  const int r0 = tile / across * height, c0 = tile % across * width;
  const int r1 = min(r0 + height, H), c1 = min(c0 + width, W);
  T* sums = tiles[threadIdx.y];
  for (int e = lane; e < height * width; e += 32) sums[e] = 0;
  __syncwarp();
  for (int i0 = 0; i0 < oh; i0 += 32) {
    const int2 span = i0 + lane < oh ? spans[static_cast<size_t>(p) * oh + i0 + lane] : make_int2(0, -1);
    unsigned touch = __ballot_sync(0xffffffffu, span.y >= r0 && span.x < r1);
    for (; touch; touch &= touch - 1) {
      const size_t row = (static_cast<size_t>(p) * oh + i0 + __ffs(touch) - 1) * ow;
      for (int j0 = 0; j0 < ow; j0 += 32) {
        int to = -1;
        T value = 0;
        if (j0 + lane < ow) {
          const int e = static_cast<int>(index[row + j0 + lane]), r = e / W, c = e % W;
          value = g[row + j0 + lane];
          if (r >= r0 && r < r1 && c >= c0 && c < c1) to = (r - r0) * width + c - c0;
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
    const int r = r0 + e / width, c = c0 + e % width;
    if (c < c1) gx[(static_cast<size_t>(p) * H + r) * W + c] = sums[e];
  }
}
