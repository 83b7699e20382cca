// Hopper's machinery, a kernel for each part; as NAME<false> it has a bug.
#include "minidet_hopper.cuh"

#define BYTES 16384

// Shared memory: 128 rows of 128 bytes, then barriers. What has come is handed out as it lies there.
__device__ void start(unsigned char* memory, Barrier*& barrier, unsigned count) {
  barrier = reinterpret_cast<Barrier*>(memory + 2 * BYTES);
  if (threadIdx.x == 0) {
    barrier_init(barrier, count);
    barrier_init(barrier + 1, count);
    barrier_fence();
  }
  __syncthreads();
}

template <bool RIGHT>
__global__ void box(const __grid_constant__ TensorMap map, unsigned char* out, int c0, int c1, int c2, int bytes) {
  extern __shared__ __align__(1024) unsigned char memory[];
  Barrier* barrier;
  start(memory, barrier, 1);
  if (threadIdx.x == 0) {
    barrier_expect(barrier, bytes);
    copy_box(memory, &map, c0, c1, c2, barrier);
  }
  if (RIGHT) barrier_wait(barrier, 0);
  for (int i = threadIdx.x; i < bytes; i += blockDim.x) out[i] = memory[i];
}

template <bool RIGHT>
__global__ void windows(const __grid_constant__ TensorMap map, unsigned char* out, int c, int w, int h, int n, int right, int down,
                        int bytes) {
  extern __shared__ __align__(1024) unsigned char memory[];
  Barrier* barrier;
  start(memory, barrier, 1);
  if (threadIdx.x == 0) {
    barrier_expect(barrier, RIGHT ? bytes : bytes + 16);  // what never comes is waited for
    copy_windows(memory, &map, c, w, h, n, right, down, barrier);
  }
  barrier_wait(barrier, 0);
  for (int i = threadIdx.x; i < bytes; i += blockDim.x) out[i] = memory[i];
}

// a (64, 64) and b (N, 64) of bf16 bits, put where the 128 byte swizzle has them; d (64, N), added to.
template <bool RIGHT, int N>
__global__ void multiply(const unsigned short* a, const unsigned short* b, float* d) {
  extern __shared__ __align__(1024) unsigned char memory[];
  auto put = [&](unsigned char* to, const unsigned short* from, int rows) {
    for (int i = threadIdx.x; i < rows * 64; i += 128) {
      const int row = i / 64, chunk = i % 64 / 8;
      *reinterpret_cast<unsigned short*>(to + row * 128 + ((chunk ^ row % 8) * 16) + i % 8 * 2) = from[i];
    }
  };
  put(memory, a, 64);
  put(memory + BYTES, b, N);
  __syncthreads();
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  float sums[N / 2];
  for (int j = 0; j < N / 8; j++)
    for (int r = 0; r < 4; r++) sums[4 * j + r] = d[(row + r / 2 * 8) * N + 8 * j + lane % 4 * 2 + r % 2];
  products_fence();
  for (int k = 0; k < 4; k++) products<N>(sums, rows_128(memory) + 2 * k, rows_128(memory + BYTES) + 2 * k);
  products_commit();
  products_wait<RIGHT ? 0 : 1>();
  for (int j = 0; j < N / 8; j++)
    for (int r = 0; r < 4; r++) d[(row + r / 2 * 8) * N + 8 * j + lane % 4 * 2 + r % 2] = sums[4 * j + r];
}

// One product of whatever lies in shared memory, by descriptors that count from its beginning; d (64, N) is written.
template <bool RIGHT, int N, int TURNED>
__global__ void by_layout(const unsigned char* image, int bytes, unsigned long long a, unsigned long long b, float* d) {
  extern __shared__ __align__(1024) unsigned char memory[];
  for (int i = threadIdx.x; i < bytes; i += 128) memory[i] = image[i];
  __syncthreads();
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  const unsigned long long here = rows_128(memory) & 0x3fff;
  float sums[N / 2] = {};
  products_fence();
  products<N, TURNED>(sums, a + here, b + here + (RIGHT ? 0 : threadIdx.x / 32 * 64));  // each warp its own: no such product
  products_commit();
  products_wait<0>();
  for (int j = 0; j < N / 8; j++)
    for (int r = 0; r < 4; r++) d[(row + r / 2 * 8) * N + 8 * j + lane % 4 * 2 + r % 2] = sums[4 * j + r];
}

// Half of the block hands numbers to the other half, one place for all of them, so many times.
template <bool RIGHT>
__global__ void hand_over(const float* x, float* y, int times) {
  extern __shared__ __align__(1024) unsigned char memory[];
  float* const place = reinterpret_cast<float*>(memory);
  const int half = blockDim.x / 2, t = threadIdx.x % half;
  Barrier* full;
  start(memory, full, half);
  Barrier* const empty = full + 1;
  for (int k = 0; k < times; k++)
    if (threadIdx.x < half) {
      if (k > 0) barrier_wait(empty, RIGHT ? (k - 1) & 1 : k & 1);
      place[t] = x[k * half + t];
      barrier_arrive(full);
    } else {
      barrier_wait(full, k & 1);
      y[k * half + t] = place[half - 1 - t];
      barrier_arrive(empty);
    }
}

#define BOTH(...) template __global__ void __VA_ARGS__
BOTH(box<true>(const __grid_constant__ TensorMap, unsigned char*, int, int, int, int));
BOTH(windows<true>(const __grid_constant__ TensorMap, unsigned char*, int, int, int, int, int, int, int));
BOTH(multiply<true, 128>(const unsigned short*, const unsigned short*, float*));
BOTH(multiply<true, 256>(const unsigned short*, const unsigned short*, float*));
BOTH(by_layout<true, 128, 0>(const unsigned char*, int, unsigned long long, unsigned long long, float*));
BOTH(by_layout<true, 128, 1>(const unsigned char*, int, unsigned long long, unsigned long long, float*));
BOTH(hand_over<true>(const float*, float*, int));
