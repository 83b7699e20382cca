// IoU of every box of a (m, 4) with every box of b (n, 4): out (m, n), float32.
//
// A block makes a tile of ROWS x TILE. Each thread holds one box of b and walks down the tile; the boxes of a and their
// areas are the same for the whole block, so they are put into shared memory once. Writes of a warp are contiguous.
//
// Launch: grid (ceil(n / TILE), ceil(m / ROWS)), block (TILE).
#include "iou.cuh"

#ifndef TILE
#define TILE 128
#endif
#ifndef ROWS
#define ROWS 16
#endif

extern "C" __global__ void __launch_bounds__(TILE) iou_matrix(const float* __restrict__ a, const float* __restrict__ b,
                                                              float* __restrict__ out, int m, int n, float pixel, float empty) {
  __shared__ Box<float> boxes[ROWS];
  __shared__ float areas[ROWS];
  const int first = blockIdx.y * ROWS;
  const int rows = min(ROWS, m - first);
  for (int i = threadIdx.x; i < rows; i += TILE) {
    boxes[i] = box_at(a, first + i);
    areas[i] = iou_area(boxes[i], pixel);
  }
  __syncthreads();
  const int j = blockIdx.x * TILE + threadIdx.x;
  if (j >= n) return;
  const Box<float> box = box_at(b, j);
  const float area = iou_area(box, pixel);
  for (int i = 0; i < rows; i++)
    out[static_cast<size_t>(first + i) * n + j] = iou(boxes[i], areas[i], box, area, pixel, empty);
}
