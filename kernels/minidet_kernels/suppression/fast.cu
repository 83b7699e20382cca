// Fast NMS (YOLACT): a box is kept unless a better one of its segment drops it, dropped itself or not.
//
// So no box waits for another. A thread holds one box, in the order of keys (key.cuh), and a block goes through all better
// boxes, as many at a time as it has threads, in shared memory; it ends when all of its own are dropped.
//
// Launch: grid (ceil(n / THREADS)), block (THREADS). `kept` (n) holds 1 for every box at first.
#include "better.cuh"
#include "rule.cuh"

#ifndef THREADS
#define THREADS 128
#endif

extern "C" __global__ void __launch_bounds__(THREADS)
    fast(const Key* __restrict__ keys, const float* __restrict__ boxes, const int* __restrict__ starts,
         unsigned char* __restrict__ kept, int n, int segments, int index_bits, Rule rule) {
  __shared__ Box<float> held[THREADS];
  __shared__ float areas[THREADS];
  const int first = blockIdx.x * THREADS, place = first + threadIdx.x;
  const int from = first_of_segment(keys, starts, place, n, segments, index_bits);
  const Box<float> box = box_at(boxes, min(place, n - 1));
  const float area = iou_area(box, rule.pixel);
  bool there = place < n && from < place;  // and still looking
  bool dropped = false;
  const int begin = first_of_segment(keys, starts, first, n, segments, index_bits), end = min(first + THREADS, n);
  for (int base = begin; base < end; base += THREADS) {
    const int i = min(base + static_cast<int>(threadIdx.x), n - 1);
    held[threadIdx.x] = box_at(boxes, i);
    areas[threadIdx.x] = iou_area(held[threadIdx.x], rule.pixel);
    __syncthreads();
    const int stop = min(base + THREADS, place);
    for (int k = max(base, from); there && k < stop; k++)
      if (drops<false>(held[k - base], areas[k - base], box, area, rule)) {
        dropped = true;
        there = false;
      }
    if (!__syncthreads_or(there)) break;
  }
  if (place < n && dropped) kept[place] = 0;
}
