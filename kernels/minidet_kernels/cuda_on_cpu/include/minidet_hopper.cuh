// Hopper's asynchronous machinery (sm_90a): barriers that count, copies of boxes by the tensor memory accelerator, and
// products of whole warpgroups (128 threads). Inline PTX under nvcc, an emulation under cuda_on_cpu.
//
//   Barrier                                  8 bytes of shared memory; a phase ends when `count` threads have arrived and
//                                            all bytes that were expected have come
//   barrier_init(b, count), barrier_fence()  by one thread; the fence makes them known to the copies too
//   barrier_arrive(b), barrier_expect(b, n)  one arrival; the second tells of n bytes to come
//   barrier_wait(b, parity)                  until the phase with this parity (the first has 0) is over
//   TensorMap                                what the driver makes of an array and a box: a __grid_constant__ parameter
//   copy_box(to, map, c0, c1, c2, b)         a box of an array of 3 axes, innermost first, from these coordinates
//   copy_windows(to, map, c, w, h, n, right, down, b)   "im2col": channels from c on of pixels from (n, h, w) on, which go
//                                            through the map's bounding box; each is read `down` and `right` from there
//   rows_128(p)                              the descriptor of rows of 128 bytes that a copy has laid down (128 byte
//                                            swizzle), for products; + 2 is 32 bytes further along each row
//   terms_128(p, apart)                      the same of matrices that lie the other way round: a row of 128 bytes is one
//                                            term of the sums, of 64 rows of a (or columns of b), and the next 64 are `apart`
//                                            bytes further; + 128 is 16 terms further
//   products_fence(), products<N>(d, a, b), products_commit(), products_wait<GROUPS>()
//                                            wgmma m64nNk16 of bf16, N 128 or 256: d += a b^T; d is nobody's until waited for
//   products<N, 1>(d, a, b)                  the same of terms_128: both matrices are turned around ("MN-major")
//   registers_more<N>(), registers_fewer<N>()   setmaxnreg, of a whole warpgroup
//
// Elsewhere than on sm_90a they trap.
#pragma once

#ifndef MINIDET_CUDA_ON_CPU  // there they are always known: cpp/hopper.hpp

struct __align__(64) TensorMap {
  unsigned long long opaque[16];
};
typedef unsigned long long Barrier;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define MINIDET_HOPPER(...) asm volatile(__VA_ARGS__)
#else
#define MINIDET_HOPPER(...) __trap()
#endif

__device__ __forceinline__ unsigned minidet_shared(const void* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

__device__ __forceinline__ void barrier_init(Barrier* b, unsigned count) {
  MINIDET_HOPPER("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(minidet_shared(b)), "r"(count) : "memory");
}
__device__ __forceinline__ void barrier_fence() {
  MINIDET_HOPPER("fence.mbarrier_init.release.cluster;\n\tfence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(Barrier* b) {
  MINIDET_HOPPER("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(minidet_shared(b)) : "memory");
}
__device__ __forceinline__ void barrier_expect(Barrier* b, unsigned bytes) {
  MINIDET_HOPPER("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(minidet_shared(b)), "r"(bytes) : "memory");
}
__device__ __forceinline__ void barrier_wait(Barrier* b, unsigned parity) {
  unsigned over = 0;
  while (!over)
    MINIDET_HOPPER("{\n\t.reg .pred p;\n\tmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n\tselp.u32 %0, 1, 0, p;\n\t}"
                   : "=r"(over) : "r"(minidet_shared(b)), "r"(parity) : "memory");
}

__device__ __forceinline__ void copy_box(void* to, const TensorMap* map, int c0, int c1, int c2, Barrier* b) {
  MINIDET_HOPPER("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];"
                 ::"r"(minidet_shared(to)), "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(minidet_shared(b)) : "memory");
}
__device__ __forceinline__ void copy_windows(void* to, const TensorMap* map, int c, int w, int h, int n, int right, int down, Barrier* b) {
  MINIDET_HOPPER("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8};"
                 ::"r"(minidet_shared(to)), "l"(map), "r"(c), "r"(w), "r"(h), "r"(n), "r"(minidet_shared(b)),
                 "h"(static_cast<unsigned short>(right)), "h"(static_cast<unsigned short>(down)) : "memory");
}

// Bits: 0-13 address / 16; 16-29 leading offset, which this layout ignores; 32-45 bytes from 8 rows to the next 8, / 16;
// 62-63 the swizzle, 1 for 128 bytes. (PTX ISA, "Matrix descriptor format" of wgmma.)
__device__ __forceinline__ unsigned long long rows_128(const void* p) {
  return (minidet_shared(p) & 0x3ffffu) >> 4 | 1ull << 16 | 64ull << 32 | 1ull << 62;
}
// The same fields where the rows are terms: 16-29 bytes from 64 rows of a (columns of b) to the next 64, / 16; 32-45 from 8
// terms to the next 8, / 16. In the words of CuTe: Swizzle<3, 4, 3> o ((8, 8, m), (8, k)) : ((1, 8, LBO), (64, SBO)).
// (PTX ISA, "Asynchronous Warpgroup Level Majorness supported by Strides" and "Canonical Layouts", MN-major, 128B
// swizzling.) `p` is at a multiple of 1024 bytes, so the matrix base offset, bits 49-51, is 0.
__device__ __forceinline__ unsigned long long terms_128(const void* p, unsigned apart) {
  return (minidet_shared(p) & 0x3ffffu) >> 4 | static_cast<unsigned long long>(apart >> 4) << 16 | 64ull << 32 | 1ull << 62;
}
__device__ __forceinline__ void products_fence() { MINIDET_HOPPER("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void products_commit() { MINIDET_HOPPER("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N>
__device__ __forceinline__ void products_wait() {
  MINIDET_HOPPER("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
#define MINIDET_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define MINIDET_16(d, i) MINIDET_4(d, i), MINIDET_4(d, i + 4), MINIDET_4(d, i + 8), MINIDET_4(d, i + 12)
template <int N, int TURNED = 0>  // imm-trans-a and imm-trans-b, 1: M-major and N-major
__device__ __forceinline__ void products(float (&d)[N / 2], unsigned long long a, unsigned long long b) {
  static_assert(N == 128 || N == 256, "m64n128k16 or m64n256k16");
  if constexpr (N == 128)
    MINIDET_HOPPER("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                   "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,"
                   "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,"
                   "%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,"
                   "%62,%63"
                   "}, %64, %65, 1, 1, 1, %66, %66;"
                   : MINIDET_16(d, 0), MINIDET_16(d, 16), MINIDET_16(d, 32), MINIDET_16(d, 48)
                   : "l"(a), "l"(b), "n"(TURNED));
  else
    MINIDET_HOPPER("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
                   "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,"
                   "%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,"
                   "%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,"
                   "%62,%63,%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,"
                   "%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,"
                   "%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116,"
                   "%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
                   "}, %128, %129, 1, 1, 1, %130, %130;"
                   : MINIDET_16(d, 0), MINIDET_16(d, 16), MINIDET_16(d, 32), MINIDET_16(d, 48),
                     MINIDET_16(d, 64), MINIDET_16(d, 80), MINIDET_16(d, 96), MINIDET_16(d, 112)
                   : "l"(a), "l"(b), "n"(TURNED));
}
template <int N>
__device__ __forceinline__ void registers_more() {
  MINIDET_HOPPER("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}
template <int N>
__device__ __forceinline__ void registers_fewer() {
  MINIDET_HOPPER("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}
#undef MINIDET_4
#undef MINIDET_16
#undef MINIDET_HOPPER

#endif
