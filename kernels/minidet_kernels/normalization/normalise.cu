// y = f((x - m) a + b) of every number of x (N, C, L), with m, a and b of its channel, and f an activation.
//
// Memory is the limit: 16 bytes a thread at a time, whatever L is. Where a map ends inside a pack, the thread goes on
// with the next channel's line.
//
// Launch: grid (any number of blocks), block (THREADS); table (3, C) from moments_line; x and y begin at a multiple of
// 16 bytes.
#include "channel.cuh"

template <class F>
__global__ void __launch_bounds__(THREADS) normalise(const typename F::Number* __restrict__ x,
                                                     const typename F::Number* __restrict__ table,
                                                     typename F::Number* __restrict__ y, typename F::Number parameter,
                                                     unsigned C, unsigned L, unsigned n) {
  using T = typename F::Number;
  using P = Pack<T>;
  const F f(parameter);
  const unsigned whole = n / P::size, first = blockIdx.x * THREADS + threadIdx.x;
  for (unsigned i = first; i < whole; i += gridDim.x * THREADS) {
    P some = packs(x)[i];
    const unsigned row = i * P::size / L;
    unsigned left = L - (i * P::size - row * L), c = row % C;  // numbers left of this map
    Line<T> line = {table[c], table[C + c], table[2 * C + c]};
#pragma unroll
    for (int k = 0; k < P::size; k++) {
      if (left == 0) {
        left = L;
        c = c + 1 == C ? 0 : c + 1;
        line = {table[c], table[C + c], table[2 * C + c]};
      }
      left--;
      some.at[k] = f.value(line(some.at[k]));
    }
    packs(y)[i] = some;
  }
  const unsigned i = whole * P::size + first;
  if (i < n) {
    const unsigned c = i / L % C;
    y[i] = f.value(Line<T>{table[c], table[C + c], table[2 * C + c]}(x[i]));
  }
}
