// An overlap of each box of a (m, 4) with the box of b (m, 4) in the same row: out (m). A thread for each pair.
//
// 36 bytes for each pair of float32 and some sixty operations: memory sets the time, and each box is one load.
//
// Launch: grid (ceil(m / 256)), block (256).
#include "family.cuh"

template <class T, int KIND>
__global__ void __launch_bounds__(256)
    family_pairs(const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ out, int m, T pixel, T empty) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  if (i >= m) return;
  const Box<T> one = box_at(a, i), other = box_at(b, i);
  const Measured<T> x = {one, iou_area(one, pixel), KIND == CIOU ? box_angle(one, pixel) : T(0), false};
  const Measured<T> y = {other, iou_area(other, pixel), KIND == CIOU ? box_angle(other, pixel) : T(0), false};
  out[i] = overlap<KIND>(x, y, pixel, empty);
}
