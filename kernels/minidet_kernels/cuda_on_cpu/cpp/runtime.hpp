// What the kernel's translation unit and the runtime share: one fiber per CUDA thread, blocks that schedule them.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace minidet_cuda {

struct Index {
  unsigned x, y, z;
};

// Where a thread stands, for messages.
struct Site {
  const char* what;
  const char* file;
  int line;
};

enum class State : unsigned char { ready, at_barrier, at_warp, done };

// What the lanes of a warp meet for. Lanes meet only for the same thing.
enum class Meeting : unsigned char {
  sync, shuffle, ballot, match_any, match_all,
  add, least, most, least_unsigned, most_unsigned, all_bits, any_bits, odd_bits,
  mma_tf32_k8, mma_f16_k8, mma_f16_k16, mma_bf16_k8, mma_bf16_k16,
  matrices_1, matrices_2, matrices_4, transposed_1, transposed_2, transposed_4,
};

// A copy that was asked for and has not landed yet (cp.async).
struct Copy {
  void* to;
  const void* from;
  unsigned bytes, group;
  bool wanted;  // false: zeros are written instead
};

// A CUtensorMap, as tensor_maps.py makes it for the emulation.
struct alignas(64) TensorMap {
  unsigned long long opaque[16];
};

// A copy by the tensor memory accelerator: where to, who is told, what, from which coordinates on.
struct TensorCopy {
  void* to;
  unsigned long long* barrier;
  TensorMap map;
  int at[5], offset[3], axes;
};

// A product of a warpgroup that was asked for: of this thread's sums, and descriptors of a and b.
struct Product {
  float* d;
  uint64_t a, b;
  int columns, turned;
  unsigned group;
};

struct Block;

struct Fiber {
  Index thread;
  unsigned number;  // x + y * size.x + z * size.x * size.y
  Block* block;
  State state;
  Meeting meeting;
  unsigned mask;
  Site site;
  int source;          // the lane that a shuffle reads; -1: its own
  uint64_t words[8];   // what the lane brings to a meeting and takes from it
  void* stack;         // highest address of its stack; null before it starts and after it ends
  void* context;       // where it goes on
  unsigned atomics, yields;
  Copy* copies;
  unsigned copies_count, copies_room, copies_group;
  Product* products;
  unsigned products_count, products_room, products_group, products_made;
  void* asan;
  void* tsan;
  char* tag;
  unsigned syncs;
};

struct Block {
  Index index, size, grid;
  char* shared;  // dynamic shared memory
  size_t shared_bytes;
};

#ifdef MINIDET_ASAN
constexpr uintptr_t STACK = 512 * 1024;
#else
constexpr uintptr_t STACK = 128 * 1024;
#endif
constexpr uintptr_t STACK_HEAD = 64;  // bytes at the top of a stack, which hold the address of its fiber

// The fiber that runs: stacks are aligned to their size, so the stack pointer tells.
inline __attribute__((always_inline)) Fiber& self() {
  uintptr_t here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return **reinterpret_cast<Fiber**>((here | (STACK - 1)) + 1 - STACK_HEAD);
}

// What a kernel's parameter is: kind f i u b (bool) h (half) w (bfloat16) v (void) s (struct).
struct Parameter {
  char kind;
  unsigned char pointer, constant, lanes;  // lanes: 4 for float4
  unsigned size, align;                    // of one lane; of the whole pointed-to value
};

struct Entry {
  void (*call)(void (*kernel)(), void** arguments);
  void (*kernel)();
  unsigned count;
  const Parameter* parameters;
};

int barrier(int predicate, int combine, Site site);  // combine: 0 nothing, 1 count, 2 and, 3 or
void meet(unsigned mask, Meeting meeting, Site site);
void pause_in_atomic(Fiber& fiber, Site site);
Copy& new_copy(Fiber& fiber);
Product& new_product(Fiber& fiber);
void check_product(Fiber& fiber, const Product& product, Site site);
bool copies_land_early(Fiber& fiber);
void start_barrier(unsigned long long* barrier, unsigned count, Site site);
void arrive(unsigned long long* barrier, unsigned bytes, Site site);
void await(unsigned long long* barrier, unsigned parity, Site site);
void copy_tensor(const TensorCopy& copy, Site site);
void fence();
[[noreturn]] void stop(const char* why, Site site);

}  // namespace minidet_cuda

extern "C" const minidet_cuda::Entry minidet_entries[];
extern "C" const unsigned minidet_entry_count;
