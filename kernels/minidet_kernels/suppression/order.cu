// Before and after the sorting of keys (key.cuh): keys of boxes, boxes in order, where segments start, and who is kept.
//
// Launch, all of them: a thread for each box, segment or place, block (256).
#include "../overlap/iou.cuh"
#include "key.cuh"

__device__ __forceinline__ int thread_of_grid() { return blockIdx.x * 256 + threadIdx.x; }

// keys (n). The segment of a box is images[i] * classes_of + classes[i]; null counts as zeros. A box is left out when
// its score is below `floor` or NaN, or its class or image is none of 0 .. classes_of - 1 and 0 .. images_of - 1.
extern "C" __global__ void __launch_bounds__(256)
    make_keys(const float* __restrict__ scores, const long long* __restrict__ classes, const long long* __restrict__ images,
              Key* __restrict__ keys, int n, int classes_of, int images_of, float floor, int index_bits) {
  const int i = thread_of_grid();
  if (i >= n) return;
  const long long label = classes ? classes[i] : 0, image = images ? images[i] : 0;
  const bool counts = scores[i] >= floor && label >= 0 && label < classes_of && image >= 0 && image < images_of;
  keys[i] = counts ? key_of(static_cast<Key>(image) * classes_of + label, scores[i], i, index_bits) : LEFT_OUT;
}

// How many of the sorted keys are of a segment (or image) before this one: where it starts.
__device__ __forceinline__ int start_of(const Key* keys, int n, Key segment, int index_bits) {
  int low = 0, high = n;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (segment_of(keys[middle], index_bits) < segment) low = middle + 1;
    else high = middle;
  }
  return low;
}

// In the order of the keys: boxes (n, 4) and scores (n), unless null, and `kept` (n), which is 1 unless a box is left out;
// and starts (segments + 1): the first place of each segment, and where those that are left out begin. A thread for each of
// the n or of the segments + 1, whichever are more.
extern "C" __global__ void __launch_bounds__(256)
    in_order(const Key* __restrict__ keys, const float* __restrict__ boxes, const float* __restrict__ scores,
             float* __restrict__ sorted, float* __restrict__ sorted_scores, unsigned char* __restrict__ kept,
             int* __restrict__ starts, int n, int segments, int index_bits) {
  const int place = thread_of_grid();
  if (place <= segments) starts[place] = start_of(keys, n, place, index_bits);
  if (place >= n) return;
  const bool counts = keys[place] != LEFT_OUT;
  const unsigned i = counts ? index_of(keys[place], index_bits) : 0;
  if (boxes) reinterpret_cast<float4*>(sorted)[place] = reinterpret_cast<const float4*>(boxes)[i];
  if (scores) sorted_scores[place] = scores[i];
  kept[place] = counts;
}

// The keys of the kept alone, by image and then as before, or with `scores` (n), in the order of the boxes, by these; all
// others are left out.
extern "C" __global__ void __launch_bounds__(256)
    keys_of_kept(const Key* __restrict__ keys, const unsigned char* __restrict__ kept, const float* __restrict__ scores,
                 Key* __restrict__ made, int n, int classes_of, int index_bits) {
  const int place = thread_of_grid();
  if (place >= n) return;
  Key key = LEFT_OUT;
  if (kept[place]) {
    const Key image = segment_of(keys[place], index_bits) / classes_of;
    const Key below = keys[place] & ((static_cast<Key>(1) << (32 + index_bits)) - 1);  // score and index
    const unsigned index = index_of(keys[place], index_bits);
    key = scores ? key_of(image, scores[index], index, index_bits) : image << (32 + index_bits) | below;
  }
  made[place] = key;
}

// Of the sorted keys of the kept: kept (images, most), indices of boxes, -1 where there are no more, and count (images).
// Here the grid has a row for each image.
extern "C" __global__ void __launch_bounds__(256)
    list_kept(const Key* __restrict__ keys, long long* __restrict__ kept, int* __restrict__ count, int n, int most, int index_bits) {
  const int k = thread_of_grid(), image = blockIdx.y;
  const int start = start_of(keys, n, image, index_bits);  // a block reads the same keys all along
  const int found = min(start_of(keys, n, image + 1, index_bits) - start, most);
  if (k == 0) count[image] = found;
  if (k >= most) return;
  const Key key = k < found ? keys[start + k] : 0;
  kept[static_cast<size_t>(image) * most + k] = k < found ? static_cast<long long>(index_of(key, index_bits)) : -1;
}
