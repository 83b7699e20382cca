// Boxes x1 y1 x2 y2 and their IoU, as the room's definition computes it: one rounding per operation, in that order.
// Compile with -fmad=false and without flushing to zero, and it is bitwise what NumPy gives, in float and in double.
#pragma once

template <class T>
struct Box {
  T x1, y1, x2, y2;
};

// Box i of an array (n, 4) that begins at a multiple of 16 bytes: one load of 16 bytes, or two.
__device__ __forceinline__ Box<float> box_at(const float* boxes, size_t i) {
  const float4 v = reinterpret_cast<const float4*>(boxes)[i];
  return {v.x, v.y, v.z, v.w};
}
__device__ __forceinline__ Box<double> box_at(const double* boxes, size_t i) {
  const double2 low = reinterpret_cast<const double2*>(boxes)[2 * i], high = reinterpret_cast<const double2*>(boxes)[2 * i + 1];
  return {low.x, low.y, high.x, high.y};
}

template <class T>
__device__ __forceinline__ T iou_side(T low, T high, T pixel) {
  T side = high - low + pixel;
  return side < T(0) ? T(0) : side;  // a NaN stays one, which fmaxf would drop
}
template <class T>
__device__ __forceinline__ T iou_area(Box<T> box, T pixel) {
  return iou_side(box.x1, box.x2, pixel) * iou_side(box.y1, box.y2, pixel);
}

// The greater and the lesser of two numbers, and a side, in one instruction each. They lose a NaN, which is right beside an
// area that keeps it: where a corner is NaN, or a side is inf - inf, the area of a box is NaN, and so is what it enters.
template <class T>
__device__ __forceinline__ T iou_extent(T low, T high, T pixel) { return fmax(high - low + pixel, T(0)); }
template <class T>
__device__ __forceinline__ T iou_intersection(Box<T> a, Box<T> b, T pixel) {
  return iou_extent(fmax(a.x1, b.x1), fmin(a.x2, b.x2), pixel) * iou_extent(fmax(a.y1, b.y1), fmin(a.y2, b.y2), pixel);
}

// `pixel` is 1 where the side of a box is x2 - x1 + 1, else 0; `empty` is the value of 0/0.
template <class T>
__device__ __forceinline__ T iou(Box<T> a, T area_a, Box<T> b, T area_b, T pixel, T empty) {
  const T inter = iou_intersection(a, b, pixel);
  const T both = area_a + area_b - inter;
  return both == T(0) ? empty : inter / both;
}
