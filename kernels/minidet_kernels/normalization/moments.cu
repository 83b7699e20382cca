// Mean and variance of each channel of x (N, C, L), and the line that normalises it: two kernels, no atomics, and every
// sum in an order that the sizes alone decide, so the same bits on every GPU.
//
// Numbers are counted from a guess of the mean, that of up to 32 samples spread over the channel, so that neither sum
// loses digits to a large mean: d = x - guess, sums of d and of d d in float64 (three instructions a number, which an
// H100 does far faster than memory brings numbers). mean = guess + sum d / n,  var = sum d d / n - (sum d / n)^2.
//
//   moments        a block takes `part` numbers of one channel: sums (C, splits, 2) float64, and guess (C)
//   moments_line   a warp adds up the parts of a channel: mean, var (C) float64, and table (3, C): m, a, b of Line
//
// Launch: moments: grid (C, splits), block (THREADS); x begins at a multiple of 16 bytes; PACKED where L is a multiple
// of Pack::size, and so `part`. moments_line: grid (C), block (32).
#include "channel.cuh"

template <typename T>
__device__ __forceinline__ T guess_of_mean(const T* __restrict__ x, unsigned c, unsigned C, unsigned L, unsigned n) {
  __shared__ T guess;
  if (threadIdx.x < 32) {
    const unsigned samples = n < 32 ? n : 32, i = threadIdx.x;
    const unsigned j = static_cast<unsigned>(static_cast<unsigned long long>(i) * n / samples);
    Two sum = {i < samples ? static_cast<double>(x[place(j, c, C, L)]) : 0.0, 0.0};
    sum = warp_sum(sum);
    if (i == 0) {
      const T mean = static_cast<T>(sum.a / samples);
      guess = mean - mean == T(0) ? mean : T(0);  // an infinity or a NaN is to be met once, in the sums
    }
  }
  __syncthreads();
  return guess;
}

template <typename T, bool PACKED>
__global__ void __launch_bounds__(THREADS) moments(const T* __restrict__ x, double* __restrict__ sums,
                                                   T* __restrict__ guesses, unsigned C, unsigned L, unsigned n,
                                                   unsigned part) {
  const unsigned c = blockIdx.x, from = blockIdx.y * part, to = min(n, from + part);
  const T guess = guess_of_mean(x, c, C, L, n);
  Two sum = {0, 0};
  constexpr int V = PACKED ? Pack<T>::size : 1;
#pragma unroll 4
  for (unsigned j = from + threadIdx.x * V; j < to; j += THREADS * V) {
    const T* at = x + place(j, c, C, L);
    Pack<T> some;
    if (PACKED)
      some = *packs(at);
    else
      some.at[0] = *at;
#pragma unroll
    for (int k = 0; k < V; k++) {
      const double d = some.at[k] - guess;
      sum.a += d;
      sum.b = fma(d, d, sum.b);
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    double* out = sums + 2 * (static_cast<size_t>(c) * gridDim.y + blockIdx.y);
    out[0] = sum.a;
    out[1] = sum.b;
    if (blockIdx.y == 0) guesses[c] = guess;
  }
}

// W: what weight and bias are; either may be null, for 1 and 0.
template <typename T, typename W>
__global__ void __launch_bounds__(32) moments_line(const double* __restrict__ sums, const T* __restrict__ guesses,
                                                   const W* __restrict__ weight, const W* __restrict__ bias,
                                                   double* __restrict__ mean, double* __restrict__ var,
                                                   T* __restrict__ table, int splits, double n, double eps, int outside,
                                                   int unbiased) {
  const unsigned c = blockIdx.x, C = gridDim.x;
  const Two sum = sum_of_parts(sums + 2 * static_cast<size_t>(c) * splits, splits);
  if (threadIdx.x) return;
  const double off = sum.a / n, m = guesses[c] + off;
  double v = sum.b / n - off * off;
  if (v < 0) v = 0;  // which is a rounding; a NaN stays
  mean[c] = m;
  var[c] = v;
  const Line<T> made = line<T>(m, deviation(v, n, eps, outside, unbiased), weight ? weight[c] : 1, bias ? bias[c] : 0);
  table[c] = made.m;
  table[C + c] = made.a;
  table[2 * C + c] = made.b;
}
