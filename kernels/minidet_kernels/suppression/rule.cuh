// Whether one box drops another: the definition's own operations, one rounding each, in that order.
#pragma once
#include "../overlap/iou.cuh"

// beta 0: by IoU alone. Otherwise (diou_nms) by IoU - (d^2 / c^2)^beta, d the distance of the centres, c the diagonal of
// the box around both; the power in double, rounded once. DISTANT says at compile time whether beta is looked at.
struct Rule {
  float threshold, pixel, empty;
  bool inclusive;
  double beta;
};

template <bool DISTANT>
__device__ __forceinline__ bool drops(Box<float> a, float area_a, Box<float> b, float area_b, const Rule& rule) {
  float value = iou(a, area_a, b, area_b, rule.pixel, rule.empty);
  if (DISTANT) {
    if (!(value >= rule.threshold)) return false;  // what is taken away is not below zero
    const float w = iou_extent(fminf(a.x1, b.x1), fmaxf(a.x2, b.x2), rule.pixel);
    const float h = iou_extent(fminf(a.y1, b.y1), fmaxf(a.y2, b.y2), rule.pixel);
    const float dx = (a.x1 + a.x2) - (b.x1 + b.x2), dy = (a.y1 + a.y2) - (b.y1 + b.y2);  // twice the distance
    const float whole = w * w + h * h;
    const float share = whole == 0.0f ? 0.0f : (dx * dx + dy * dy) * 0.25f / whole;
    value = value - (rule.beta == 1.0 ? share : static_cast<float>(pow(static_cast<double>(share), rule.beta)));
  }
  return value > rule.threshold || (rule.inclusive && value == rule.threshold);
}
