// An activation of every number, y = f(x), and its way back, out = g f'(x): x, y, g, out of n numbers each.
//
// Nothing but memory is the limit, so each thread moves 16 bytes at a time (Pack), a warp 512 in a row, and the grid is
// as large as fills the GPU a few times over; threads go on by the grid's size. The last n % Pack::size numbers, which
// fill no pack, are taken one by one by the first threads.
//
// Launch: grid (any number of blocks), block (THREADS); all arrays begin at a multiple of 16 bytes.
#include "../cuda/pack.cuh"
#include "functions.cuh"

#ifndef THREADS
#define THREADS 256
#endif

template <class F>
__global__ void __launch_bounds__(THREADS) activate(const typename F::Number* __restrict__ x,
                                                    typename F::Number* __restrict__ y,
                                                    typename F::Number parameter, long long n) {
  using P = Pack<typename F::Number>;
  const F f(parameter);
  const long long whole = n / P::size, step = static_cast<long long>(gridDim.x) * THREADS;
  const long long first = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
  for (long long i = first; i < whole; i += step) {
    P a = packs(x)[i];
#pragma unroll
    for (int k = 0; k < P::size; k++) a.at[k] = f.value(a.at[k]);
    packs(y)[i] = a;
  }
  const long long i = whole * P::size + first;
  if (i < n) y[i] = f.value(x[i]);
}

template <class F>
__global__ void __launch_bounds__(THREADS) activate_back(const typename F::Number* __restrict__ g,
                                                         const typename F::Number* __restrict__ x,
                                                         typename F::Number* __restrict__ out,
                                                         typename F::Number parameter, long long n) {
  using P = Pack<typename F::Number>;
  const F f(parameter);
  const long long whole = n / P::size, step = static_cast<long long>(gridDim.x) * THREADS;
  const long long first = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
  for (long long i = first; i < whole; i += step) {
    P a = packs(g)[i];
    const P b = packs(x)[i];
#pragma unroll
    for (int k = 0; k < P::size; k++) a.at[k] = a.at[k] * f.derivative(b.at[k]);
    packs(out)[i] = a;
  }
  const long long i = whole * P::size + first;
  if (i < n) out[i] = g[i] * f.derivative(x[i]);
}
