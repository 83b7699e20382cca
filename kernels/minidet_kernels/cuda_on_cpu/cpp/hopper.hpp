// What include/minidet_hopper.cuh says in PTX for a GPU, emulated. Addresses in shared memory count from where the
// dynamic shared memory of the block begins: barriers and tiles have to be there.
#pragma once

using minidet_cuda::TensorMap;
typedef unsigned long long Barrier;

inline void barrier_init(Barrier* b, unsigned count, MINIDET_CALLER) { minidet_cuda::start_barrier(b, count, MINIDET_HERE("barrier_init")); }
inline void barrier_fence() {}
inline void barrier_arrive(Barrier* b, MINIDET_CALLER) { minidet_cuda::arrive(b, 0, MINIDET_HERE("barrier_arrive")); }
inline void barrier_expect(Barrier* b, unsigned bytes, MINIDET_CALLER) { minidet_cuda::arrive(b, bytes, MINIDET_HERE("barrier_expect")); }
inline void barrier_wait(Barrier* b, unsigned parity, MINIDET_CALLER) { minidet_cuda::await(b, parity, MINIDET_HERE("barrier_wait")); }

inline void copy_box(void* to, const TensorMap* map, int c0, int c1, int c2, Barrier* b, MINIDET_CALLER) {
  minidet_cuda::copy_tensor({to, b, *map, {c0, c1, c2}, {}, 3}, MINIDET_HERE("copy_box"));
}
inline void copy_windows(void* to, const TensorMap* map, int c, int w, int h, int n, int right, int down, Barrier* b, MINIDET_CALLER) {
  minidet_cuda::copy_tensor({to, b, *map, {c, w, h, n}, {right, down}, 4}, MINIDET_HERE("copy_windows"));
}

inline unsigned long long rows_128(const void* p) {
  const unsigned at = unsigned(static_cast<const char*>(p) - minidet_cuda::self().block->shared);
  return (at & 0x3ffffu) >> 4 | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

inline unsigned long long terms_128(const void* p, unsigned apart) {
  const unsigned at = unsigned(static_cast<const char*>(p) - minidet_cuda::self().block->shared);
  return (at & 0x3ffffu) >> 4 | static_cast<unsigned long long>(apart >> 4) << 16 | 64ull << 32 | 1ull << 62;
}

namespace minidet_cuda {

// Where term k of a row of a matrix (of a column of b) begins, in the 128 byte swizzle. The canonical layouts of the PTX ISA
// ("Canonical Layouts", under "Shared Memory Matrix Layout" of wgmma), T = 8 words of 16 bits in 16 bytes, in words:
//   K-major   ((8, m), (T, 2 k)) : ((8 T, SBO), (1, T))              a row of 128 bytes is a row of the matrix
//   MN-major  ((T, 8, m), (8, k)) : ((1, T, LBO), (8 T, SBO))        a row of 128 bytes is a term, of 64 rows of the matrix
// and then Swizzle<3, 4, 3>: bits 7-9 of an address change its bits 4-6.
inline unsigned place_of_term(uint64_t matrix, int turned, int row, int k) {
  const unsigned start = unsigned(matrix & 0x3fff) * 16;
  const unsigned leading = unsigned(matrix >> 16 & 0x3fff) * 16, stride = unsigned(matrix >> 32 & 0x3fff) * 16;
  const unsigned at = turned ? start + row % 64 * 2 + row / 64 * leading + k % 8 * 128 + k / 8 * stride
                             : start + row % 8 * 128 + row / 8 * stride + k * 2;
  return at ^ (at >> 7 & 7) << 4;
}

// Of a warpgroup's 64 x N sums a thread holds those of row 16 w + l / 4 + 8 h and columns 8 j + 2 (l % 4) + e, warp w,
// lane l, as d[4 j + 2 h + e]. (PTX ISA, "wgmma.mma_async", D fragment of m64nNk16.) Each makes its own.
inline void multiply_rows(const Product& product) {
  const Fiber& fiber = self();
  auto word = [&](uint64_t matrix, int row, int k) {
    uint16_t bits;
    memcpy(&bits, fiber.block->shared + place_of_term(matrix, product.turned, row, k), 2);
    return double(__uint_as_float(unsigned(bits) << 16));
  };
  const int thread = fiber.number % 128, lane = thread % 32;
  double a[2][16];
  for (int h = 0; h < 2; h++)
    for (int k = 0; k < 16; k++) a[h][k] = word(product.a, thread / 32 * 16 + lane / 4 + 8 * h, k);
  for (int j = 0; j < product.columns / 8; j++)
    for (int e = 0; e < 2; e++) {
      double b[16];
      for (int k = 0; k < 16; k++) b[k] = word(product.b, 8 * j + lane % 4 * 2 + e, k);
      for (int h = 0; h < 2; h++) {
        float& d = product.d[4 * j + 2 * h + e];
        double sum = d;
        for (int k = 0; k < 16; k++) sum += a[h][k] * b[k];
        d = float(sum);
      }
    }
}

}  // namespace minidet_cuda

inline void products_fence() {}
inline void products_commit() { minidet_cuda::self().products_group++; }
template <int N>
inline void registers_more() {}
template <int N>
inline void registers_fewer() {}
template <int N, int TURNED = 0>
inline void products(float (&d)[N / 2], unsigned long long a, unsigned long long b, MINIDET_CALLER) {
  static_assert(N == 128 || N == 256, "m64n128k16 or m64n256k16");
  minidet_cuda::Fiber& fiber = minidet_cuda::self();
  const minidet_cuda::Product product{d, a, b, N, TURNED, fiber.products_group};
  minidet_cuda::check_product(fiber, product, MINIDET_HERE("products"));
  if (minidet_cuda::copies_land_early(fiber) && !fiber.products_count) minidet_cuda::multiply_rows(product);
  else minidet_cuda::new_product(fiber) = product;
}
template <int N>
inline void products_wait() {
  minidet_cuda::Fiber& fiber = minidet_cuda::self();
  unsigned left = 0;
  for (unsigned i = 0; i < fiber.products_count; i++) {
    const minidet_cuda::Product product = fiber.products[i];
    if (product.group + N < fiber.products_group) minidet_cuda::multiply_rows(product);
    else fiber.products[left++] = product;
  }
  fiber.products_count = left;
}
