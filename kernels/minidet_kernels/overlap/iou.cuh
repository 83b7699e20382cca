// IoU of two boxes x1 y1 x2 y2, as the room's definition computes it: one rounding per operation, in that order.
// Compile with -fmad=false and without flushing to zero, and it is bitwise what NumPy gives in float32.
#pragma once

__device__ __forceinline__ float iou_side(float low, float high, float pixel) {
  float side = high - low + pixel;
  return side < 0.0f ? 0.0f : side;  // a NaN stays one, which fmaxf would drop
}
__device__ __forceinline__ float iou_greater(float a, float b) { return a > b || a != a ? a : b; }
__device__ __forceinline__ float iou_lesser(float a, float b) { return a < b || a != a ? a : b; }

__device__ __forceinline__ float iou_area(float4 box, float pixel) {
  return iou_side(box.x, box.z, pixel) * iou_side(box.y, box.w, pixel);
}

// `pixel` is 1 where the side of a box is x2 - x1 + 1, else 0; `empty` is the value of 0/0.
__device__ __forceinline__ float iou(float4 a, float area_a, float4 b, float area_b, float pixel, float empty) {
  float inter = iou_side(iou_greater(a.x, b.x), iou_lesser(a.z, b.z), pixel) *
                iou_side(iou_greater(a.y, b.y), iou_lesser(a.w, b.w), pixel);
  float both = area_a + area_b - inter;
  return both == 0.0f ? empty : inter / both;
}
