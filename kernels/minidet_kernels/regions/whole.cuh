// The bins of RoIPool in whole elements, computed in the regions' own type R, operation by operation as `whole.py`.
#pragma once

struct Pool {
  double scale;
  int half_even, inclusive, rounded;
};

// First element and one past the last of bin i of `out`, of a region from `a` to `b`, inside an axis of n elements.
template <typename R>
__device__ __forceinline__ void bin(const Pool& how, R a, R b, int i, int out, int n, int* first, int* last) {
  long long ends[2];
  for (int side = 0; side < 2; side++) {
    const R far = static_cast<R>(1LL << 40);
    const R corner = min(max((side ? b : a) * static_cast<R>(how.scale), -far), far);
    const R whole = trunc(corner);
    const R away = whole + (fabs(corner - whole) >= R(0.5) ? (corner < 0 ? R(-1) : R(1)) : R(0));  // halves, as C rounds
    ends[side] = static_cast<long long>(how.half_even ? rint(corner) : away);
  }
  const long long length = max(ends[1] - ends[0] + how.inclusive, 1LL);
  long long low = i * length / out, high = ((i + 1) * length + out - 1) / out;
  if (how.rounded) {
    const R step = static_cast<R>(length) / static_cast<R>(out);
    low = static_cast<long long>(floor(static_cast<R>(i) * step));
    high = static_cast<long long>(ceil((static_cast<R>(i) + 1) * step));
  }
  *first = static_cast<int>(min(max(ends[0] + low, 0LL), static_cast<long long>(n)));
  *last = static_cast<int>(min(max(ends[0] + high, 0LL), static_cast<long long>(n)));
}
