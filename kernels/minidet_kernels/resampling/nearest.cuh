// Coordinates of one axis as whole numbers: output i of m on an axis of n inputs lies at (a i + b) / d.
//
// For nearest, a, b and d hold the rounding too: input min(max(floor((a i + b) / d), 0), n - 1), never a rounded scale.
// It does not fall as i rises, so the outputs of one input are neighbours, and the gradient needs no search.
#pragma once

struct Line {
  long long a, b, d;  // a and d at least 1
};

__device__ __forceinline__ long long floor_div(long long p, long long q) { return p / q - (p % q < 0); }

__device__ __forceinline__ int nearest_input(Line line, int i, int n) {
  const long long index = floor_div(line.a * i + line.b, line.d);
  return static_cast<int>(min(max(index, 0LL), static_cast<long long>(n - 1)));
}

// The first output at `place` or behind it, in units of the inputs; between 0 and m.
__device__ __forceinline__ int first_output(Line line, long long place, int m) {
  const long long i = -floor_div(line.b - place * line.d, line.a);
  return static_cast<int>(min(max(i, 0LL), static_cast<long long>(m)));
}

// First and one past the last of the m outputs that copy input r of n.
__device__ __forceinline__ void nearest_outputs(Line line, int r, int n, int m, int* first, int* last) {
  *first = r == 0 ? 0 : first_output(line, r, m);
  *last = r == n - 1 ? m : first_output(line, r + 1, m);
}
