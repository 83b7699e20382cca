// A tile of a matrix product in registers: what registers.cu, pointwise.cu, winograd.cu and registers_grad_w.cu share.
//
//   sum (BM, BN)  =  A (BM, terms) B (terms, BN)        by a block of BM BN / (TM TN) threads
//
// Each thread holds TM x TN sums. For each term it reads TM + TN numbers from shared memory and does TM TN fused
// products, so shared memory is no longer in the way. There are two of each buffer: while one is computed with, the next
// BK terms are on their way from global memory into registers, from where they go to the other buffer, and one barrier a
// step is enough.
//
// A warp is 4 threads down and 8 across, and a thread's rows (columns) are groups of four side by side, the groups
// BM / (TM / 4) apart: so each read is a float4, and a warp's reads of a float4 are 64 and 128 bytes without a conflict.
#pragma once

template <int BM_, int BN_, int BK_, int TM_, int TN_>
struct RegisterTile {
  static constexpr int BM = BM_, BN = BN_, BK = BK_, TM = TM_, TN = TN_;
  static constexpr int DOWN = BM / TM, ACROSS = BN / TN, THREADS = DOWN * ACROSS;
  static constexpr int PAD = 4; // so that the loads that turn around (Turned) meet other banks
  static_assert(TM % 4 == 0 && TN % 4 == 0 && DOWN % 4 == 0 && ACROSS % 8 == 0, "whole warps of float4");

  // This thread's first row and column of its group of four number q.
  static __device__ __forceinline__ int row(int q) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    return q * (BM / (TM / 4)) + (warp / (ACROSS / 8) * 4 + lane / 8) * 4;
  }
  static __device__ __forceinline__ int column(int q) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    return q * (BN / (TN / 4)) + (warp % (ACROSS / 8) * 8 + lane % 8) * 4;
  }
};

// Adds ``steps`` times BK terms to ``sum``. A and B have load() (the next BK terms, into registers) and store(buffer).
template <class T, class A, class B>
__device__ __forceinline__ void accumulate(float (&sum)[T::TM][T::TN], A& a, B& b, int steps) {
  __shared__ __align__(16) float as[2][T::BK][T::BM + T::PAD], bs[2][T::BK][T::BN + T::PAD];
  if (steps <= 0) return;
  a.load();
  b.load();
  a.store(as[0]);
  b.store(bs[0]);
  __syncthreads();
  for (int step = 0; step < steps; step++) {
    const int now = step & 1;
    const bool more = step + 1 < steps;
    if (more) {
      a.load();
      b.load();
    }
#pragma unroll
    for (int k = 0; k < T::BK; k++) {
      float left[T::TM], right[T::TN];
#pragma unroll
      for (int q = 0; q < T::TM / 4; q++) {
        const float4 four = *reinterpret_cast<const float4*>(&as[now][k][T::row(q)]);
        left[4 * q] = four.x, left[4 * q + 1] = four.y, left[4 * q + 2] = four.z, left[4 * q + 3] = four.w;
      }
#pragma unroll
      for (int q = 0; q < T::TN / 4; q++) {
        const float4 four = *reinterpret_cast<const float4*>(&bs[now][k][T::column(q)]);
        right[4 * q] = four.x, right[4 * q + 1] = four.y, right[4 * q + 2] = four.z, right[4 * q + 3] = four.w;
      }
#pragma unroll
      for (int i = 0; i < T::TM; i++)
#pragma unroll
        for (int j = 0; j < T::TN; j++) sum[i][j] += left[i] * right[j];
    }
    if (more) {
      a.store(as[now ^ 1]);
      b.store(bs[now ^ 1]);
      __syncthreads();
    }
  }
}

// A loader: rows of a matrix (terms, pitch), whole tiles of it, so that no end has to be looked for.
template <class T, int WIDTH>
struct WholeRows {
  static constexpr int ACROSS = WIDTH / 4, ROWS = T::THREADS / ACROSS, PASSES = T::BK / ROWS;
  static_assert(T::THREADS % ACROSS == 0 && T::BK % ROWS == 0, "every thread has whole float4");
  const float* from;
  int pitch;
  float4 held[PASSES];

  // ``first``: the number in front of the tile's first.
  __device__ __forceinline__ WholeRows(const float* first, int pitch)
      : from(first + static_cast<size_t>(threadIdx.x / ACROSS) * pitch + threadIdx.x % ACROSS * 4), pitch(pitch) {}
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int r = 0; r < PASSES; r++) held[r] = *reinterpret_cast<const float4*>(from + static_cast<size_t>(r) * ROWS * pitch);
    from += static_cast<size_t>(T::BK) * pitch;
  }
  __device__ __forceinline__ void store(float (*to)[WIDTH + T::PAD]) {
#pragma unroll
    for (int r = 0; r < PASSES; r++)
      *reinterpret_cast<float4*>(&to[threadIdx.x / ACROSS + r * ROWS][threadIdx.x % ACROSS * 4]) = held[r];
  }
};
