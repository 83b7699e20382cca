// The filters of a Gather as the register tiles read them: (groups, terms, filters), with zeros up to whole tiles.
//
//   packed[g][k][m]  =  f(g, m, k)    0 where m >= filters or k >= terms
//
// So the tiles' loads are float4 side by side, whatever the filters' own order is and whether they are turned around, and
// no end of the matrix has to be looked for. It reads w once and writes it once, for thousands of uses of each number.
//
// Launch: grid (deep / 8, high / 32, groups), block (32, 8), for packed of (groups, deep, high).
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(256)
    conv2d_pack_filters(const float* __restrict__ w, float* __restrict__ packed, int deep, int high, const Gather p) {
  const int k = blockIdx.x * 8 + threadIdx.y, m = blockIdx.y * 32 + threadIdx.x, group = blockIdx.z;
  const bool inside = m < p.filters && k < p.channels * p.kh * p.kw;
  packed[(static_cast<size_t>(group) * deep + k) * high + m] = inside ? gather_filter(p, w, group, m, k) : 0.0f;
}
