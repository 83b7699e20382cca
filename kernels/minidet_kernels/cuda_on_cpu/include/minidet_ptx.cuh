// Small named wrappers around PTX that C++ cannot say: inline PTX under nvcc, an emulation under cuda_on_cpu.
//
//   copy_async<16>(shared, global, wanted)   cp.async; zeros where not wanted; 4, 8 or 16 bytes, so aligned
//   copy_commit(), copy_wait<N>()            a group of copies; wait until at most the last N groups are under way
//   mma_tf32(d, a, b, c)                     m16n8k8:  d = a b + c of a warp, fragments as in the PTX ISA
//   mma_f16<K>(d, a, b, c), mma_bf16<K>      m16n8k8 and m16n8k16, float sums
//   to_tf32(value)                           the nearest tf32, halves away from zero (cvt.rna)
//   to_f16(value), to_bf16(value)            the 16 bits of the nearest, halves to even
//   load_matrices<4>(r, row)                 ldmatrix: 1, 2 or 4 matrices of 8 rows of 16 bytes in shared memory, of which
//                                            lane 8 i + j brings the address of row j of matrix i
//   load_transposed<4>(r, row)               the same with .trans: of 8 x 8 elements of 16 bits
//
// Where the GPU is older than sm_80 copy_async copies at once, and the products and conversions trap.
#pragma once

#ifndef MINIDET_CUDA_ON_CPU  // there they are always known: cpp/ptx.hpp

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define MINIDET_PTX(...) asm volatile(__VA_ARGS__)
#else
#define MINIDET_PTX(...) __trap()
#endif

template <int BYTES>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool wanted = true) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes = wanted ? BYTES : 0;
  if constexpr (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(bytes) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared), "l"(from), "n"(BYTES), "r"(bytes) : "memory");
#else
  for (int i = 0; i < BYTES / 4; i++)
    static_cast<unsigned*>(to)[i] = wanted ? static_cast<const unsigned*>(from)[i] : 0u;
#endif
}
__device__ __forceinline__ void copy_commit() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int N>
__device__ __forceinline__ void copy_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

__device__ __forceinline__ unsigned to_tf32(float value) {
  unsigned bits = 0;
  MINIDET_PTX("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}
__device__ __forceinline__ unsigned short to_f16(float value) {
  unsigned short bits = 0;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
__device__ __forceinline__ unsigned short to_bf16(float value) {
  unsigned short bits = 0;
  MINIDET_PTX("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}

#define MINIDET_MATRICES(name, how)                                                                                     \
  template <int COUNT>                                                                                                 \
  __device__ __forceinline__ void name(unsigned (&out)[COUNT], const void* row) {                                       \
    static_assert(COUNT == 1 || COUNT == 2 || COUNT == 4, "ldmatrix reads 1, 2 or 4 matrices");                        \
    const unsigned at = static_cast<unsigned>(__cvta_generic_to_shared(row));                                          \
    if constexpr (COUNT == 1)                                                                                          \
      asm volatile("ldmatrix.sync.aligned.m8n8.x1" how ".shared.b16 {%0}, [%1];" : "=r"(out[0]) : "r"(at) : "memory");   \
    else if constexpr (COUNT == 2)                                                                                     \
      asm volatile("ldmatrix.sync.aligned.m8n8.x2" how ".shared.b16 {%0,%1}, [%2];"                                     \
                   : "=r"(out[0]), "=r"(out[1]) : "r"(at) : "memory");                                                 \
    else                                                                                                               \
      asm volatile("ldmatrix.sync.aligned.m8n8.x4" how ".shared.b16 {%0,%1,%2,%3}, [%4];"                               \
                   : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(at) : "memory");                     \
  }
MINIDET_MATRICES(load_matrices, "")
MINIDET_MATRICES(load_transposed, ".trans")
#undef MINIDET_MATRICES

__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const float (&c)[4]) {
  MINIDET_PTX("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
              : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
              : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}
#define MINIDET_MMA_16(name, type)                                                                                      \
  template <int K>                                                                                                     \
  __device__ __forceinline__ void name(float (&d)[4], const unsigned (&a)[K / 4], const unsigned (&b)[K / 8], const float (&c)[4]) { \
    static_assert(K == 8 || K == 16, "m16n8k8 or m16n8k16");                                                           \
    if constexpr (K == 8)                                                                                              \
      MINIDET_PTX("mma.sync.aligned.m16n8k8.row.col.f32." type "." type ".f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%7,%8,%9,%10};" \
                  : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])                                                     \
                  : "r"(a[0]), "r"(a[1]), "r"(b[0]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));                      \
    else                                                                                                               \
      MINIDET_PTX("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};" \
                  : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])                                                     \
                  : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3])); \
  }
MINIDET_MMA_16(mma_f16, "f16")
MINIDET_MMA_16(mma_bf16, "bf16")
#undef MINIDET_MMA_16
#undef MINIDET_PTX

#endif
