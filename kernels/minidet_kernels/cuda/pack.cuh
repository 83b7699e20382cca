// 16 bytes of numbers, which a thread reads or writes at once: where memory is the limit, four times fewer instructions.
#pragma once

template <typename T>
struct __align__(16) Pack {
  static constexpr int size = 16 / sizeof(T);
  T at[size];
};

template <typename T>
__device__ __forceinline__ const Pack<T>* packs(const T* x) { return reinterpret_cast<const Pack<T>*>(x); }
template <typename T>
__device__ __forceinline__ Pack<T>* packs(T* x) { return reinterpret_cast<Pack<T>*>(x); }
