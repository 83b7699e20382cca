// Which boxes overlap which too much: mask (n, words) of 64 bits, words = ceil(n / 64).
//
// Boxes (n, 4), float32, are sorted, the best score first. Bit k of mask[i][w] says that box i drops box 64 w + k, were
// it kept itself: box 64 w + k comes after i, and their IoU is above `threshold` (with `inclusive`: or equal to it).
// A block compares 64 boxes (rows) with 64 boxes (columns), which are put into shared memory: a thread for each row.
// Blocks below the diagonal have nothing to compare and write zeros.
//
// Launch: grid (words, words), block (64).
#include "../overlap/iou.cuh"

extern "C" __global__ void __launch_bounds__(64) nms_mask(const float* __restrict__ boxes, unsigned long long* __restrict__ mask,
                                                          int n, float threshold, int inclusive, float pixel, float empty) {
  __shared__ Box<float> others[64];
  __shared__ float areas[64];
  const int row = blockIdx.y * 64 + threadIdx.x;
  const int column = blockIdx.x * 64;
  const bool above = blockIdx.x >= blockIdx.y;
  const int columns = min(64, n - column);
  if (above && threadIdx.x < columns) {
    others[threadIdx.x] = box_at(boxes, column + threadIdx.x);
    areas[threadIdx.x] = iou_area(others[threadIdx.x], pixel);
  }
  __syncthreads();
  if (row >= n) return;
  unsigned long long bits = 0;
  if (above) {
    const Box<float> box = box_at(boxes, row);
    const float area = iou_area(box, pixel);
    for (int k = max(0, row + 1 - column); k < columns; k++) {
      const float overlap = iou(box, area, others[k], areas[k], pixel, empty);
      if (overlap > threshold || (inclusive && overlap == threshold)) bits |= 1ull << k;
    }
  }
  mask[static_cast<size_t>(row) * gridDim.x + blockIdx.x] = bits;
}
