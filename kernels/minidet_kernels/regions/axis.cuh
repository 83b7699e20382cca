// Where a region looks along one axis, and how much of an element each of its outputs takes: in float64, operation by
// operation as the room's definition computes it, so that no sample falls on the other side of an edge.
//
// `Align` is RoIAlign, a mean of samples; `Crop` is crop_and_resize, one sample. Both are sums of rows and of columns:
//
//   y[k][c][i][j] = sum over r, s of share_rows(i, r) share_columns(j, s) x[n][c][r][s]
#pragma once

// A sample between elements `low` and `low + 1` (never behind the last), `part` of the way; if it lies `inside`.
struct Sample {
  int low;
  double part;
  bool inside;
};

__device__ __forceinline__ Sample between(double p, double before, double behind, int n) {
  const bool inside = p >= before && p <= behind;
  p = fmin(fmax(p, 0.0), n - 1.0);
  const double low = floor(p);
  return {static_cast<int>(low), p - low, inside};
}

__device__ __forceinline__ double share_of(const Sample& s, int r) {
  return !s.inside ? 0.0 : r == s.low ? 1 - s.part : r == s.low + 1 ? s.part : 0.0;
}

struct AlignAxis {
  double start, step, before, behind;
  int grid, n;  // samples per output; elements

  __device__ __forceinline__ Sample sample(int i, int u) const {
    return between(start + i * step + (u + 0.5) * step / max(grid, 1), before, behind, n);
  }

  // Elements that the first `many` outputs from i on may take, at most; none if low > high.
  __device__ __forceinline__ void span(int i, int many, int* low, int* high) const {
    const int a = sample(i, 0).low, b = sample(i + many - 1, max(grid - 1, 0)).low;
    *low = grid ? min(a, b) : n;
    *high = grid ? min(max(a, b) + 1, n - 1) : -1;
  }

  // The share of element r in output i: the mean of the samples' shares, of which only those nearby are looked at.
  __device__ __forceinline__ double share(int i, int r) const {
    if (!grid) return 0;
    const double from = start + i * step;
    double first = 0, last = grid;
    if (step != 0) {  // places below r + 1 and above r - 1; the border's elements have all that lies beyond them as well
      const double a = r == 0 ? -INFINITY : (r - 1 - from) * grid / step - 0.5;
      const double b = r == n - 1 ? INFINITY : (r + 1 - from) * grid / step - 0.5;
      const double low = step > 0 || r != 0 ? a : INFINITY, high = step > 0 || r != n - 1 ? b : -INFINITY;
      first = fmax(floor(fmin(low, high)) - 1, 0.0);
      last = fmax(fmin(ceil(fmax(low, high)) + 2, static_cast<double>(grid)), 0.0);
    }
    double sum = 0;
    for (int u = static_cast<int>(fmin(first, last)); u < static_cast<int>(last); u++) sum += share_of(sample(i, u), r);
    return sum / grid;
  }
};

struct Align {
  double scale, offset, least;
  int ratio, outside;  // samples per output, 0 for adaptive; 0 margin, 1 zero, 2 border

  // `low` and `high` are the region's coordinates along the axis, which has n elements and `out` outputs.
  __device__ __forceinline__ AlignAxis axis(double low, double high, int out, int n) const {
    const double start = low * scale - offset, end = high * scale - offset;
    const double step = fmax(end - start, least) / out;
    const int grid = ratio > 0 ? ratio : static_cast<int>(ceil(fmax(step, 0.0)));
    const double before = outside == 0 ? -1.0 : outside == 1 ? 0.0 : -INFINITY;
    const double behind = outside == 0 ? n : outside == 1 ? n - 1 : INFINITY;
    return {start, step, before, behind, grid, n};
  }
};

struct CropAxis {
  double first, second;
  int out, n, nearest;

  __device__ __forceinline__ double place(int i) const {
    return out > 1 ? first + i * ((second - first) / (out - 1)) : 0.5 * (first + second);
  }
  __device__ __forceinline__ Sample sample(int i, int) const {
    Sample s = between(place(i), 0, n - 1, n);
    if (nearest) s = {s.low + (s.part >= 0.5), 0.0, s.inside};  // halves go up
    return s;
  }
  __device__ __forceinline__ void span(int i, int many, int* low, int* high) const {
    const int a = sample(i, 0).low, b = sample(i + many - 1, 0).low;
    *low = min(a, b);
    *high = min(max(a, b) + 1, n - 1);
  }
  __device__ __forceinline__ double share(int i, int r) const { return share_of(sample(i, 0), r); }
};

struct Crop {
  int unit, nearest;  // what a coordinate counts in: 0 the last element, 1 the number of elements, 2 an element

  __device__ __forceinline__ CropAxis axis(double low, double high, int out, int n) const {
    const double length = unit == 0 ? n - 1 : unit == 1 ? n : 1;
    return {low * length, high * length, out, n, nearest};
  }
};
