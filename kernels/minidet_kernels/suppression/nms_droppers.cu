// droppers (n): of boxes sorted best first, bit k of box i says that the box 64 (i / 64) + k drops it, were that kept.
//
// These are the words on the mask's diagonal, by columns instead of rows: what `settle` asks for (settle.cuh).
//
// Launch: grid (ceil(n / 64)), block (THREADS).
#include "settle.cuh"

#ifndef THREADS
#define THREADS 256
#endif

extern "C" __global__ void __launch_bounds__(THREADS)
    nms_droppers(const float* __restrict__ boxes, unsigned long long* __restrict__ droppers, int n, Rule rule) {
  __shared__ Box<float> held[64];
  __shared__ float areas[64];
  const int first = blockIdx.x * 64, count = min(64, n - first);
  if (threadIdx.x < count) {
    held[threadIdx.x] = box_at(boxes, first + threadIdx.x);
    areas[threadIdx.x] = iou_area(held[threadIdx.x], rule.pixel);
  }
  __syncthreads();
  const int row = threadIdx.x / (THREADS / 64);
  const unsigned long long bits = droppers_of<THREADS, false>(held, areas, row < count, rule);
  if (threadIdx.x % (THREADS / 64) == 0 && row < count) droppers[first + row] = bits;
}
