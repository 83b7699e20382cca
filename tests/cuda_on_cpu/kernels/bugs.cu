// Each kernel is right as NAME<true>. As NAME<false> it has one bug that a GPU might hide for long.
#include "minidet_ptx.cuh"

#define N 64

template <bool RIGHT>
__global__ void barrier_after_load(const float* x, float* y) {
  __shared__ float tile[N];
  tile[threadIdx.x] = x[threadIdx.x];
  if (RIGHT) __syncthreads();
  y[threadIdx.x] = tile[N - 1 - threadIdx.x];
}

template <bool RIGHT>
__global__ void barrier_before_overwriting(const float* x, float* y) {
  __shared__ float tile[N];
  float sum = 0;
  for (int k = 0; k < 3; k++) {
    tile[threadIdx.x] = x[k * N + threadIdx.x];
    __syncthreads();
    sum += tile[N - 1 - threadIdx.x];
    if (RIGHT) __syncthreads();
  }
  y[threadIdx.x] = sum;
}

template <bool RIGHT>
__global__ void barrier_in_a_tree(const float* x, float* y) {
  __shared__ float tile[N];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  for (int d = N / 2; d; d /= 2) {
    if (threadIdx.x < d) tile[threadIdx.x] += tile[threadIdx.x + d];
    if (RIGHT) __syncthreads();
  }
  if (threadIdx.x == 0) y[0] = tile[0];
}

// Lanes of a warp do not run in step by themselves.
template <bool RIGHT>
__global__ void warp_synchrony(const float* x, float* y) {
  __shared__ float tile[N];
  tile[threadIdx.x] = x[threadIdx.x];
  if (RIGHT) __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

template <bool RIGHT>
__global__ void shared_index(const float* x, float* y) {
  __shared__ float tile[N];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  float sum = 0;
  for (int k = 0; RIGHT ? k < N : k <= N; k++) sum += tile[k];
  y[threadIdx.x] = sum;
}

template <bool RIGHT>
__global__ void dynamic_shared_index(const float* x, float* y) {
  extern __shared__ float tile[];
  tile[threadIdx.x + (RIGHT ? 0 : 1)] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

template <bool RIGHT>
__global__ void global_read(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] + (RIGHT && i + 1 >= n ? 0 : x[i + 1]);
}

template <bool RIGHT>
__global__ void global_write(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (!RIGHT || i < n) y[i] = 2;
}

template <bool RIGHT>
__global__ void update(const int* x, int* y) {
  if (RIGHT)
    atomicAdd(y, x[threadIdx.x]);
  else
    *y += x[threadIdx.x];
}

template <bool RIGHT>
__global__ void update_of_shared(const int* x, int* y) {
  __shared__ int bins[4];
  if (threadIdx.x < 4) bins[threadIdx.x] = 0;
  __syncthreads();
  if (RIGHT)
    atomicAdd(&bins[x[threadIdx.x] & 3], 1);
  else
    bins[x[threadIdx.x] & 3]++;
  __syncthreads();
  if (threadIdx.x < 4) y[threadIdx.x] = bins[threadIdx.x];
}

template <bool RIGHT>
__global__ void async_wait(const float* x, float* y) {
  __shared__ float tile[2][N];
  const int t = threadIdx.x;
  copy_async<4>(&tile[0][t], x + t);
  copy_commit();
  copy_async<4>(&tile[1][t], x + N + t);
  copy_commit();
  copy_wait<RIGHT ? 0 : 1>();
  __syncthreads();
  y[t] = tile[0][N - 1 - t] + tile[1][N - 1 - t];
}

// The next copy may land at once: what it overwrites must have been read by then.
template <bool RIGHT>
__global__ void async_too_early(const float* x, float* y) {
  __shared__ float tile[N];
  const int t = threadIdx.x;
  float sum = 0;
  for (int k = 0; k < 2; k++) {
    copy_async<4>(&tile[t], x + k * N + t);
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    sum += tile[N - 1 - t];
    if (RIGHT) __syncthreads();
  }
  y[t] = sum;
}

template <bool RIGHT>
__global__ void remainder_tile(const float* x, float* y, int n) {
  float sum = 0;
  for (int k = 0; RIGHT ? k < n : k + N <= n; k += N)
    if (k + static_cast<int>(threadIdx.x) < n) sum += x[k + threadIdx.x];
  atomicAdd(y, sum);
}

template <bool RIGHT>
__global__ void divergent_barrier(const float* x, float* y) {
  if (RIGHT || threadIdx.x < 40) {
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x];
  } else {
    y[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
  }
}

template <bool RIGHT>
__global__ void absent_lanes(const float* x, float* y) {
  if (RIGHT || threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
  __syncthreads();
}

template <bool RIGHT>
__global__ void lane_not_in_the_mask(const float* x, float* y) {
  const unsigned low = 0xffffu;
  if (threadIdx.x < 16) y[threadIdx.x] = __shfl_xor_sync(low, x[threadIdx.x], RIGHT ? 8 : 16);
}

template <bool RIGHT>
__global__ void unset_shared(const float* x, float* y) {
  __shared__ float sum;
  if (RIGHT && threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, x[threadIdx.x]);
  __syncthreads();
  y[threadIdx.x] = sum;
}

template <bool RIGHT>
__global__ void unset_local(const float* x, float* y) {
  float sums[2];
  if (RIGHT) sums[0] = sums[1] = 0;
  for (int k = 0; k < N; k++) sums[k % 2] += x[k];
  y[threadIdx.x] = sums[threadIdx.x % 2];
}

template <bool RIGHT>
__global__ void overflowing_index(const float* x, float* y, int rows) {
  const int far = RIGHT ? 1 : 70000;
  const int index = rows * far * far + static_cast<int>(threadIdx.x);
  y[threadIdx.x] = x[threadIdx.x] + (index == 12345 ? 1 : 0);
}

template <bool RIGHT>
__global__ void shift_too_far(const float* x, unsigned* y) {
  const unsigned by = threadIdx.x % (RIGHT ? 32 : 33);
  y[threadIdx.x] = 1u << by;
}

template <bool RIGHT>
__global__ void misaligned_vector(const float* x, float* y) {
  const float4 v = *reinterpret_cast<const float4*>(x + (RIGHT ? 4 : 1) * (threadIdx.x % 4));
  y[threadIdx.x] = v.x;
}

// Blocks come in any order.
template <bool RIGHT>
__global__ void order_of_blocks(const float* x, float* y) {
  const float before = blockIdx.x && !RIGHT ? y[blockIdx.x - 1] : 0;
  y[blockIdx.x] = before + x[blockIdx.x];
}

template <bool RIGHT>
__global__ void endless_wait(const float* x, int* y) {
  if (threadIdx.x == 0)
    while (!RIGHT && atomicAdd(y, 0) == 0) {
    }
  __syncthreads();
  if (threadIdx.x == 1) atomicAdd(y, static_cast<int>(x[0]));
}

template <bool RIGHT>
__global__ void shared_by_blocks(const float* x, float* y) {
  if (threadIdx.x == 0) y[RIGHT ? blockIdx.x : 0] = x[blockIdx.x];
}
