// What is emulated, a kernel for each: their results are compared with NumPy's.
#include <cassert>
#include <cstdint>
#include <cuda_runtime.h>

#include "helper.cuh"
#include "helper.cuh"
#include "minidet_ptx.cuh"

#ifndef SCALE
#define SCALE 1
#endif

extern "C" __global__ void saxpy(const float* __restrict__ x, float* __restrict__ y, float a, int n) {
  const int i = thread_of_grid();
  if (i < n) y[i] = SCALE * a * x[i] + y[i];
}

extern "C" __global__ void indices(uint3* thread, uint3* block, uint3* sizes) {
  const unsigned in_block = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned of_block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned i = of_block * blockDim.x * blockDim.y * blockDim.z + in_block;
  thread[i] = threadIdx;
  block[i] = blockIdx;
  sizes[2 * i] = blockDim;
  const dim3 grid = gridDim;
  sizes[2 * i + 1] = grid;
}

extern __shared__ float of_the_file[];

// Turns each block's row around: by static, by dynamic shared memory, and by dynamic memory named in the kernel.
extern "C" __global__ void turn(const float* x, float* y) {
  __shared__ float fixed[4][64];
  extern __shared__ __align__(16) unsigned char raw[];
  float* bytes = reinterpret_cast<float*>(raw) + 64;
  const int t = threadIdx.x, n = blockDim.x;
  const float value = x[blockIdx.x * n + t];
  fixed[2][t] = value;
  of_the_file[t] = value;
  bytes[t] = value;
  __syncthreads();
  y[blockIdx.x * n + t] = (fixed[2][n - 1 - t] + of_the_file[n - 1 - t] + bytes[n - 1 - t]) / 3;
}

// What shared memory holds before anybody writes to it.
extern "C" __global__ void untouched(unsigned* out) {
  __shared__ unsigned fixed[32];
  out[threadIdx.x] = fixed[threadIdx.x];
  fixed[threadIdx.x] = 7;
}

extern "C" __global__ void count(const int* p, int* out) {
  const int t = threadIdx.x, v = p[t];
  out[t] = __syncthreads_count(v);
  out[blockDim.x + t] = __syncthreads_and(v);
  out[2 * blockDim.x + t] = __syncthreads_or(v);
}

extern "C" __global__ void shuffles(const int* v, const int* by, int* out, unsigned mask, int width) {
  const int lane = threadIdx.x;
  if (!(mask >> lane & 1)) return;
  out[lane] = __shfl_sync(mask, v[lane], by[lane], width);
  out[32 + lane] = __shfl_up_sync(mask, v[lane], by[0], width);
  out[64 + lane] = __shfl_down_sync(mask, v[lane], by[0], width);
  out[96 + lane] = __shfl_xor_sync(mask, v[lane], by[0], width);
}

extern "C" __global__ void votes(const unsigned* v, unsigned* out, unsigned mask) {
  const int lane = threadIdx.x % 32, t = threadIdx.x, n = blockDim.x;
  if (!(mask >> lane & 1)) return;
  out[t] = __ballot_sync(mask, v[t]);
  out[n + t] = __any_sync(mask, v[t]);
  out[2 * n + t] = __all_sync(mask, v[t]);
  out[3 * n + t] = __match_any_sync(mask, v[t]);
  int same;
  out[4 * n + t] = __match_all_sync(mask, v[t], &same);
  out[5 * n + t] = same;
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  out[6 * n + t] = __reduce_add_sync(mask, v[t]);
  out[7 * n + t] = __reduce_min_sync(mask, v[t]);
  out[8 * n + t] = __reduce_max_sync(mask, static_cast<int>(v[t]));
  out[9 * n + t] = __reduce_and_sync(mask, v[t]);
  out[10 * n + t] = __reduce_or_sync(mask, v[t]);
  out[11 * n + t] = __reduce_xor_sync(mask, v[t]);
#endif
}

// The sum over a block: warps by shuffles, then the first warp over the warps.
template <class T>
__global__ void block_sum(const T* x, T* out) {
  __shared__ T of_warps[32];
  T sum = x[thread_of_grid()];
  for (int d = 16; d; d /= 2) sum += __shfl_down_sync(0xffffffffu, sum, d);
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = threadIdx.x < blockDim.x / 32 ? of_warps[threadIdx.x] : T(0);
  for (int d = 16; d; d /= 2) sum += __shfl_down_sync(0xffffffffu, sum, d);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

template <class T>
__global__ void add_all(const T* x, T* out) {
  __shared__ T here;
  if (threadIdx.x == 0) here = 0;
  __syncthreads();
  atomicAdd(&here, x[thread_of_grid()]);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(out, here);
}

// out: 0 sub, 1 min, 2 max, 3 and, 4 or, 5 xor, 6 inc, 7 dec, 8 exch, 9 add by compare and swap, 10 under a lock
extern "C" __global__ void atomics(const unsigned* x, unsigned* out, unsigned long long* wide, int* lock) {
  const unsigned v = x[thread_of_grid()];
  atomicSub(out, v);
  atomicMin(out + 1, v);
  atomicMax(out + 2, v);
  atomicAnd(out + 3, v);
  atomicOr(out + 4, v);
  atomicXor(out + 5, v);
  atomicInc(out + 6, 5u);
  atomicDec(out + 7, 5u);
  atomicExch(out + 8, v);
  unsigned old = atomicAdd(out + 9, 0u), seen;
  while ((seen = atomicCAS(out + 9, old, old + v)) != old) old = seen;
  atomicMax(wide, static_cast<unsigned long long>(v) << 20);
  atomicAdd(wide + 1, static_cast<unsigned long long>(v) << 20);
  while (atomicCAS(lock, 0, 1)) {
  }
  __threadfence();
  out[10] += v;
  __threadfence();
  atomicExch(lock, 0);
}

struct Pair {
  double scale;
  int shift;
};

extern "C" __global__ void vectors(const float4* x, float2* y, const Pair by, const bool swap) {
  const float4 v = x[threadIdx.x];
  const float2 sums = make_float2(v.x + v.y, v.z + v.w);
  const float scale = static_cast<float>(by.scale);
  y[threadIdx.x] = swap ? make_float2(sums.y * scale + by.shift, sums.x) : make_float2(sums.x * scale + by.shift, sums.y);
}

extern "C" __global__ void floats(const float* x, float* out, int n) {
  const int i = thread_of_grid();
  if (i >= n) return;
  const float a = x[i], b = x[(i + 1) % n], c = x[(i + 2) % n];
  int k = 0;
  out[k++ * n + i] = __fmaf_rn(a, b, c);
  out[k++ * n + i] = __fadd_rn(a, b);
  out[k++ * n + i] = __fsub_rn(a, b);
  out[k++ * n + i] = __fmul_rn(a, b);
  out[k++ * n + i] = __fdiv_rn(a, b);
  out[k++ * n + i] = __fsqrt_rn(fabsf(a));
  out[k++ * n + i] = min(a, b);
  out[k++ * n + i] = fmaxf(a, b);
  out[k++ * n + i] = __saturatef(a);
  out[k++ * n + i] = __int_as_float(__float_as_int(a));
  out[k++ * n + i] = __ldg(x + i);
  out[k++ * n + i] = a * b + c;
}

extern "C" __global__ void integers(const int* x, int* out, int n) {
  const int i = thread_of_grid();
  if (i >= n) return;
  const int a = x[i], b = x[(i + 1) % n];
  int k = 0;
  out[k++ * n + i] = __popc(a);
  out[k++ * n + i] = __clz(a);
  out[k++ * n + i] = __ffs(a);
  out[k++ * n + i] = __brev(a);
  out[k++ * n + i] = __mulhi(a, b);
  out[k++ * n + i] = __umulhi(a, b);
  out[k++ * n + i] = __byte_perm(a, b, 0x3715);
  out[k++ * n + i] = __funnelshift_l(a, b, 7);
  out[k++ * n + i] = __float2int_rn(a * 0.5f);
  out[k++ * n + i] = max(a, b);
  out[k++ * n + i] = min(static_cast<unsigned>(a), static_cast<unsigned>(b));
  out[k++ * n + i] = __dp4a(a, b, 1);
}

extern "C" __global__ void tensor_tf32(const float* a, const float* b, const float* c, float* d) {
  const int row = threadIdx.x / 4, t = threadIdx.x % 4;
  unsigned fa[4], fb[2];
  float fc[4], fd[4];
  for (int r = 0; r < 4; r++) fa[r] = to_tf32(a[(row + r % 2 * 8) * 8 + t + r / 2 * 4]);
  for (int r = 0; r < 2; r++) fb[r] = to_tf32(b[(t + r * 4) * 8 + row]);
  for (int r = 0; r < 4; r++) fc[r] = c[(row + r / 2 * 8) * 8 + 2 * t + r % 2];
  mma_tf32(fd, fa, fb, fc);
  for (int r = 0; r < 4; r++) d[(row + r / 2 * 8) * 8 + 2 * t + r % 2] = fd[r];
}

// a (16, K) and b (8, K), which is B transposed, as bits of fp16 or bf16; c and d (16, 8).
template <int K, bool BRAIN>
__global__ void tensor_16(const uint16_t* a, const uint16_t* b, const float* c, float* d) {
  const int row = threadIdx.x / 4, t = threadIdx.x % 4;
  unsigned fa[K / 4], fb[K / 8];
  float fc[4], fd[4];
  for (int r = 0; r < K / 4; r++) fa[r] = *reinterpret_cast<const unsigned*>(a + (row + r % 2 * 8) * K + 2 * t + r / 2 * 8);
  for (int r = 0; r < K / 8; r++) fb[r] = *reinterpret_cast<const unsigned*>(b + row * K + 2 * t + r * 8);
  for (int r = 0; r < 4; r++) fc[r] = c[(row + r / 2 * 8) * 8 + 2 * t + r % 2];
  if constexpr (BRAIN)
    mma_bf16<K>(fd, fa, fb, fc);
  else
    mma_f16<K>(fd, fa, fb, fc);
  for (int r = 0; r < 4; r++) d[(row + r / 2 * 8) * 8 + 2 * t + r % 2] = fd[r];
}

template __global__ void tensor_16<8, false>(const uint16_t* a, const uint16_t* b, const float* c, float* d);
template __global__ void tensor_16<16, false>(const uint16_t* a, const uint16_t* b, const float* c, float* d);
template __global__ void tensor_16<8, true>(const uint16_t* a, const uint16_t* b, const float* c, float* d);
template __global__ void tensor_16<16, true>(const uint16_t* a, const uint16_t* b, const float* c, float* d);

// What each lane gets of COUNT matrices that stand in shared memory in rows of 16 bytes, `pitch` bytes apart.
template <int COUNT, bool TRANSPOSED>
__global__ void matrices(const unsigned char* rows, unsigned* out, int pitch) {
  __shared__ __align__(128) unsigned char memory[32 * 144];
  const int lane = threadIdx.x;
  for (int i = 0; i < 16; i++) memory[lane * pitch + i] = rows[lane * 16 + i];
  __syncwarp();
  unsigned got[COUNT];
  if constexpr (TRANSPOSED)
    load_transposed<COUNT>(got, memory + lane % (8 * COUNT) * pitch);
  else
    load_matrices<COUNT>(got, memory + lane % (8 * COUNT) * pitch);
  for (int m = 0; m < COUNT; m++) out[lane * COUNT + m] = got[m];
}

// a (16, 16) and b (16, 8), row after row, as fp16: the fragments by ldmatrix, those of b transposed.
extern "C" __global__ void tensor_by_matrices(const uint16_t* a, const uint16_t* b, const float* c, float* d) {
  __shared__ __align__(16) uint16_t sa[16 * 16], sb[16 * 8];
  const int lane = threadIdx.x, row = lane / 4, t = lane % 4;
  for (int i = lane; i < 16 * 16; i += 32) sa[i] = a[i];
  for (int i = lane; i < 16 * 8; i += 32) sb[i] = b[i];
  __syncwarp();
  unsigned fa[4], fb[2];
  float fc[4], fd[4];
  load_matrices<4>(fa, sa + lane % 16 * 16 + lane / 16 * 8);
  load_transposed<2>(fb, sb + lane % 16 * 8);
  for (int r = 0; r < 4; r++) fc[r] = c[(row + r / 2 * 8) * 8 + 2 * t + r % 2];
  mma_f16<16>(fd, fa, fb, fc);
  for (int r = 0; r < 4; r++) d[(row + r / 2 * 8) * 8 + 2 * t + r % 2] = fd[r];
}

extern "C" __global__ void to_16_bits(const float* x, uint16_t* half, uint16_t* brain, int n) {
  const int i = thread_of_grid();
  if (i < n) half[i] = to_f16(x[i]), brain[i] = to_bf16(x[i]);
}

// The sum of `tiles` tiles, copied two ahead.
extern "C" __global__ void pipeline(const float4* x, float4* y, int tiles, int n) {
  __shared__ float4 buffers[3][64];
  const int t = threadIdx.x;
  for (int k = 0; k < 2; k++) {
    if (k < tiles) copy_async<16>(&buffers[k][t], x + k * 64 + t, k * 64 + t < n);
    copy_commit();
  }
  float4 sum = make_float4(0, 0, 0, 0);
  for (int k = 0; k < tiles; k++) {
    copy_wait<1>();
    __syncthreads();
    if (k + 2 < tiles) copy_async<16>(&buffers[(k + 2) % 3][t], x + (k + 2) * 64 + t, (k + 2) * 64 + t < n);
    copy_commit();
    const float4 v = buffers[k % 3][63 - t];
    sum = make_float4(sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w);
  }
  y[t] = sum;
}

__constant__ float table[3] = {1.0f, 10.0f, 100.0f};
__device__ unsigned calls;

extern "C" __global__ void globals(float* out, unsigned* order) {
  out[threadIdx.x] = table[threadIdx.x % 3];
  order[thread_of_grid()] = atomicAdd(&calls, 1u);
}

#ifdef NOT_DEFINED
#include <no_such_header.h>
__global__ void hidden(no_such_type* x) {}
#endif

/* extern "C" __global__ void in_a_comment(int* x) {} */
extern "C" __global__ void traps(int* x, int how) {
  if (how == 0) __trap();
  if (how == 1) assert(x[0] == 5);
  if (how == 2) __shfl_sync(0x2u, x[0], 1);
}
