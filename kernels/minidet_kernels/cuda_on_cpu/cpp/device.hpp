// The names of CUDA C++ that a kernel uses, for a host compiler. Included before the kernel's own source.
#pragma once
#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <type_traits>
#include <utility>

#ifdef MINIDET_NVIDIA_HEADERS  // float4 and its like, __half and __nv_bfloat16 as NVIDIA defines them
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <vector_functions.h>
#endif

#include "runtime.hpp"

#define MINIDET_CUDA_ON_CPU 1
#undef __global__
#undef __device__
#undef __host__
#undef __constant__
#undef __shared__
#undef __managed__
#undef __grid_constant__
#undef __launch_bounds__
#undef __maxnreg__
#undef __cluster_dims__
#undef __align__
#undef __forceinline__
#undef __noinline__
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ noinline
#ifdef MINIDET_WORKER
#define __shared__ static __attribute__((section("minidet_shared")))
#else
#define __shared__ static thread_local
#endif
#define MINIDET_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(minidet_cuda::self().block->shared)
#define MINIDET_HERE(name) {name, file, line}
#define MINIDET_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

// ---- vector types -----------------------------------------------------------------------------------------------

#ifndef MINIDET_NVIDIA_HEADERS
#define MINIDET_VECTORS(T, name)                                                                                        \
  struct name##1 { T x; };                                                                                             \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                                                                   \
  struct name##3 { T x, y, z; };                                                                                       \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; };                                   \
  inline name##1 make_##name##1(T x) { return {x}; }                                                                   \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                                           \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                                   \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
MINIDET_VECTORS(signed char, char)
MINIDET_VECTORS(unsigned char, uchar)
MINIDET_VECTORS(short, short)
MINIDET_VECTORS(unsigned short, ushort)
MINIDET_VECTORS(int, int)
MINIDET_VECTORS(unsigned, uint)
MINIDET_VECTORS(long, long)
MINIDET_VECTORS(unsigned long, ulong)
MINIDET_VECTORS(long long, longlong)
MINIDET_VECTORS(unsigned long long, ulonglong)
MINIDET_VECTORS(float, float)
MINIDET_VECTORS(double, double)
#undef MINIDET_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
#endif

static constexpr int warpSize = 32;
#define threadIdx (reinterpret_cast<const uint3&>(minidet_cuda::self().thread))
#define blockIdx (reinterpret_cast<const uint3&>(minidet_cuda::self().block->index))
#define blockDim (reinterpret_cast<const dim3&>(minidet_cuda::self().block->size))
#define gridDim (reinterpret_cast<const dim3&>(minidet_cuda::self().block->grid))

// ---- barriers, fences -------------------------------------------------------------------------------------------

inline void __syncthreads(MINIDET_CALLER) { minidet_cuda::barrier(0, 0, MINIDET_HERE("__syncthreads")); }
inline int __syncthreads_count(int p, MINIDET_CALLER) { return minidet_cuda::barrier(p, 1, MINIDET_HERE("__syncthreads_count")); }
inline int __syncthreads_and(int p, MINIDET_CALLER) { return minidet_cuda::barrier(p, 2, MINIDET_HERE("__syncthreads_and")); }
inline int __syncthreads_or(int p, MINIDET_CALLER) { return minidet_cuda::barrier(p, 3, MINIDET_HERE("__syncthreads_or")); }
inline void __syncwarp(unsigned mask = 0xffffffffu, MINIDET_CALLER) {
  minidet_cuda::meet(mask, minidet_cuda::Meeting::sync, MINIDET_HERE("__syncwarp"));
}
inline void __threadfence() { minidet_cuda::fence(); }
inline void __threadfence_block() { minidet_cuda::fence(); }
inline void __threadfence_system() { minidet_cuda::fence(); }
[[noreturn]] inline void __trap(MINIDET_CALLER) { minidet_cuda::stop("trap", MINIDET_HERE("__trap")); }
#undef assert
#define assert(holds) ((holds) ? void() : minidet_cuda::stop("assertion failed", {"assert(" #holds ")", __FILE__, __LINE__}))

// ---- warp operations --------------------------------------------------------------------------------------------

namespace minidet_cuda {

inline int lane() { return int(self().number & 31); }

template <class T>
inline T shuffle(unsigned mask, T value, int source, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16, "a shuffle moves at most 16 bytes");
  Fiber& fiber = self();
  memcpy(fiber.words, &value, sizeof value);
  fiber.source = source;
  meet(mask, Meeting::shuffle, site);
  memcpy(&value, fiber.words + 2, sizeof value);
  return value;
}

inline uint64_t vote(unsigned mask, uint64_t value, Meeting meeting, Site site) {
  Fiber& fiber = self();
  fiber.words[0] = value;
  fiber.words[1] = 0;
  meet(mask, meeting, site);
  return fiber.words[2];
}

template <class T>
inline uint64_t bits(T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a value of 4 or 8 bytes is compared");
  uint64_t word = 0;
  memcpy(&word, &value, sizeof value);
  return word;
}

}  // namespace minidet_cuda

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, MINIDET_CALLER) {
  int first = minidet_cuda::lane() & ~(width - 1);
  return minidet_cuda::shuffle(mask, value, first | (source & (width - 1)), MINIDET_HERE("__shfl_sync"));
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, MINIDET_CALLER) {
  int lane = minidet_cuda::lane(), source = lane - int(delta);
  return minidet_cuda::shuffle(mask, value, source < (lane & ~(width - 1)) ? -1 : source, MINIDET_HERE("__shfl_up_sync"));
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, MINIDET_CALLER) {
  int lane = minidet_cuda::lane(), source = lane + int(delta);
  return minidet_cuda::shuffle(mask, value, source > (lane | (width - 1)) ? -1 : source, MINIDET_HERE("__shfl_down_sync"));
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int other, int width = 32, MINIDET_CALLER) {
  int lane = minidet_cuda::lane(), source = lane ^ other;
  return minidet_cuda::shuffle(mask, value, source > (lane | (width - 1)) ? -1 : source, MINIDET_HERE("__shfl_xor_sync"));
}
inline unsigned __ballot_sync(unsigned mask, int p, MINIDET_CALLER) {
  return unsigned(minidet_cuda::vote(mask, p != 0, minidet_cuda::Meeting::ballot, MINIDET_HERE("__ballot_sync")));
}
inline int __any_sync(unsigned mask, int p, MINIDET_CALLER) {
  return minidet_cuda::vote(mask, p != 0, minidet_cuda::Meeting::ballot, MINIDET_HERE("__any_sync")) != 0;
}
inline int __all_sync(unsigned mask, int p, MINIDET_CALLER) {
  return minidet_cuda::vote(mask, p == 0, minidet_cuda::Meeting::ballot, MINIDET_HERE("__all_sync")) == 0;
}
template <class T>
inline unsigned __match_any_sync(unsigned mask, T value, MINIDET_CALLER) {
  return unsigned(minidet_cuda::vote(mask, minidet_cuda::bits(value), minidet_cuda::Meeting::match_any, MINIDET_HERE("__match_any_sync")));
}
template <class T>
inline unsigned __match_all_sync(unsigned mask, T value, int* same, MINIDET_CALLER) {
  unsigned lanes = unsigned(minidet_cuda::vote(mask, minidet_cuda::bits(value), minidet_cuda::Meeting::match_all, MINIDET_HERE("__match_all_sync")));
  *same = lanes != 0;
  return lanes;
}
#define MINIDET_REDUCE(type, name, meeting)                                                                             \
  inline type name(unsigned mask, type value, MINIDET_CALLER) {                                                        \
    return type(minidet_cuda::vote(mask, unsigned(value), minidet_cuda::Meeting::meeting, MINIDET_HERE(#name)));         \
  }
MINIDET_REDUCE(unsigned, __reduce_add_sync, add)
MINIDET_REDUCE(unsigned, __reduce_min_sync, least_unsigned)
MINIDET_REDUCE(unsigned, __reduce_max_sync, most_unsigned)
MINIDET_REDUCE(int, __reduce_add_sync, add)
MINIDET_REDUCE(int, __reduce_min_sync, least)
MINIDET_REDUCE(int, __reduce_max_sync, most)
MINIDET_REDUCE(unsigned, __reduce_and_sync, all_bits)
MINIDET_REDUCE(unsigned, __reduce_or_sync, any_bits)
MINIDET_REDUCE(unsigned, __reduce_xor_sync, odd_bits)
#undef MINIDET_REDUCE

__attribute__((error("__activemask() has no one right answer, so cuda_on_cpu does not have it; pass the mask along")))
unsigned __activemask();

// ---- atomics ----------------------------------------------------------------------------------------------------

namespace minidet_cuda {

template <class T, class Change>
inline T atomically(T* address, Change change, Site site) {
  Fiber& fiber = self();
  if (++fiber.atomics >= 64) pause_in_atomic(fiber, site);
  T old, changed;
  __atomic_load(address, &old, __ATOMIC_RELAXED);
  do changed = change(old);
  while (!__atomic_compare_exchange(address, &old, &changed, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}
template <class T, class... Those>
constexpr bool one_of = (std::is_same_v<T, Those> || ...);
using ull = unsigned long long;
template <class T>
struct Same { using type = T; };
template <class T>
using Given = typename Same<T>::type;  // converted to the type of the other argument

template <class T>
inline T wrapping_add(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    return T(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
  } else {
    return a + b;
  }
}

}  // namespace minidet_cuda

#define MINIDET_ATOMIC(name, types, change)                                                                             \
  template <class T>                                                                                                   \
  inline T name(T* address, minidet_cuda::Given<T> value, MINIDET_CALLER) {                                             \
    static_assert(minidet_cuda::one_of<T, MINIDET_UNWRAP types>, "CUDA has no " #name " for this type");                \
    return minidet_cuda::atomically(address, [=](T old) -> T { return change; }, MINIDET_HERE(#name));                  \
  }                                                                                                                    \
  template <class T>                                                                                                   \
  inline T name##_block(T* address, minidet_cuda::Given<T> value, MINIDET_CALLER) { return name(address, value, file, line); } \
  template <class T>                                                                                                   \
  inline T name##_system(T* address, minidet_cuda::Given<T> value, MINIDET_CALLER) { return name(address, value, file, line); }
#define MINIDET_UNWRAP(...) __VA_ARGS__
MINIDET_ATOMIC(atomicAdd, (int, unsigned, minidet_cuda::ull, float, double), minidet_cuda::wrapping_add<T>(old, value))
MINIDET_ATOMIC(atomicSub, (int, unsigned), T(unsigned(old) - unsigned(value)))
MINIDET_ATOMIC(atomicExch, (int, unsigned, minidet_cuda::ull, float), value)
MINIDET_ATOMIC(atomicMin, (int, unsigned, long long, minidet_cuda::ull), old < value ? old : value)
MINIDET_ATOMIC(atomicMax, (int, unsigned, long long, minidet_cuda::ull), old > value ? old : value)
MINIDET_ATOMIC(atomicInc, (unsigned), old >= value ? 0 : old + 1)
MINIDET_ATOMIC(atomicDec, (unsigned), old == 0 || old > value ? value : old - 1)
MINIDET_ATOMIC(atomicAnd, (int, unsigned, minidet_cuda::ull), old & value)
MINIDET_ATOMIC(atomicOr, (int, unsigned, minidet_cuda::ull), old | value)
MINIDET_ATOMIC(atomicXor, (int, unsigned, minidet_cuda::ull), old ^ value)
#undef MINIDET_ATOMIC
template <class T>
inline T atomicCAS(T* address, minidet_cuda::Given<T> expected, minidet_cuda::Given<T> value, MINIDET_CALLER) {
  static_assert(minidet_cuda::one_of<T, int, unsigned, minidet_cuda::ull, unsigned short>, "CUDA has no atomicCAS for this type");
  return minidet_cuda::atomically(address, [=](T old) { return old == expected ? value : old; }, MINIDET_HERE("atomicCAS"));
}

// ---- loads and stores with a hint -------------------------------------------------------------------------------

#ifdef MINIDET_NVIDIA_HEADERS
#undef __ldg
#endif
template <class T> inline T __ldg(const T* p) { return *p; }
template <class T> inline T __ldca(const T* p) { return *p; }
template <class T> inline T __ldcg(const T* p) { return *p; }
template <class T> inline T __ldcs(const T* p) { return *p; }
template <class T> inline T __ldcv(const T* p) { return *p; }
template <class T> inline T __ldlu(const T* p) { return *p; }
template <class T> inline void __stwb(T* p, T v) { *p = v; }
template <class T> inline void __stcg(T* p, T v) { *p = v; }
template <class T> inline void __stcs(T* p, T v) { *p = v; }
template <class T> inline void __stwt(T* p, T v) { *p = v; }

// ---- arithmetic: all of it rounds to nearest, nothing is flushed to zero, nothing is approximate -----------------

template <class A, class B, class C = std::common_type_t<A, B>, class = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
inline C min(A a, B b) {
  if constexpr (std::is_same_v<C, float>) return fminf(a, b);
  else if constexpr (std::is_same_v<C, double>) return fmin(a, b);
  else return C(a) < C(b) ? C(a) : C(b);
}
template <class A, class B, class C = std::common_type_t<A, B>, class = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
inline C max(A a, B b) {
  if constexpr (std::is_same_v<C, float>) return fmaxf(a, b);
  else if constexpr (std::is_same_v<C, double>) return fmax(a, b);
  else return C(a) > C(b) ? C(a) : C(b);
}
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frsqrt_rn(float a) { return float(1.0 / sqrt(double(a))); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline double __drcp_rn(double a) { return 1.0 / a; }
inline double __dsqrt_rn(double a) { return sqrt(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
inline float __expf(float a) { return expf(a); }
inline float __exp10f(float a) { return powf(10.0f, a); }
inline float __logf(float a) { return logf(a); }
inline float __log2f(float a) { return log2f(a); }
inline float __log10f(float a) { return log10f(a); }
inline float __powf(float a, float b) { return powf(a, b); }
inline float __sinf(float a) { return sinf(a); }
inline float __cosf(float a) { return cosf(a); }
inline float __tanf(float a) { return tanf(a); }
inline float __tanhf(float a) { return tanhf(a); }
inline void __sincosf(float a, float* s, float* c) { *s = sinf(a), *c = cosf(a); }
inline float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }
inline float rsqrtf(float a) { return float(1.0 / sqrt(double(a))); }
inline double rsqrt(double a) { return 1.0 / sqrt(a); }
inline float rcbrtf(float a) { return 1.0f / cbrtf(a); }
inline float sinpif(float a) { return float(sin(M_PI * double(a))); }
inline float cospif(float a) { return float(cos(M_PI * double(a))); }
inline float normcdff(float a) { return float(0.5 * erfc(-double(a) * M_SQRT1_2)); }

namespace minidet_cuda {
template <class To, class From>
inline To reinterpret(From value) {
  static_assert(sizeof(To) == sizeof(From), "of one size");
  To result;
  memcpy(&result, &value, sizeof result);
  return result;
}
// To an integer as the GPU does: out of range saturates, NaN gives 0.
template <class To, class From>
inline To saturate(From value) {
  if (value != value) return 0;
  constexpr double low = double(std::is_signed_v<To> ? To(uint64_t(1) << (8 * sizeof(To) - 1)) : To(0));
  constexpr To highest = std::is_signed_v<To> ? To((uint64_t(1) << (8 * sizeof(To) - 1)) - 1) : To(~uint64_t(0));
  if (double(value) <= low) return To(low);
  if (double(value) >= double(highest)) return highest;
  return To(value);
}
}  // namespace minidet_cuda

inline int __float_as_int(float a) { return minidet_cuda::reinterpret<int>(a); }
inline unsigned __float_as_uint(float a) { return minidet_cuda::reinterpret<unsigned>(a); }
inline float __int_as_float(int a) { return minidet_cuda::reinterpret<float>(a); }
inline float __uint_as_float(unsigned a) { return minidet_cuda::reinterpret<float>(a); }
inline long long __double_as_longlong(double a) { return minidet_cuda::reinterpret<long long>(a); }
inline double __longlong_as_double(long long a) { return minidet_cuda::reinterpret<double>(a); }
#define MINIDET_TO_INTEGER(from, type, to, integer)                                                                     \
  inline integer __##from##2##to##_rn(type a) { return minidet_cuda::saturate<integer>(nearbyint(a)); }                 \
  inline integer __##from##2##to##_rz(type a) { return minidet_cuda::saturate<integer>(trunc(a)); }                     \
  inline integer __##from##2##to##_ru(type a) { return minidet_cuda::saturate<integer>(ceil(a)); }                      \
  inline integer __##from##2##to##_rd(type a) { return minidet_cuda::saturate<integer>(floor(a)); }
MINIDET_TO_INTEGER(float, float, int, int)
MINIDET_TO_INTEGER(float, float, uint, unsigned)
MINIDET_TO_INTEGER(float, float, ll, long long)
MINIDET_TO_INTEGER(float, float, ull, unsigned long long)
MINIDET_TO_INTEGER(double, double, int, int)
MINIDET_TO_INTEGER(double, double, uint, unsigned)
MINIDET_TO_INTEGER(double, double, ll, long long)
MINIDET_TO_INTEGER(double, double, ull, unsigned long long)
#undef MINIDET_TO_INTEGER
inline float __int2float_rn(int a) { return float(a); }
inline float __uint2float_rn(unsigned a) { return float(a); }
inline float __ll2float_rn(long long a) { return float(a); }
inline float __ull2float_rn(unsigned long long a) { return float(a); }
inline float __double2float_rn(double a) { return float(a); }
inline double __int2double_rn(int a) { return a; }
inline double __ll2double_rn(long long a) { return double(a); }

inline int __popc(unsigned a) { return __builtin_popcount(a); }
inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
inline int __clz(int a) { return a ? __builtin_clz(unsigned(a)) : 32; }
inline int __clzll(long long a) { return a ? __builtin_clzll((unsigned long long)a) : 64; }
inline int __ffs(int a) { return __builtin_ffs(a); }
inline int __ffsll(long long a) { return __builtin_ffsll(a); }
inline unsigned __brev(unsigned a) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (a >> i & 1) << (31 - i);
  return r;
}
inline unsigned long long __brevll(unsigned long long a) {
  return (unsigned long long)__brev(unsigned(a)) << 32 | __brev(unsigned(a >> 32));
}
inline int __mul24(int a, int b) { return int(unsigned(a << 8 >> 8) * unsigned(b << 8 >> 8)); }
inline unsigned __umul24(unsigned a, unsigned b) { return (a & 0xffffff) * (b & 0xffffff); }
inline int __mulhi(int a, int b) { return int((long long)a * b >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }
inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  unsigned long long both = (unsigned long long)b << 32 | a;
  unsigned r = 0;
  for (int i = 0; i < 4; i++) {
    unsigned chosen = selector >> 4 * i & 15, byte = unsigned(both >> 8 * (chosen & 7)) & 255;
    r |= (chosen & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * i;
  }
  return r;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
  return unsigned(((unsigned long long)high << 32 | low) << (by & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
  return unsigned(((unsigned long long)high << 32 | low) >> (by & 31));
}
inline int __dp4a(int a, int b, int c) {
  unsigned sum = unsigned(c);
  for (int i = 0; i < 4; i++) sum += unsigned(int(int8_t(unsigned(a) >> 8 * i)) * int(int8_t(unsigned(b) >> 8 * i)));
  return int(sum);
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  for (int i = 0; i < 4; i++) c += (a >> 8 * i & 255) * (b >> 8 * i & 255);
  return c;
}
inline int __sad(int a, int b, unsigned c) { return int(c + (a > b ? unsigned(a) - unsigned(b) : unsigned(b) - unsigned(a))); }
inline long long clock64() { static long long now; return __atomic_add_fetch(&now, 1, __ATOMIC_RELAXED); }
inline long clock() noexcept(true) { return long(clock64()); }
inline void __nanosleep(unsigned, MINIDET_CALLER) { minidet_cuda::pause_in_atomic(minidet_cuda::self(), MINIDET_HERE("__nanosleep")); }
#define CUDART_INF_F __builtin_inff()
#define CUDART_NAN_F __builtin_nanf("")
#define CUDART_INF __builtin_inf()
#define CUDART_NAN __builtin_nan("")
#define CUDART_PI_F 3.141592654f

#include "ptx.hpp"
#include "hopper.hpp"

// ---- what the loader asks about a kernel ------------------------------------------------------------------------

namespace minidet_cuda {

template <class T, int = 0>
struct Lanes { using type = T; static constexpr unsigned char count = 1; };
#define MINIDET_LANES(T, name)                                                                                          \
  template <> struct Lanes<name##1> { using type = T; static constexpr unsigned char count = 1; };                      \
  template <> struct Lanes<name##2> { using type = T; static constexpr unsigned char count = 2; };                      \
  template <> struct Lanes<name##3> { using type = T; static constexpr unsigned char count = 3; };                      \
  template <> struct Lanes<name##4> { using type = T; static constexpr unsigned char count = 4; };
MINIDET_LANES(signed char, char)
MINIDET_LANES(unsigned char, uchar)
MINIDET_LANES(short, short)
MINIDET_LANES(unsigned short, ushort)
MINIDET_LANES(int, int)
MINIDET_LANES(unsigned, uint)
MINIDET_LANES(float, float)
#undef MINIDET_LANES
#ifndef MINIDET_NVIDIA_HEADERS  // of 16 bytes; NVIDIA's newer headers call some of these by other names
template <> struct Lanes<double2> { using type = double; static constexpr unsigned char count = 2; };
template <> struct Lanes<double4> { using type = double; static constexpr unsigned char count = 4; };
#else
template <> struct Lanes<double2> { using type = double; static constexpr unsigned char count = 2; };
template <> struct Lanes<__half2> { using type = __half; static constexpr unsigned char count = 2; };
template <> struct Lanes<__nv_bfloat162> { using type = __nv_bfloat16; static constexpr unsigned char count = 2; };
#endif
template <> struct Lanes<longlong2> { using type = long long; static constexpr unsigned char count = 2; };
template <> struct Lanes<ulonglong2> { using type = unsigned long long; static constexpr unsigned char count = 2; };

template <class T>
constexpr char kind() {
#ifdef MINIDET_NVIDIA_HEADERS
  if (std::is_same_v<T, __half>) return 'h';
  if (std::is_same_v<T, __nv_bfloat16>) return 'w';
#endif
  if (std::is_void_v<T>) return 'v';
  if (std::is_same_v<T, bool>) return 'b';
  if (std::is_floating_point_v<T>) return 'f';
  if (std::is_integral_v<T>) return std::is_signed_v<T> ? 'i' : 'u';
  return std::is_pointer_v<T> ? 'p' : 's';
}
template <class T>
constexpr unsigned size() {
  if constexpr (std::is_void_v<T>) return 1;
  else return sizeof(T);
}
template <class T>
constexpr unsigned alignment() {
  if constexpr (std::is_void_v<T>) return 1;
  else return alignof(T);
}
template <class P>
constexpr Parameter describe() {
  using Plain = std::remove_cv_t<std::remove_reference_t<P>>;
  using Target = std::remove_pointer_t<Plain>;
  using Value = std::remove_cv_t<Target>;
  using Lane = typename Lanes<Value>::type;
  return {kind<Lane>(), std::is_pointer_v<Plain>, std::is_const_v<Target>, Lanes<Value>::count, size<Lane>(), alignment<Value>()};
}
template <class... P, size_t... I>
inline void call(void (*kernel)(), void** arguments, std::index_sequence<I...>) {
  reinterpret_cast<void (*)(P...)>(kernel)(*static_cast<std::remove_cv_t<std::remove_reference_t<P>>*>(arguments[I])...);
}
template <class... P>
inline Entry entry(void (*kernel)(P...)) {
  static const Parameter parameters[] = {describe<P>()..., Parameter{}};
  return {[](void (*k)(), void** a) { call<P...>(k, a, std::index_sequence_for<P...>{}); },
          reinterpret_cast<void (*)()>(kernel), sizeof...(P), parameters};
}

}  // namespace minidet_cuda
