// Convolution on Hopper (sm_90a alone): products of warpgroups, and copies by the tensor memory accelerator.
//
// It HAS NEVER RUN ON A GPU. It is compiled for one, and it runs on the CPU, where the machinery is emulated.
//
//   y[n][o][i][j] = epilogue(sum over u, v, c of w[o][u][v][c] * x[n][i stride - padding + u dilation][j ...][c])
//
// x (N, H, W, channels) and w (O, kh, kw, channels) are bf16, packed by mma_pack.cu, channels a multiple of 8; y float32
// (N, O, oh, ow). One group. `filters` and `maps` are their tensor maps: boxes of 128 filters, one tap, 64 channels; windows of
// BN pixels and 64 channels. What is outside of either is zero, so tails of filters, channels and pixels need no care.
// `turned`: the taps of w are taken from the last to the first, as the gradient of an input does (of stride 1).
//
// A block makes 128 filters by BN places. Its first warpgroup is the producer: one thread of it asks for tiles, the copies
// are made by the machine, which finds the pixels under a tap by itself ("im2col"). The two others are consumers, each of
// 64 filters; `wgmma` reads both matrices from shared memory. STAGES tiles are under way. `full[s]` ends a phase when a
// tile's bytes have come, `empty[s]` when the 8 warps of the consumers have done with it; nobody else waits for anybody.
// A consumer leaves one group of products under way, and gives back the tile before it. The producer hands its registers
// to the consumers.
//
// Launch: grid (ceil(O / 128) ceil(N oh ow / BN)), block (384),
// dynamic shared memory STAGES (128 (128 + BN) + 16) + 8 BN bytes.
#include "epilogue.cuh"
#include "minidet_hopper.cuh"

#ifndef STAGES
#define STAGES 4
#endif

struct Windows {
  int images, filters, channels, oh, ow, kernel_h, kernel_w;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, turned;
};

template <int BN>
__global__ void __launch_bounds__(384, 1)
    conv2d_wgmma(const __grid_constant__ TensorMap filters, const __grid_constant__ TensorMap maps, float* __restrict__ y,
                 const float* __restrict__ bias, const float* __restrict__ residual, const Windows p, const Epilogue finish) {
  constexpr int BM = 128, OF_W = 128 * BM, STAGE = OF_W + 128 * BN, PITCH = BN + 8;  // rows have 128 bytes
  static_assert(4 * BM * PITCH <= STAGES * STAGE, "the sums go where the stages were");
  extern __shared__ __align__(1024) unsigned char memory[];
  long long* const table = reinterpret_cast<long long*>(memory + STAGES * STAGE);  // where each place is in y
  Barrier* const full = reinterpret_cast<Barrier*>(table + BN);
  Barrier* const empty = full + STAGES;

  const int thread = threadIdx.x, group = thread / 128, lane = thread % 32;
  const int tiles_m = (p.filters + BM - 1) / BM;
  const int m0 = static_cast<int>(blockIdx.x) % tiles_m * BM, n0 = static_cast<int>(blockIdx.x) / tiles_m * BN;
  const int plane = p.oh * p.ow, pixels = p.images * plane;
  const int blocks = (p.channels + 63) / 64, tiles = p.kernel_h * p.kernel_w * blocks;

  if (thread == 0) {
    for (int s = 0; s < STAGES; s++) {
      barrier_init(full + s, 1);
      barrier_init(empty + s, 8);
    }
    barrier_fence();
  }
  for (int n = thread; n < BN; n += 384) {
    const int image = (n0 + n) / plane, place = (n0 + n) % plane;
    table[n] = n0 + n < pixels ? (static_cast<long long>(image) * p.filters + m0) * plane + place : -1;
  }
  __syncthreads();

  if (group == 0) {
    registers_fewer<40>();
    if (thread == 0) {
      const int image = n0 / plane, i = n0 % plane / p.ow, j = n0 % plane % p.ow;
      const int h = i * p.stride_h - p.padding_h, w = j * p.stride_w - p.padding_w;
      for (int tile = 0; tile < tiles; tile++) {
        const int s = tile % STAGES, round = tile / STAGES;
        if (round > 0) barrier_wait(empty + s, (round - 1) & 1);
        const int tap = tile / blocks, c = tile % blocks * 64, u = tap / p.kernel_w, v = tap % p.kernel_w;
        unsigned char* const to = memory + s * STAGE;
        barrier_expect(full + s, STAGE);
        copy_box(to, &filters, c, p.turned ? p.kernel_h * p.kernel_w - 1 - tap : tap, m0, full + s);
        copy_windows(to + OF_W, &maps, c, w, h, image, v * p.dilation_w, u * p.dilation_h, full + s);
      }
    }
    return;  // barriers of the block count those who have left as there
  }

  registers_more<232>();
  float sums[BN / 2] = {};
  for (int tile = 0; tile < tiles; tile++) {
    const int s = tile % STAGES;
    barrier_wait(full + s, tile / STAGES & 1);
    const unsigned char* const from = memory + s * STAGE;
    const unsigned long long a = rows_128(from + (group - 1) * (OF_W / 2)), b = rows_128(from + OF_W);
    products_fence();
#pragma unroll
    for (int k = 0; k < 4; k++) products<BN>(sums, a + 2 * k, b + 2 * k);
    products_commit();
    products_wait<1>();  // those of the tile before this one are done
    __syncwarp();
    if (tile > 0 && lane == 0) barrier_arrive(empty + (tile - 1) % STAGES);
  }
  products_wait<0>();

  __syncthreads();
  float* const out = reinterpret_cast<float*>(memory);
  const int row = (group - 1) * 64 + thread % 128 / 32 * 16 + lane / 4;
#pragma unroll
  for (int j = 0; j < BN / 8; j++)
#pragma unroll
    for (int half = 0; half < 2; half++)
      *reinterpret_cast<float2*>(out + (row + 8 * half) * PITCH + 8 * j + lane % 4 * 2) =
          make_float2(sums[4 * j + 2 * half], sums[4 * j + 2 * half + 1]);
  __syncthreads();
  for (int m = thread / 32 - 4; m < BM && m0 + m < p.filters; m += 8) {
    const float more = bias ? bias[m0 + m] : 0.0f;
    for (int n = lane; n < BN; n += 32) {
      if (table[n] < 0) continue;
      const size_t at = static_cast<size_t>(table[n]) + static_cast<size_t>(m) * plane;
      y[at] = epilogue(out[m * PITCH + n] + more, residual, static_cast<int>(at), finish);
    }
  }
}
