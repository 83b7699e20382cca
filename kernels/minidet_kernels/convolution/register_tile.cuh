// A tile of a matrix product in registers: what registers.cu, pointwise.cu, winograd.cu and registers_grad_w.cu share.
//
//   sum (BM, BN)  =  A (BM, terms) B (terms, BN)        by a block of BM BN / (TM TN) threads
//
// Each thread holds TM x TN sums. For each term it reads TM + TN numbers from shared memory and does TM TN fused
// products, so shared memory is no longer in the way. There are STAGES buffers: while one is computed with, the next ones
// are on their way from global memory (cp.async, which takes no registers), and one barrier a step is enough.
//
// A warp is 4 threads down and 8 across, and a thread's rows (columns) are groups of four side by side, the groups
// BM / (TM / 4) apart: so each read is a float4, and a warp's reads of a float4 are 64 and 128 bytes without a conflict.
#pragma once

#include "minidet_ptx.cuh"

template <int BM_, int BN_, int BK_, int TM_, int TN_>
struct RegisterTile {
  static constexpr int BM = BM_, BN = BN_, BK = BK_, TM = TM_, TN = TN_;
  static constexpr int DOWN = BM / TM, ACROSS = BN / TN, THREADS = DOWN * ACROSS;
  static constexpr int STAGES = 3;
  static constexpr int PAD = 4; // a row of shared memory is longer, so that writes that turn a matrix around meet different banks
  static_assert(TM % 4 == 0 && TN % 4 == 0 && DOWN % 4 == 0 && ACROSS % 8 == 0, "whole warps of float4");

  // Where this thread is, and the first row and column of its group of four number q.
  static __device__ __forceinline__ int down() {
    return threadIdx.x / 32 / (ACROSS / 8) * 4 + threadIdx.x % 32 / 8;
  }
  static __device__ __forceinline__ int row(int q) { return q * (BM / (TM / 4)) + down() * 4; }
  static __device__ __forceinline__ int column(int q) {
    return q * (BN / (TN / 4)) + (threadIdx.x / 32 % (ACROSS / 8) * 8 + threadIdx.x % 8) * 4;
  }
};

// Adds ``steps`` times BK terms to ``sum``. A and B have fetch(buffer), which begins to copy their next BK terms.
template <class T, class A, class B>
__device__ __forceinline__ void accumulate(float (&sum)[T::TM][T::TN], A& a, B& b, int steps) {
  __shared__ __align__(16) float as[T::STAGES][T::BK][T::BM + T::PAD], bs[T::STAGES][T::BK][T::BN + T::PAD];
#pragma unroll 1
  for (int ahead = 0; ahead < T::STAGES - 1; ahead++) {
    if (ahead < steps) {
      a.fetch(as[ahead]);
      b.fetch(bs[ahead]);
    }
    copy_commit();
  }
  int now = 0, next = T::STAGES - 1;
#pragma unroll 1
  for (int step = 0; step < steps; step++) {
    copy_wait<T::STAGES - 2>(); // this thread's copies for this step are there,
    __syncthreads();            // so are all others', and everybody is done with the buffer of the step before
    if (step + T::STAGES - 1 < steps) {
      a.fetch(as[next]);
      b.fetch(bs[next]);
    }
    copy_commit();
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
    now = now + 1 == T::STAGES ? 0 : now + 1;
    next = next + 1 == T::STAGES ? 0 : next + 1;
  }
}

// Hands out the sums: emit(row, value) for every row of the tile, of this thread's one column, tile_column<T>().
//
// By way of shared memory, a row of each thread at a time: so the threads of a warp have neighbouring columns, whatever
// they computed, and what is done with a sum is written once, in a loop, not TM TN times over.
template <class T>
__device__ __forceinline__ int tile_column() {
  return threadIdx.x % T::BN;
}
template <class T, class Emit>
__device__ __forceinline__ void hand_out(const float (&sum)[T::TM][T::TN], Emit emit) {
  static_assert(T::THREADS % T::BN == 0, "a thread has one column");
  __shared__ __align__(16) float rows[T::DOWN][T::BN];
#pragma unroll 1
  for (int i = 0; i < T::TM; i++) {
    __syncthreads();
#pragma unroll
    for (int here = 0; here < T::TM; here++) // registers have no index: the loop finds its row
      if (here == i)
#pragma unroll
        for (int q = 0; q < T::TN / 4; q++)
          *reinterpret_cast<float4*>(&rows[T::down()][T::column(q)]) =
              make_float4(sum[here][4 * q], sum[here][4 * q + 1], sum[here][4 * q + 2], sum[here][4 * q + 3]);
    __syncthreads();
#pragma unroll 2
    for (int r = threadIdx.x / T::BN; r < T::DOWN; r += T::THREADS / T::BN)
      emit(i / 4 * (T::BM / (T::TM / 4)) + r * 4 + i % 4, rows[r][tile_column<T>()]);
  }
}

// A loader: rows of a matrix (terms, pitch), whole tiles of it, so that no end has to be looked for.
template <class T, int WIDTH>
struct WholeRows {
  static constexpr int ACROSS = WIDTH / 4, ROWS = T::THREADS / ACROSS, PASSES = T::BK / ROWS;
  static_assert(T::THREADS % ACROSS == 0 && T::BK % ROWS == 0, "every thread has whole float4");
  const float* from;
  int pitch;

  // ``first``: the first number of the tile.
  __device__ __forceinline__ WholeRows(const float* first, int pitch)
      : from(first + static_cast<size_t>(threadIdx.x / ACROSS) * pitch + threadIdx.x % ACROSS * 4), pitch(pitch) {}
  __device__ __forceinline__ void fetch(float (*to)[WIDTH + T::PAD]) {
#pragma unroll
    for (int r = 0; r < PASSES; r++)
      copy_async<16>(&to[threadIdx.x / ACROSS + r * ROWS][threadIdx.x % ACROSS * 4], from + static_cast<size_t>(r) * ROWS * pitch);
    from += static_cast<size_t>(T::BK) * pitch;
  }
};
