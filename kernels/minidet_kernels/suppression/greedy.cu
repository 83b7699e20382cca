// Greedy suppression within each segment (image and class) of boxes sorted by keys (key.cuh), without a mask.
//
// A block takes a segment, 64 boxes at a time, which it holds in shared memory:
//   1. each of the 64 is compared with those before it: a word of 64 bits says who drops it, were he kept himself;
//   2. one warp settles the 64 (settle.cuh);
//   3. all threads take the later boxes of the segment that are still there, and drop those that a kept one drops.
// So only kept boxes are compared with others, memory is a byte for each box, and segments are independent: with many
// classes or images the GPU is full, and a segment may have any size. One very large segment keeps one processor busy;
// for that there is the mask (nms_mask.cu).
//
// `kept` (n) holds 1 for every box at first, and in the end for those that are kept.
//
// Launch: grid (segments), block (THREADS), THREADS 64, 128, 256, ...
#include "settle.cuh"

#ifndef THREADS
#define THREADS 256
#endif

template <bool DISTANT>
__global__ void __launch_bounds__(THREADS)
    greedy(const float* __restrict__ boxes, const int* __restrict__ starts, unsigned char* __restrict__ kept, Rule rule) {
  constexpr int PARTS = THREADS / 64;  // threads that share a row of step 1
  __shared__ Box<float> held[64];
  __shared__ float areas[64];
  __shared__ unsigned long long droppers[64];
  __shared__ unsigned long long stays;
  const int stop = starts[blockIdx.x + 1];
  for (int first = starts[blockIdx.x]; first < stop; first += 64) {
    const int count = min(64, stop - first);
    if (threadIdx.x < count) {
      held[threadIdx.x] = box_at(boxes, first + threadIdx.x);
      areas[threadIdx.x] = iou_area(held[threadIdx.x], rule.pixel);
    }
    __syncthreads();
    const int row = threadIdx.x / PARTS;
    const unsigned long long bits = droppers_of<THREADS, DISTANT>(held, areas, row < count && kept[first + row], rule);
    if (threadIdx.x % PARTS == 0) droppers[row] = bits;
    __syncthreads();
    if (threadIdx.x < 32) {
      const int a = threadIdx.x, b = a + 32;
      const bool low_there = a < count && kept[first + a], high_there = b < count && kept[first + b];
      const unsigned low_unsure = __ballot_sync(0xffffffffu, low_there), high_unsure = __ballot_sync(0xffffffffu, high_there);
      const unsigned long long stay =
          settle(droppers[a], droppers[b], static_cast<unsigned long long>(high_unsure) << 32 | low_unsure);
      if (a < count) kept[first + a] = stay >> a & 1;
      if (b < count) kept[first + b] = stay >> b & 1;
      if (a == 0) stays = stay;
    }
    __syncthreads();
    for (int i = first + 64 + threadIdx.x; i < stop; i += THREADS) {
      if (!kept[i]) continue;
      const Box<float> box = box_at(boxes, i);
      const float area = iou_area(box, rule.pixel);
      for (unsigned long long left = stays; left; left &= left - 1) {
        const int k = __ffsll(left) - 1;
        if (drops<DISTANT>(held[k], areas[k], box, area, rule)) {
          kept[i] = 0;
          break;
        }
      }
    }
    __syncthreads();
  }
}
