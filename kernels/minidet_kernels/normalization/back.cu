// Back through y = f(u), u = (x - m) a + b, where m, a and b come from the statistics of x (N, C, L): four kernels, no
// atomics, every sum in an order that the sizes alone decide. u is computed from x again, so that only x need be kept.
//
//   lines        a thread makes one channel's line from its statistics: the first three rows of table (5, C), m, a, b
//   back_sums    a block takes `part` numbers of one channel: with h = g f'(u), the sums of h and of h (x - m), float64
//   back_line    a warp adds up the parts of a channel: the gradients by weight and bias, and the last rows of the table,
//                k and r such that dx = h a + (x - m) k + r
//   back_apply   dx of every number
//
// Launch: lines: grid (ceil(C / THREADS)), block (THREADS). back_sums: grid (C, splits), block (THREADS), PACKED where L
// is a multiple of Pack::size, and so `part`. back_line: grid (C), block (32). back_apply: grid (any number of blocks),
// block (THREADS). g, x and dx begin at a multiple of 16 bytes.
#include "channel.cuh"

// mean, var: of the batch. W: what weight and bias are; either may be null, for 1 and 0.
template <typename T, typename W>
__global__ void __launch_bounds__(THREADS)
    lines(const W* __restrict__ weight, const W* __restrict__ bias, const double* __restrict__ mean,
          const double* __restrict__ var, T* __restrict__ table, unsigned C, double n, double eps, int outside,
          int unbiased) {
  const unsigned c = blockIdx.x * THREADS + threadIdx.x;
  if (c >= C) return;
  const double sigma = deviation(var[c], n, eps, outside, unbiased);
  const Line<T> made = line<T>(mean[c], sigma, weight ? weight[c] : 1, bias ? bias[c] : 0);
  table[c] = made.m;
  table[C + c] = made.a;
  table[2 * C + c] = made.b;
}

template <class F, bool PACKED>
__global__ void __launch_bounds__(THREADS)
    back_sums(const typename F::Number* __restrict__ g, const typename F::Number* __restrict__ x,
              const typename F::Number* __restrict__ table, double* __restrict__ sums, typename F::Number parameter,
              unsigned C, unsigned L, unsigned n, unsigned part) {
  using T = typename F::Number;
  const F f(parameter);
  const unsigned c = blockIdx.x, from = blockIdx.y * part, to = min(n, from + part);
  const Line<T> line = {table[c], table[C + c], table[2 * C + c]};
  Two sum = {0, 0};
  constexpr int V = PACKED ? Pack<T>::size : 1;
#pragma unroll (sizeof(T) == 4 ? 4 : 2)
  for (unsigned j = from + threadIdx.x * V; j < to; j += THREADS * V) {
    const size_t at = place(j, c, C, L);
    Pack<T> some_g, some_x;
    if (PACKED) {
      some_g = *packs(g + at);
      some_x = *packs(x + at);
    } else {
      some_g.at[0] = g[at];
      some_x.at[0] = x[at];
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      const double h = some_g.at[k] * f.derivative(line(some_x.at[k]));
      sum.a += h;
      sum.b = fma(h, static_cast<double>(some_x.at[k] - line.m), sum.b);
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    double* out = sums + 2 * (static_cast<size_t>(c) * gridDim.y + blockIdx.y);
    out[0] = sum.a;
    out[1] = sum.b;
  }
}

template <typename T, typename W>
__global__ void __launch_bounds__(32)
    back_line(const double* __restrict__ sums, const W* __restrict__ weight, const double* __restrict__ mean,
              const double* __restrict__ var, double* __restrict__ of_weight, double* __restrict__ of_bias,
              T* __restrict__ table, int splits, double n, double eps, int outside, int unbiased) {
  const unsigned c = blockIdx.x, C = gridDim.x;
  const Two sum = sum_of_parts(sums + 2 * static_cast<size_t>(c) * splits, splits);
  if (threadIdx.x) return;
  const double sigma = deviation(var[c], n, eps, outside, unbiased), scale = (weight ? weight[c] : 1) / sigma;
  const double rounded = mean[c] - table[c];  // what the sums' m is off by
  const double z = (sum.b - rounded * sum.a) / sigma;
  double through = 1;  // how much of z goes back through the variance: see the head of the room
  if (outside) {
    const double root = sqrt(unbiased ? var[c] * (n / (n - 1)) : var[c]);
    through = root > 0 ? sigma / root : 0;
  }
  const double k = -scale * z * (through / (unbiased ? n - 1 : n)) / sigma;
  of_weight[c] = z;
  of_bias[c] = sum.a;
  table[3 * C + c] = static_cast<T>(k);
  table[4 * C + c] = static_cast<T>(-scale * sum.a / n - k * rounded);
}

template <typename T>
struct Back {
  Line<T> line;
  T k, r;
  __device__ Back(const T* __restrict__ table, unsigned c, unsigned C)
      : line{table[c], table[C + c], table[2 * C + c]}, k(table[3 * C + c]), r(table[4 * C + c]) {}
  template <class F>
  __device__ T operator()(const F& f, T g, T x) const {
    return multiply_add(g * f.derivative(line(x)), line.a, multiply_add(x - line.m, k, r));
  }
};

template <class F>
__global__ void __launch_bounds__(THREADS)
    back_apply(const typename F::Number* __restrict__ g, const typename F::Number* __restrict__ x,
               const typename F::Number* __restrict__ table, typename F::Number* __restrict__ dx,
               typename F::Number parameter, unsigned C, unsigned L, unsigned n) {
  using T = typename F::Number;
  using P = Pack<T>;
  const F f(parameter);
  const unsigned whole = n / P::size, first = blockIdx.x * THREADS + threadIdx.x;
  for (unsigned i = first; i < whole; i += gridDim.x * THREADS) {
    P some = packs(g)[i];
    const P some_x = packs(x)[i];
    const unsigned row = i * P::size / L;
    unsigned left = L - (i * P::size - row * L), c = row % C;  // numbers left of this map
    Back<T> back(table, c, C);
#pragma unroll
    for (int k = 0; k < P::size; k++) {
      if (left == 0) {
        left = L;
        c = c + 1 == C ? 0 : c + 1;
        back = Back<T>(table, c, C);
      }
      left--;
      some.at[k] = back(f, some.at[k], some_x.at[k]);
    }
    packs(dx)[i] = some;
  }
  const unsigned i = whole * P::size + first;
  if (i < n) dx[i] = Back<T>(table, i / L % C, C)(f, g[i], x[i]);
}
