// For kernels in which every box looks at all better ones of its segment: from which place on.
#pragma once
#include "key.cuh"

// The first place of the segment of the box at `place`; the place itself where the box is left out or there is none.
__device__ __forceinline__ int first_of_segment(const Key* keys, const int* starts, int place, int n, int segments, int index_bits) {
  if (place >= n) return place;
  const Key segment = segment_of(keys[place], index_bits);
  return segment < static_cast<Key>(segments) ? starts[segment] : place;
}
