// A convolution as sums that gather: what the tiled kernels are told. Forward and the gradient of the input are both of
// this form, so each kernel computes both.
//
//   y[n][g, m][i to_step + to_first]  =  sum over c, u, v of  f(g, m, c, u, v) * x[n][g, c][i step + first + u tap]
//
// written here for one axis of the two. Pixels outside of x are zero. As a matrix product of a group: filters rows,
// images * rows * columns columns (the places), and channels * kh * kw terms, c slowest and v fastest.
//
// The gradient of the input has its filters turned around, which are read from the last tap on (w_row, w_tap < 0). With
// a stride, the pixels of each phase (a % sh, b % sw) see every so manieth tap only: a Gather for each phase. So every
// number is written by one thread, in one order.
#pragma once

struct Gather {
  int images, groups;
  int channels, H, W;  // of a group; the map that is read
  int filters, oh, ow; // of a group; the map that is written
  int kh, kw;          // taps
  int rows, columns;   // places of an image
  int step_h, step_w, first_h, first_w, tap_h, tap_w;
  int to_step_h, to_step_w, to_first_h, to_first_w;
  int w_first, w_group, w_filter, w_channel, w_row, w_tap; // where f is in w, counted in numbers
};

// Where a place reads: its first pixel, which may be outside, and that pixel's number in x for channel 0 of the group.
struct Place {
  int at, i, j;
};

__device__ __forceinline__ Place gather_place(const Gather& p, int place, int group) {
  if (place >= p.images * p.rows * p.columns) return {0, -(1 << 30), 0}; // outside of everything
  const int n = place / (p.rows * p.columns), inside = place % (p.rows * p.columns);
  const int i = inside / p.columns * p.step_h + p.first_h, j = inside % p.columns * p.step_w + p.first_w;
  return {(n * p.groups + group) * p.channels * p.H * p.W + i * p.W + j, i, j};
}

// Where the first row of the group is written for a place, in y.
__device__ __forceinline__ int gather_target(const Gather& p, int place, int group) {
  const int n = place / (p.rows * p.columns), inside = place % (p.rows * p.columns);
  const int a = inside / p.columns * p.to_step_h + p.to_first_h, b = inside % p.columns * p.to_step_w + p.to_first_w;
  return ((n * p.groups + group) * p.filters * p.oh + a) * p.ow + b;
}

// One number of the filters: row m and term k of the product.
__device__ __forceinline__ float gather_filter(const Gather& p, const float* __restrict__ w, int group, int m, int k) {
  const int c = k / (p.kh * p.kw), u = k / p.kw % p.kh, v = k % p.kw;
  return w[p.w_first + group * p.w_group + m * p.w_filter + c * p.w_channel + u * p.w_row + v * p.w_tap];
}
