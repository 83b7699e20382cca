// The windows of a pooling: along one axis window i covers i * stride - before and size - 1 elements behind it.
#pragma once

struct Windows {
  int n, size, stride, before, after, out;  // n elements, padded by `before` and `after`; `out` windows
};

__device__ __forceinline__ int window_first(const Windows& v, int i) { return max(i * v.stride - v.before, 0); }
__device__ __forceinline__ int window_last(const Windows& v, int i) {  // one past the last
  return min(i * v.stride - v.before + v.size, v.n);
}
// Elements of window i, the padding counted; a window is cut where the padding ends.
__device__ __forceinline__ int window_padded(const Windows& v, int i) {
  const int start = i * v.stride - v.before;
  return min(start + v.size, v.n + v.after) - start;
}
// First and one past the last of the windows that element r is in.
__device__ __forceinline__ void windows_of(const Windows& v, int r, int* first, int* last) {
  const int behind = r + v.before - v.size;  // windows that start here or before end before r
  *first = behind < 0 ? 0 : behind / v.stride + 1;
  *last = min((r + v.before) / v.stride + 1, v.out);
}

// Whether `value` takes the place of `best`, which was found before it: a NaN is greatest, and of equals the first stays.
template <typename T>
__device__ __forceinline__ bool wins(T value, T best) {
  return !(value <= best) && best == best;
}
