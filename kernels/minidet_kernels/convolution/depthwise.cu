// Depthwise convolution: each channel is an image of its own. Forward, and the gradient of the input.
//
// There is nothing to add up over channels, nine products for each output and no more: what it costs is reading the
// pixels. So a block brings the patch of a plane that its outputs see to shared memory, each pixel once (with zeros where
// there are none), and every tap reads it there. A thread makes PER outputs of a column, one below the other, so that a
// filter's number that it reads serves PER products, and neighbouring threads read neighbouring pixels.
//
// A block is as wide as its columns, so that maps of 19 x 19 leave no threads idle; of small maps it takes ``blockDim.z``
// planes. Where a plane is the sum over several maps (``channels``, as in the gradient of an input that several filters
// see), they are brought one after the other.
//
// K x K taps are known to the compiler; K of 0 takes any.
//
// x, w, y: as gather.cuh says, with one filter or one channel to a group; bias (groups * filters) and residual (as y) may
// be null. Planes are images * groups * filters.
//
// Launch: grid (ceil(planes / bz) * ceil(rows / (by PER)) * ceil(columns / bx)), block (bx, by, bz), dynamic shared memory:
// bz (patch + kh kw) floats, where the patch has of either axis (outputs of the block, at most the map's - 1) step +
// (taps - 1) tap + 1.
#include "epilogue.cuh"
#include "gather.cuh"

#ifndef PER
#define PER 4
#endif

template <int K>
__global__ void __launch_bounds__(256, 4)
    conv2d_depthwise(const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias,
                     const float* __restrict__ residual, float* __restrict__ y, const Gather p, const Epilogue e) {
  extern __shared__ float shared[];
  const int kh = K ? K : p.kh, kw = K ? K : p.kw;
  const int down = (p.rows + blockDim.y * PER - 1) / (blockDim.y * PER), across = (p.columns + blockDim.x - 1) / blockDim.x;
  const int tile = blockIdx.x % (down * across), plane = blockIdx.x / (down * across) * blockDim.z + threadIdx.z;
  const int r0 = tile / across * blockDim.y * PER, c0 = tile % across * blockDim.x; // first output
  const int high = (min(static_cast<int>(blockDim.y) * PER, p.rows) - 1) * p.step_h + (kh - 1) * p.tap_h + 1;
  const int wide = (min(static_cast<int>(blockDim.x), p.columns) - 1) * p.step_w + (kw - 1) * p.tap_w + 1;
  float* patch = shared + threadIdx.z * (high * wide + kh * kw);
  float* taps = patch + high * wide;
  const bool real = plane < p.images * p.groups * p.filters;
  const int n = plane / (p.groups * p.filters), group = plane / p.filters % p.groups, m = plane % p.filters;
  const int i0 = r0 * p.step_h + p.first_h, j0 = c0 * p.step_w + p.first_w; // first pixel of the patch

  float sum[PER] = {};
  for (int c = 0; c < p.channels; c++) {
    const float* from = x + ((n * p.groups + group) * p.channels + c) * p.H * p.W;
    __syncthreads(); // everybody is done with the patch before
    if (real) {
      for (int i = threadIdx.y; i < high; i += blockDim.y)
        for (int j = threadIdx.x; j < wide; j += blockDim.x) {
          const unsigned a = i0 + i, b = j0 + j; // one comparison for both ends
          const bool inside = a < static_cast<unsigned>(p.H) && b < static_cast<unsigned>(p.W);
          patch[i * wide + j] = inside ? from[a * p.W + b] : 0.0f;
        }
      for (int k = threadIdx.y * blockDim.x + threadIdx.x; k < kh * kw; k += blockDim.x * blockDim.y)
        taps[k] = gather_filter(p, w, group, m, c * kh * kw + k);
    }
    __syncthreads();
    if (!real) continue;
    const float* at[PER]; // where the taps of each output begin; an output past the last reads what the first one does
#pragma unroll
    for (int q = 0; q < PER; q++) {
      const int row = threadIdx.y + q * blockDim.y;
      const bool there = r0 + row < p.rows && c0 + static_cast<int>(threadIdx.x) < p.columns;
      at[q] = patch + (there ? row * p.step_h * wide + static_cast<int>(threadIdx.x) * p.step_w : 0);
    }
#pragma unroll 1
    for (int u = 0; u < kh; u++)
#pragma unroll
      for (int v = 0; v < kw; v++) {
        const float tap = taps[u * kw + v];
        const int offset = u * p.tap_h * wide + v * p.tap_w;
#pragma unroll
        for (int q = 0; q < PER; q++) sum[q] += tap * at[q][offset];
      }
  }
  if (!real || c0 + static_cast<int>(threadIdx.x) >= p.columns) return;
  const float more = bias ? bias[group * p.filters + m] : 0.0f;
#pragma unroll
  for (int q = 0; q < PER; q++) {
    const int row = r0 + threadIdx.y + q * blockDim.y;
    if (row >= p.rows) return;
    const int b = (c0 + threadIdx.x) * p.to_step_w + p.to_first_w;
    const int to = (plane * p.oh + row * p.to_step_h + p.to_first_h) * p.ow + b;
    y[to] = epilogue(bias ? sum[q] + more : sum[q], residual, to, e);
  }
}
