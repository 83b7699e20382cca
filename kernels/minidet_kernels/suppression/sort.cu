// Sorting of keys of 64 bits, on the device alone: chunks in shared memory, then runs merged two by two.
//
// sort_chunks: bitonic (Batcher 1968). A chunk of 2^k keys takes k (k + 1) / 2 steps, in each of which every key is
// compared with the one `stride` away. A warp's 32 pairs lie within 64 neighbours while the stride is 32 or less, so
// between two such steps the warp alone has to be in step: of the 78 steps of 4096 keys only 21 wait for the block.
//
// sort_merge: the place of a key is its own rank in its run plus the number of keys before it in the other run of its
// pair, found by binary search: of equal keys those of the left run come first, so that no two have one place.
//
// Launch: sort_chunks: grid (ceil(n / chunk)), block (a multiple of 32, at most 1024), `chunk` a power of two, at least 2
// and at most CHUNK; sort_merge: grid (ceil(n / 256)), block (256).
#include "key.cuh"

#ifndef CHUNK
#define CHUNK 4096
#endif

extern "C" __global__ void __launch_bounds__(1024) sort_chunks(Key* __restrict__ keys, int n, int chunk) {
  __shared__ Key held[CHUNK];
  const int first = blockIdx.x * chunk;
  for (int i = threadIdx.x; i < chunk; i += blockDim.x) held[i] = i < n - first ? keys[first + i] : LEFT_OUT;
  __syncthreads();
  for (int size = 2; size <= chunk; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      for (int pair = threadIdx.x; pair < chunk / 2; pair += blockDim.x) {
        const int i = 2 * pair - (pair & (stride - 1));
        const Key a = held[i], b = held[i + stride];
        if ((a > b) == ((i & size) == 0)) {
          held[i] = b;
          held[i + stride] = a;
        }
      }
      const int next = stride > 1 ? stride / 2 : size;
      if (stride > 32 || next > 32) __syncthreads();
      else __syncwarp();
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < min(chunk, n - first); i += blockDim.x) keys[first + i] = held[i];
}

extern "C" __global__ void __launch_bounds__(256) sort_merge(const Key* __restrict__ from, Key* __restrict__ to, int n, int run) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  if (i >= n) return;
  const int pair = i / (2 * run) * (2 * run);
  const bool left = i - pair < run;
  const Key key = from[i];
  const int other = left ? min(pair + run, n) : pair;
  int low = other, high = min(other + run, n);
  while (low < high) {
    const int middle = low + (high - low) / 2;
    const bool before = left ? from[middle] < key : from[middle] <= key;
    if (before) low = middle + 1;
    else high = middle;
  }
  to[pair + (i - pair - (left ? 0 : run)) + (low - other)] = key;
}
