// Who is kept, from the mask (nms_mask.cu) of boxes sorted by keys: kept (at most `most`), indices, best first; count (1).
//
// One block goes through the words of 64 boxes. The first warp settles a word, from whom the boxes of the word are dropped by
// (`droppers`, by nms_droppers.cu), with no barrier for each box. Then all warps take the kept rows in turn and mark whom
// they drop in later words, in shared memory; bits are or-ed, in whichever order, and loads of all rows are under way at
// once.
//
// Launch: grid (1), block (THREADS), dynamic shared memory 8 * words bytes, words = ceil(n / 64).
#include "key.cuh"
#include "settle.cuh"

#ifndef THREADS
#define THREADS 1024
#endif

extern "C" __global__ void __launch_bounds__(THREADS)
    nms_reduce(const unsigned long long* __restrict__ mask, const unsigned long long* __restrict__ droppers,
               const Key* __restrict__ keys, long long* __restrict__ kept, int* __restrict__ count, int n, int words, int most,
               int index_bits) {
  extern __shared__ unsigned dropped[];  // a bit for each box
  __shared__ unsigned long long stays;
  __shared__ int total;
  const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
  for (int c = threadIdx.x; c < 2 * words; c += blockDim.x) dropped[c] = 0;
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  for (int w = 0; w < words; w++) {
    const int first = 64 * w;
    if (warp == 0) {
      const int i = first + lane, j = i + 32;
      const unsigned long long low = i < n ? droppers[i] : 0, high = j < n ? droppers[j] : 0;
      unsigned long long left = ~(static_cast<unsigned long long>(dropped[2 * w + 1]) << 32 | dropped[2 * w]);
      if (n - first < 64) left &= (1ull << (n - first)) - 1;
      const unsigned long long stay = settle(low, high, left);
      const int before = total;
      for (int k = lane; k < 64; k += 32) {
        const int at = before + __popcll(stay & ((1ull << k) - 1));
        if ((stay >> k & 1) && at < most) kept[at] = index_of(keys[first + k], index_bits);
      }
      __syncwarp();
      if (lane == 0) {
        stays = stay;
        total = before + __popcll(stay);
      }
    }
    __syncthreads();
    if (total >= most) break;
    for (int k = warp; k < 64; k += blockDim.x / 32) {
      if (!(stays >> k & 1)) continue;
      const unsigned* row = reinterpret_cast<const unsigned*>(mask + static_cast<size_t>(first + k) * words);
      for (int c = 2 * (w + 1) + lane; c < 2 * words; c += 32) {
        const unsigned bits = row[c];
        if (bits) atomicOr(&dropped[c], bits);
      }
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *count = min(total, most);
}
