// Soft-NMS within each segment (image and class) of boxes sorted by keys (key.cuh).
//
// A block takes a segment. In each round the best box left is chosen, and every thread lowers the scores of its own boxes
// by their overlaps with it, and finds the best of them for the next round on the way. So a round reads a segment once, and
// has one barrier: warps leave their best in one of two rows of shared memory in turn, so that nobody has to wait until
// the row of the round before has been read. Factors are multiplied in the order of the choices, as the definition does.
//
// A rank holds the bits of the score, which is not below zero, above the complement of the index: the greatest rank is the
// best score, of equal ones the lowest index.
//
// `lowered` (n) holds the scores in the order of the keys, and is used up. The chosen have 1 in `kept` (n), in the order of
// the keys, and their scores in `out` (n), in the order of the boxes.
//
// Launch: grid (segments), block (THREADS).
#include "key.cuh"
#include "../overlap/iou.cuh"

#ifndef THREADS
#define THREADS 256
#endif

enum Decay { LINEAR, GAUSSIAN, HARD };

// `by`: the denominator of the exponent; `floor`: nothing below is chosen, nor, unless `at_floor`, what equals it.
struct Softly {
  float threshold, pixel, empty, floor;
  bool inclusive, at_floor;
  int decay, most;
  double by;
};

__device__ __forceinline__ float decayed(float score, float overlap, const Softly& rule) {
  if (rule.decay == GAUSSIAN) {
    if (!(overlap > 0.0f)) return score;  // times 1; a NaN lowers nothing
    const double wide = overlap;
    return score * static_cast<float>(exp(-(wide * wide) / rule.by));
  }
  if (!(overlap > rule.threshold || (rule.inclusive && overlap == rule.threshold))) return score;
  return score * (rule.decay == HARD ? 0.0f : 1.0f - overlap);
}

__device__ __forceinline__ Key rank_of(float score, unsigned index) {
  return static_cast<Key>(__float_as_uint(score + 0.0f)) << 32 | (0xffffffffu - index);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    soft(const Key* __restrict__ keys, const float* __restrict__ boxes, const float* __restrict__ sorted,
         const int* __restrict__ starts, float* __restrict__ lowered, unsigned char* __restrict__ kept, float* __restrict__ out,
         int index_bits, Softly rule) {
  __shared__ Key tops[2][THREADS / 32];
  const int start = starts[blockIdx.x], stop = starts[blockIdx.x + 1];
  Key mine = 0;
  for (int i = start + threadIdx.x; i < stop; i += THREADS) {
    kept[i] = 0;
    mine = max(mine, rank_of(lowered[i], index_of(keys[i], index_bits)));
  }
  for (int round = 0; round < rule.most; round++) {
    const int row = round & 1;
    Key top = mine;
    for (int other = 16; other; other /= 2) top = max(top, __shfl_xor_sync(0xffffffffu, top, other));
    if ((threadIdx.x & 31) == 0) tops[row][threadIdx.x / 32] = top;
    __syncthreads();
    for (int warp = 0; warp < THREADS / 32; warp++) top = max(top, tops[row][warp]);
    const float score = __uint_as_float(static_cast<unsigned>(top >> 32));
    if (!top || !(score > rule.floor || (rule.at_floor && score == rule.floor))) break;  // the same for all threads
    const unsigned chosen = 0xffffffffu - static_cast<unsigned>(top);
    const Box<float> box = box_at(boxes, chosen);
    const float area = iou_area(box, rule.pixel);
    mine = 0;
    for (int i = start + threadIdx.x; i < stop; i += THREADS) {
      if (kept[i]) continue;
      const unsigned index = index_of(keys[i], index_bits);
      if (index == chosen) {
        kept[i] = 1;
        out[index] = lowered[i];
        continue;
      }
      const Box<float> own = box_at(sorted, i);
      const float left = decayed(lowered[i], iou(own, iou_area(own, rule.pixel), box, area, rule.pixel, rule.empty), rule);
      lowered[i] = left;
      mine = max(mine, rank_of(left, index));
    }
  }
}
