// An overlap of every box of a (m, 4) with every box of b (n, 4): out (m, n). KIND is one of family.cuh, T float or double.
//
// As iou_matrix.cu, but each thread holds several boxes of b, as many as fill 16 bytes of the result, so that a box of a
// is read from shared memory once for all of them. With WIDE they are neighbours, and a thread stores 16 bytes at a
// time, which takes rows of a multiple of 16 bytes; otherwise they are a block apart, and a warp's stores are contiguous.
// The result is not read again here and larger than any cache: stores are streaming, and leave the boxes in L2.
//
// `angles` are those of `box_angles`, of a and then of b (CIOU; else null); `crowd` (n) says which of b are (CROWD).
//
// Launch: grid (ceil(m / STRIPE), ceil(n / (threads * 16 / sizeof(T)))), block (threads), a multiple of 32, at most THREADS:
// fewer where there are few columns. Rows come first because only the first size of a grid may pass 65535. `box_angles`:
// grid (ceil(n / THREADS)), block (THREADS).
#include "family.cuh"

#ifndef STRIPE
#define STRIPE 16
#endif
#ifndef THREADS
#define THREADS 128
#endif

__device__ __forceinline__ void store_wide(float* at, const float* v) {
  __stcs(reinterpret_cast<float4*>(at), make_float4(v[0], v[1], v[2], v[3]));
}
__device__ __forceinline__ void store_wide(double* at, const double* v) {
  __stcs(reinterpret_cast<double2*>(at), make_double2(v[0], v[1]));
}

template <class T>
__global__ void __launch_bounds__(THREADS) box_angles(const T* __restrict__ boxes, T* __restrict__ angles, int n, T pixel) {
  const int i = blockIdx.x * THREADS + threadIdx.x;
  if (i < n) angles[i] = box_angle(box_at(boxes, i), pixel);
}

template <class T, int KIND, bool WIDE>
__global__ void __launch_bounds__(THREADS, sizeof(T) == 4 ? 8 : 4)  // blocks at a time: so few that no register is spilled
    family_matrix(const T* __restrict__ a, const T* __restrict__ b, const T* __restrict__ angles,
                  const bool* __restrict__ crowd, T* __restrict__ out, int m, int n, T pixel, T empty) {
  constexpr int COLUMNS = 16 / sizeof(T);
  __shared__ Measured<T> rows[STRIPE];
  const int first = blockIdx.x * STRIPE;
  const int count = min(STRIPE, m - first);
  for (int i = threadIdx.x; i < count; i += blockDim.x) {
    const Box<T> box = box_at(a, first + i);
    rows[i] = {box, iou_area(box, pixel), KIND == CIOU ? angles[first + i] : T(0), false};
  }
  __syncthreads();
  const int start = blockIdx.y * blockDim.x * COLUMNS + (WIDE ? threadIdx.x * COLUMNS : threadIdx.x);
  const int step = WIDE ? 1 : blockDim.x;
  Measured<T> held[COLUMNS];
  for (int k = 0; k < COLUMNS; k++) {
    const int j = min(start + k * step, n - 1);
    const Box<T> box = box_at(b, j);
    held[k] = {box, iou_area(box, pixel), KIND == CIOU ? angles[static_cast<size_t>(m) + j] : T(0), KIND == CROWD && crowd[j]};
  }
  if (start >= n) return;
#pragma unroll 1
  for (int i = 0; i < count; i++) {
    T* at = out + static_cast<size_t>(first + i) * n + start;
    T made[COLUMNS];
#pragma unroll
    for (int k = 0; k < COLUMNS; k++) made[k] = overlap<KIND>(rows[i], held[k], pixel, empty);
    if (WIDE) {
      store_wide(at, made);
    } else {
#pragma unroll
      for (int k = 0; k < COLUMNS; k++)
        if (start + k * step < n) __stcs(at + k * step, made[k]);
    }
  }
}
