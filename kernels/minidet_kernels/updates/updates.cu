// A step of an optimiser over one parameter, in place: each number of p, g and the moments is read once, and p and the
// moments are written once. Compiled with -fmad=false: one rounding per operation, as the definition does.
//
// Memory is the limit: PACKED moves 16 bytes a thread at a time, where all arrays begin at a multiple of 16 bytes;
// the last n % Pack::size numbers are taken one by one by the first threads.
//
// Launch: grid (any number of blocks), block (THREADS).
#include "../cuda/pack.cuh"

#ifndef THREADS
#define THREADS 256
#endif

enum { PLAIN, FIRST, MOVING };  // no velocity; one that holds nothing yet, and becomes the gradient; one that goes on

template <typename T, int KIND>
struct Sgd {
  T lr, momentum, decay;
  int decays, nesterov;  // decays: add decay p to the gradient
  __device__ void operator()(T& p, T g, T& v) const {
    T down = decays ? g + decay * p : g;
    if (KIND != PLAIN) {
      v = KIND == FIRST ? down : v * momentum + down;
      down = nesterov ? down + momentum * v : v;
    }
    p = p - lr * down;
  }
};

template <typename T, bool PACKED, int KIND>
__global__ void __launch_bounds__(THREADS) sgd(T* __restrict__ p, const T* __restrict__ g, T* __restrict__ v, T lr,
                                               T momentum, T decay, int decays, int nesterov, long long n) {
  constexpr int V = PACKED ? Pack<T>::size : 1;
  const Sgd<T, KIND> step = {lr, momentum, decay, decays, nesterov};
  const long long whole = n / V, start = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
  for (long long i = start; i < whole; i += static_cast<long long>(gridDim.x) * THREADS) {
    if (PACKED) {
      Pack<T> some_p = packs(p)[i], some_v = {};
      const Pack<T> some_g = packs(g)[i];
      if (KIND == MOVING) some_v = packs(v)[i];
#pragma unroll
      for (int k = 0; k < V; k++) step(some_p.at[k], some_g.at[k], some_v.at[k]);
      packs(p)[i] = some_p;
      if (KIND != PLAIN) packs(v)[i] = some_v;
    } else {
      T none = 0;
      step(p[i], g[i], KIND == PLAIN ? none : v[i]);
    }
  }
  const long long i = whole * V + start;
  T none = 0;
  if (i < n) step(p[i], g[i], KIND == PLAIN ? none : v[i]);
}

// shrinks: p times `shrink` before all else. `root` and `rate` hold the corrections of this step's number.
template <typename T>
struct Adam {
  T shrink, decay, b1, rest1, b2, rest2, root, eps, rate;
  bool shrinks, decays;
  __device__ void operator()(T& p, T g, T& m, T& v) const {
    if (shrinks) p = p * shrink;
    if (decays) g = g + decay * p;
    m = m * b1 + rest1 * g;
    v = v * b2 + g * g * rest2;
    p = p - m / (sqrt(v) / root + eps) * rate;
  }
};

template <typename T, bool PACKED>
__global__ void __launch_bounds__(THREADS) adam(T* __restrict__ p, const T* __restrict__ g, T* __restrict__ m,
                                                T* __restrict__ v, T shrink, T decay, T b1, T rest1, T b2, T rest2,
                                                T root, T eps, T rate, int shrinks, int decays, long long n) {
  constexpr int V = PACKED ? Pack<T>::size : 1;
  const Adam<T> step = {shrink, decay, b1, rest1, b2, rest2, root, eps, rate, shrinks != 0, decays != 0};
  const long long whole = n / V, start = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x;
  for (long long i = start; i < whole; i += static_cast<long long>(gridDim.x) * THREADS) {
    if (PACKED) {
      Pack<T> some_p = packs(p)[i], some_m = packs(m)[i], some_v = packs(v)[i];
      const Pack<T> some_g = packs(g)[i];
#pragma unroll
      for (int k = 0; k < V; k++) step(some_p.at[k], some_g.at[k], some_m.at[k], some_v.at[k]);
      packs(p)[i] = some_p;
      packs(m)[i] = some_m;
      packs(v)[i] = some_v;
    } else {
      step(p[i], g[i], m[i], v[i]);
    }
  }
  const long long i = whole * V + start;
  if (i < n) step(p[i], g[i], m[i], v[i]);
}
