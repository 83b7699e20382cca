// GIoU, DIoU, CIoU, and IoU with crowds, of two boxes: the operations of the definitions (family.py), in their order.
#pragma once
#include "iou.cuh"

enum Kind { IOU, GIOU, DIOU, CIOU, CROWD };

// A box, its area, the angle of its diagonal (CIOU), and whether it is a crowd (CROWD, the second box).
template <class T>
struct alignas(16) Measured {
  Box<T> box;
  T area, angle;
  bool crowd;
};

template <class T>
__device__ __forceinline__ T share(T part, T whole) { return whole == T(0) ? T(0) : part / whole; }

// arctan(w / h), in double and rounded once: what libraries differ in is far below a float's last digit.
template <class T>
__device__ __forceinline__ T box_angle(Box<T> box, T pixel) {
  const T w = iou_side(box.x1, box.x2, pixel), h = iou_side(box.y1, box.y2, pixel);
  return static_cast<T>(atan2(static_cast<double>(w), static_cast<double>(h)));
}

// These keep a NaN: the union with a crowd has no area of the crowd that would.
template <class T>
__device__ __forceinline__ T greater_or_nan(T a, T b) { return a > b || a != a ? a : b; }
template <class T>
__device__ __forceinline__ T lesser_or_nan(T a, T b) { return a < b || a != a ? a : b; }
template <class T>
__device__ __forceinline__ T crowd_iou(const Measured<T>& a, const Measured<T>& b, T pixel, T empty) {
  const T inter = iou_side(greater_or_nan(a.box.x1, b.box.x1), lesser_or_nan(a.box.x2, b.box.x2), pixel) *
                  iou_side(greater_or_nan(a.box.y1, b.box.y1), lesser_or_nan(a.box.y2, b.box.y2), pixel);
  const T whole = b.crowd ? a.area : a.area + b.area - inter;
  return whole == T(0) && inter == T(0) ? empty : inter / whole;
}

template <int KIND, class T>
__device__ __forceinline__ T overlap(const Measured<T>& a, const Measured<T>& b, T pixel, T empty) {
  if (KIND == CROWD) return crowd_iou(a, b, pixel, empty);
  const T inter = iou_intersection(a.box, b.box, pixel);
  const T both = a.area + b.area - inter;
  const T iou = both == T(0) ? empty : inter / both;
  if (KIND == IOU) return iou;
  const T w = iou_extent(fmin(a.box.x1, b.box.x1), fmax(a.box.x2, b.box.x2), pixel);  // the box around both
  const T h = iou_extent(fmin(a.box.y1, b.box.y1), fmax(a.box.y2, b.box.y2), pixel);
  if (KIND == GIOU) return iou - share(w * h - both, w * h);
  const T dx = (a.box.x1 + a.box.x2) - (b.box.x1 + b.box.x2);  // twice the distance of the centres
  const T dy = (a.box.y1 + a.box.y2) - (b.box.y1 + b.box.y2);
  const T diou = iou - share((dx * dx + dy * dy) * T(0.25), w * w + h * h);
  if (KIND == DIOU) return diou;
  const T turn = a.angle - b.angle;
  const T v = turn * turn * T(0.4052847345693511);  // 4 / pi^2
  return diou - share(v * v, (T(1) - iou) + v);
}
