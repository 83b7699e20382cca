// The best truth of every anchor and the best anchor of every truth, by IoU, without the matrix.
//
// A thread holds one anchor and walks over the truths, which a block has in shared memory, TRUTHS at a time: its own best
// stays in registers. A warp first asks whether any of its anchors meets the truth at all, which is rare, as anchors that
// follow each other are neighbours; only then it divides. For the truth's best anchor it finds its greatest IoU by
// shuffles, and of equal ones the lowest lane, and that lane alone raises the block's key of the truth; in the end the
// block raises the key in global memory.
//
// A key holds the bits of the IoU, which order floats that are not below zero, above the complement of the anchor's
// index: the greatest key is the greatest IoU, of equal ones the lowest anchor, whoever comes first. So the atomic
// maximum of integers gives the same bits in every run. 0 is "meets none", which `match_unpack` makes anchor 0, IoU 0.
//
// Launch: match_anchors: grid (ceil(m / THREADS)), block (THREADS), keys (n) being zeros; match_unpack: grid
// (ceil(n / THREADS)), block (THREADS).
#include "iou.cuh"

#ifndef THREADS
#define THREADS 128
#endif
#ifndef TRUTHS
#define TRUTHS 128
#endif

extern "C" __global__ void __launch_bounds__(THREADS)
    match_anchors(const float* __restrict__ anchors, const float* __restrict__ truths, long long* __restrict__ truth,
                  float* __restrict__ best, unsigned long long* __restrict__ keys, int m, int n, float pixel) {
  __shared__ Box<float> boxes[TRUTHS];
  __shared__ float areas[TRUTHS];
  __shared__ unsigned long long top[TRUTHS];
  const int i = blockIdx.x * THREADS + threadIdx.x;
  const Box<float> box = box_at(anchors, min(i, m - 1));
  const float area = iou_area(box, pixel);
  float held = 0.0f;
  int index = 0;
  for (int first = 0; first < n; first += TRUTHS) {
    const int count = min(TRUTHS, n - first);
    for (int j = threadIdx.x; j < count; j += THREADS) {
      boxes[j] = box_at(truths, first + j);
      areas[j] = iou_area(boxes[j], pixel);
      top[j] = 0;
    }
    __syncthreads();
    for (int j = 0; j < count; j++) {
      const float inter = iou_intersection(box, boxes[j], pixel);
      if (!__any_sync(0xffffffffu, inter > 0.0f)) continue;
      const float value = inter / (area + areas[j] - inter);  // 0/0 where neither has an area
      const float met = i < m && value > 0.0f ? value : 0.0f;  // a NaN counts as 0
      if (met > held) {
        held = met;
        index = first + j;
      }
      const unsigned bits = __float_as_uint(met);
      unsigned most = bits;
      for (int other = 16; other; other /= 2) most = max(most, __shfl_xor_sync(0xffffffffu, most, other));
      const int winner = __ffs(__ballot_sync(0xffffffffu, bits == most)) - 1;
      if (most && (threadIdx.x & 31) == winner)  // 0 where they meet, but in a union that is infinite: nobody's
        atomicMax(&top[j], static_cast<unsigned long long>(bits) << 32 | (0xffffffffu - static_cast<unsigned>(i)));
    }
    __syncthreads();
    for (int j = threadIdx.x; j < count; j += THREADS)  // the next truths go where this very thread has been
      if (top[j]) atomicMax(&keys[first + j], top[j]);
  }
  if (i >= m) return;
  truth[i] = n ? index : -1;
  best[i] = held;
}

extern "C" __global__ void __launch_bounds__(THREADS)
    match_unpack(const unsigned long long* __restrict__ keys, long long* __restrict__ anchor, float* __restrict__ best, int m, int n) {
  const int j = blockIdx.x * THREADS + threadIdx.x;
  if (j >= n) return;
  const unsigned long long key = keys[j];
  anchor[j] = key ? static_cast<long long>(0xffffffffu - static_cast<unsigned>(key)) : m ? 0 : -1;
  best[j] = __uint_as_float(static_cast<unsigned>(key >> 32));
}
