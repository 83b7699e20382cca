// Convolution on Hopper (sm_90a alone): products of warpgroups, and copies by the tensor memory accelerator.
//
// It HAS NEVER RUN ON A GPU. It is compiled for one, and it runs on the CPU, where the machinery is emulated.
//
//   y[n][o][i][j] = epilogue(sum over u, v, c of w[o][u][v][c] * x[n][i stride - padding + u dilation][j ...][c])
//
// x (N, H, W, channels) and w (O, kh, kw, channels) are bf16, packed by mma_pack.cu, channels a multiple of 8; y float32
// (N, O, oh, ow). One group. `filters` and `maps` are their tensor maps: boxes of 128 filters, one tap, 64 channels; windows of
// 128 pixels and 64 channels. What is outside of either is zero, so tails of filters, channels and pixels need no care.
//
// A block makes 128 filters by 128 places. Its first warpgroup is the producer: one thread of it asks for tiles, the copies
// are made by the machine, which finds the pixels under a tap by itself ("im2col"). The two others are consumers, each of
// 64 filters; `wgmma` reads both matrices from shared memory. STAGES tiles are under way. `full[s]` ends a phase when a
// tile's bytes have come, `empty[s]` when the 8 warps of the consumers have done with it; nobody else waits for anybody.
// A consumer leaves one group of products under way, and gives back the tile before it.
//
// Launch: grid (ceil(O / 128) ceil(N oh ow / 128)), block (384), dynamic shared memory STAGES 32768 + 1024 + 16 STAGES bytes.
#include "epilogue.cuh"
#include "minidet_hopper.cuh"

#ifndef STAGES
#define STAGES 4
#endif

struct Windows {
  int images, filters, channels, oh, ow, kernel_h, kernel_w;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
};

extern "C" __global__ void __launch_bounds__(384, 1)
    conv2d_wgmma(const __grid_constant__ TensorMap filters, const __grid_constant__ TensorMap maps, float* __restrict__ y,
                 const float* __restrict__ bias, const float* __restrict__ residual, const Windows p, const Epilogue finish) {
  constexpr int TILE = 128, ROW = 128, HALF = TILE * ROW, STAGE = 2 * HALF, PITCH = TILE + 8;
  extern __shared__ __align__(1024) unsigned char memory[];
  long long* const table = reinterpret_cast<long long*>(memory + STAGES * STAGE);  // where each place is in y
  Barrier* const full = reinterpret_cast<Barrier*>(table + TILE);
  Barrier* const empty = full + STAGES;

  const int thread = threadIdx.x, group = thread / 128, lane = thread % 32;
  const int tiles_m = (p.filters + TILE - 1) / TILE;
  const int m0 = static_cast<int>(blockIdx.x) % tiles_m * TILE, n0 = static_cast<int>(blockIdx.x) / tiles_m * TILE;
  const int plane = p.oh * p.ow, pixels = p.images * plane;
  const int blocks = (p.channels + 63) / 64, tiles = p.kernel_h * p.kernel_w * blocks;

  if (thread == 0) {
    for (int s = 0; s < STAGES; s++) {
      barrier_init(full + s, 1);
      barrier_init(empty + s, 8);
    }
    barrier_fence();
  }
  for (int n = thread; n < TILE; n += 384) {
    const int image = (n0 + n) / plane, place = (n0 + n) % plane;
    table[n] = n0 + n < pixels ? (static_cast<long long>(image) * p.filters + m0) * plane + place : -1;
  }
  __syncthreads();

  float sums[64] = {};
  if (group == 0) {
    if (thread == 0) {
      const int image = n0 / plane, i = n0 % plane / p.ow, j = n0 % plane % p.ow;
      const int h = i * p.stride_h - p.padding_h, w = j * p.stride_w - p.padding_w;
      for (int tile = 0; tile < tiles; tile++) {
        const int s = tile % STAGES, round = tile / STAGES;
        if (round > 0) barrier_wait(empty + s, (round - 1) & 1);
        const int tap = tile / blocks, c = tile % blocks * 64;
        unsigned char* const to = memory + s * STAGE;
        barrier_expect(full + s, STAGE);
        copy_box(to, &filters, c, tap, m0, full + s);
        copy_windows(to + HALF, &maps, c, w, h, image, tap % p.kernel_w * p.dilation_w, tap / p.kernel_w * p.dilation_h, full + s);
      }
    }
  } else {
    for (int tile = 0; tile < tiles; tile++) {
      const int s = tile % STAGES;
      barrier_wait(full + s, tile / STAGES & 1);
      const unsigned char* const from = memory + s * STAGE;
      const unsigned long long a = rows_128(from + (group - 1) * (HALF / 2)), b = rows_128(from + HALF);
      products_fence();
#pragma unroll
      for (int k = 0; k < 4; k++) products_64x128(sums, a + 2 * k, b + 2 * k);
      products_commit();
      products_wait<1>();  // those of the tile before this one are done
      __syncwarp();
      if (tile > 0 && lane == 0) barrier_arrive(empty + (tile - 1) % STAGES);
    }
    products_wait<0>();
  }

  __syncthreads();
  float* const out = reinterpret_cast<float*>(memory);
  if (group > 0) {
    const int m = (group - 1) * 64 + thread % 128 / 32 * 16 + lane / 4;
#pragma unroll
    for (int j = 0; j < 16; j++)
#pragma unroll
      for (int half = 0; half < 2; half++)
        *reinterpret_cast<float2*>(out + (m + 8 * half) * PITCH + 8 * j + lane % 4 * 2) =
            make_float2(sums[4 * j + 2 * half], sums[4 * j + 2 * half + 1]);
  }
  __syncthreads();
  for (int m = thread / 32; m < TILE && m0 + m < p.filters; m += 12) {
    const float more = bias ? bias[m0 + m] : 0.0f;
    for (int n = lane; n < TILE; n += 32) {
      if (table[n] < 0) continue;
      const size_t at = static_cast<size_t>(table[n]) + static_cast<size_t>(m) * plane;
      y[at] = epilogue(out[m * PITCH + n] + more, residual, static_cast<int>(at), finish);
    }
  }
}
