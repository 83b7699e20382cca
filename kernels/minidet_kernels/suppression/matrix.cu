// Matrix NMS: every score is lowered once, by the overlaps with better boxes of its segment; in double, rounded once.
//
// Two passes over the pairs, of which the overlaps are computed twice rather than stored: `matrix_most` finds of each box
// its greatest overlap r with a better one, `matrix_lower` the least factor f(overlap) / f(r of the better one). A thread
// holds one box, in the order of keys (key.cuh); a block goes through all better boxes, as many at a time as it has threads.
// Pairs that do not meet, nearly all, leave both as they are, and cost no operation in double.
//
// With GIVEN the overlaps are those of `given` (n, n), in the order of the boxes, and there are no boxes.
//
// Launch: grid (ceil(n / THREADS)), block (THREADS).
#include "better.cuh"
#include "../overlap/iou.cuh"

#ifndef THREADS
#define THREADS 128
#endif

// What a block holds of the better boxes.
struct Better {
  Box<float> boxes[THREADS];
  float areas[THREADS];
  unsigned indices[THREADS];
};

// What both kernels go through: `Each` is told of every better box's place and overlap that is above zero.
template <bool GIVEN, class Each>
__device__ __forceinline__ void with_better(Better& held, const Key* keys, const float* boxes, const float* given, const int* starts,
                                            int n, int segments, int index_bits, float pixel, float empty, Each each) {
  const int first = blockIdx.x * THREADS, place = first + threadIdx.x, own = min(place, n - 1);
  const int from = first_of_segment(keys, starts, place, n, segments, index_bits);
  const unsigned index = index_of(keys[own], index_bits);
  Box<float> box = {};
  if (!GIVEN) box = box_at(boxes, own);
  const float area = iou_area(box, pixel);
  const int begin = first_of_segment(keys, starts, first, n, segments, index_bits), end = min(first + THREADS, n);
  for (int base = begin; base < end; base += THREADS) {
    const int i = min(base + static_cast<int>(threadIdx.x), n - 1);
    if (GIVEN) {
      held.indices[threadIdx.x] = index_of(keys[i], index_bits);
    } else {
      held.boxes[threadIdx.x] = box_at(boxes, i);
      held.areas[threadIdx.x] = iou_area(held.boxes[threadIdx.x], pixel);
    }
    __syncthreads();
    const int stop = place < n ? min(base + THREADS, place) : 0;
    for (int k = max(base, from); k < stop; k++) {
      const float overlap = GIVEN ? given[static_cast<size_t>(held.indices[k - base]) * n + index]
                                  : iou(held.boxes[k - base], held.areas[k - base], box, area, pixel, empty);
      if (overlap > 0.0f) each(k, overlap);  // a NaN counts as 0
    }
    __syncthreads();
  }
}

// most (n), in the order of the keys: the greatest overlap with a better box, 0 where there is none.
template <bool GIVEN>
__global__ void __launch_bounds__(THREADS, 8)
    matrix_most(const Key* __restrict__ keys, const float* __restrict__ boxes, const float* __restrict__ given,
                const int* __restrict__ starts, float* __restrict__ most, int n, int segments, int index_bits, float pixel, float empty) {
  __shared__ Better held;
  float greatest = 0.0f;
  with_better<GIVEN>(held, keys, boxes, given, starts, n, segments, index_bits, pixel, empty,
                     [&](int, float overlap) { greatest = max(greatest, overlap); });
  const int place = blockIdx.x * THREADS + threadIdx.x;
  if (place < n) most[place] = greatest;
}

// out (n), in the order of the boxes: the lowered scores.
template <bool GIVEN, bool GAUSSIAN>
__global__ void __launch_bounds__(THREADS, 8)  // blocks at a time: so few that no register is spilled
    matrix_lower(const Key* __restrict__ keys, const float* __restrict__ boxes, const float* __restrict__ given,
                 const int* __restrict__ starts, const float* __restrict__ most, const float* __restrict__ scores,
                 float* __restrict__ out, int n, int segments, int index_bits, float pixel, float empty, double sigma) {
  __shared__ Better held;
  double excess = 0.0, least = 1.0;
  with_better<GIVEN>(held, keys, boxes, given, starts, n, segments, index_bits, pixel, empty, [&](int k, float overlap) {
    const double m = overlap, r = most[k];
    if (GAUSSIAN) {
      excess = fmax(excess, m * m - r * r);
    } else if (r < 1.0) {
      least = fmin(least, (1.0 - m) / (1.0 - r));
    }
  });
  const int place = blockIdx.x * THREADS + threadIdx.x;
  if (place >= n) return;
  const unsigned index = index_of(keys[place], index_bits);
  out[index] = scores[index] * static_cast<float>(GAUSSIAN ? exp(-excess / sigma) : least);
}
