// What include/minidet_ptx.cuh says in PTX for a GPU, emulated.
#pragma once

namespace minidet_cuda {

__attribute__((no_sanitize("undefined"))) inline void land(const Copy& copy) {
  unsigned char* to = static_cast<unsigned char*>(copy.to);
  const unsigned char* from = static_cast<const unsigned char*>(copy.from);
  for (unsigned i = 0; i < copy.bytes; i++) to[i] = copy.wanted ? from[i] : 0;
}

template <int K>
inline void multiply(float* d, const unsigned* a, const unsigned* b, const float* c, Meeting meeting, int words, Site site) {
  Fiber& fiber = self();
  unsigned* w = reinterpret_cast<unsigned*>(fiber.words);
  for (int i = 0; i < words; i++) w[i] = a[i];
  for (int i = 0; i < words / 2; i++) w[4 + i] = b[i];
  memcpy(w + 6, c, 16);
  meet(0xffffffffu, meeting, site);
  memcpy(d, w + 10, 16);
}

}  // namespace minidet_cuda

template <int BYTES>
inline void copy_async(void* to, const void* from, bool wanted = true, MINIDET_CALLER) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
  if (reinterpret_cast<uintptr_t>(to) % BYTES || (wanted && reinterpret_cast<uintptr_t>(from) % BYTES))
    minidet_cuda::stop("misaligned address", MINIDET_HERE("copy_async"));
  minidet_cuda::Fiber& fiber = minidet_cuda::self();
  minidet_cuda::Copy copy{to, from, BYTES, fiber.copies_group, wanted};
  if (minidet_cuda::copies_land_early(fiber)) minidet_cuda::land(copy);
  else minidet_cuda::new_copy(fiber) = copy;
}
inline void copy_commit() { minidet_cuda::self().copies_group++; }
template <int N>
inline void copy_wait() {
  minidet_cuda::Fiber& fiber = minidet_cuda::self();
  unsigned left = 0;
  for (unsigned i = 0; i < fiber.copies_count; i++) {
    const minidet_cuda::Copy copy = fiber.copies[i];
    if (copy.group + N < fiber.copies_group) minidet_cuda::land(copy);
    else fiber.copies[left++] = copy;
  }
  fiber.copies_count = left;
}

inline unsigned to_tf32(float value) {
  unsigned bits = __float_as_uint(value);
  return value != value ? 0x7fffffffu : (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}
inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const float (&c)[4], MINIDET_CALLER) {
  minidet_cuda::multiply<8>(d, a, b, c, minidet_cuda::Meeting::mma_tf32_k8, 4, MINIDET_HERE("mma_tf32"));
}
template <int K>
inline void mma_f16(float (&d)[4], const unsigned (&a)[K / 4], const unsigned (&b)[K / 8], const float (&c)[4], MINIDET_CALLER) {
  constexpr auto meeting = K == 8 ? minidet_cuda::Meeting::mma_f16_k8 : minidet_cuda::Meeting::mma_f16_k16;
  minidet_cuda::multiply<K>(d, a, b, c, meeting, K / 4, MINIDET_HERE("mma_f16"));
}
template <int K>
inline void mma_bf16(float (&d)[4], const unsigned (&a)[K / 4], const unsigned (&b)[K / 8], const float (&c)[4], MINIDET_CALLER) {
  constexpr auto meeting = K == 8 ? minidet_cuda::Meeting::mma_bf16_k8 : minidet_cuda::Meeting::mma_bf16_k16;
  minidet_cuda::multiply<K>(d, a, b, c, meeting, K / 4, MINIDET_HERE("mma_bf16"));
}

namespace minidet_cuda {

template <int COUNT, bool TRANSPOSED>
inline void read_matrices(unsigned (&out)[COUNT], const void* row, Site site) {
  static_assert(COUNT == 1 || COUNT == 2 || COUNT == 4, "ldmatrix reads 1, 2 or 4 matrices");
  Fiber& fiber = self();
  if (lane() < 8 * COUNT && reinterpret_cast<uintptr_t>(row) % 16) stop("misaligned address", site);
  constexpr int power = COUNT / 2;
  fiber.words[0] = reinterpret_cast<uint64_t>(row);
  meet(0xffffffffu, Meeting(int(TRANSPOSED ? Meeting::transposed_1 : Meeting::matrices_1) + power), site);
  for (int m = 0; m < COUNT; m++) {
    if constexpr (TRANSPOSED) {
      const uint16_t* two[2];
      memcpy(two, fiber.words + 2 * m, sizeof two);
      out[m] = two[0][lane() / 4] | unsigned(two[1][lane() / 4]) << 16;
    } else {
      const unsigned* words;
      memcpy(&words, fiber.words + m, sizeof words);
      out[m] = words[lane() % 4];
    }
  }
}

}  // namespace minidet_cuda

template <int COUNT>
inline void load_matrices(unsigned (&out)[COUNT], const void* row, MINIDET_CALLER) {
  minidet_cuda::read_matrices<COUNT, false>(out, row, MINIDET_HERE("load_matrices"));
}
template <int COUNT>
inline void load_transposed(unsigned (&out)[COUNT], const void* row, MINIDET_CALLER) {
  minidet_cuda::read_matrices<COUNT, true>(out, row, MINIDET_HERE("load_transposed"));
}

// To the nearest, ties to even; a NaN stays one. Beyond the largest: infinite.
inline unsigned short to_f16(float value) {
  const unsigned bits = __float_as_uint(value), size = bits & 0x7fffffffu;
  const unsigned short sign = bits >> 16 & 0x8000u;
  if (size > 0x7f800000u) return 0x7fff;
  if (size < 0x38800000u)  // below 2^-14: a multiple of 2^-24, which adding 0.5 leaves in the last bits
    return sign | (__float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000u);
  const unsigned rounded = size + 0xfffu + (size >> 13 & 1);
  return sign | (rounded >= 0x47800000u ? 0x7c00u : (rounded - 0x38000000u) >> 13);
}
inline unsigned short to_bf16(float value) {
  const unsigned bits = __float_as_uint(value);
  return value != value ? 0x7fff : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
