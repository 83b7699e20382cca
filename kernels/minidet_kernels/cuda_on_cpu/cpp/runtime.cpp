// Runs the blocks of a launch, one after another on each host thread, and the threads of a block as fibers.
//
// A fiber runs until it waits (barrier, warp operation) or returns. Those that can run stand in a queue, in the order
// that the schedule says; whoever waits hands over to the first. Nobody in the queue and somebody alive: deadlock.
// This file is never compiled with a sanitizer: it only tells the sanitizers about the fibers.
#include "runtime.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__) || defined(MINIDET_UCONTEXT)
#define MINIDET_UCONTEXT 1
#include <ucontext.h>
#endif

#ifdef MINIDET_ASAN
extern "C" void __sanitizer_start_switch_fiber(void**, const void*, size_t);
extern "C" void __sanitizer_finish_switch_fiber(void*, const void**, size_t*);
extern "C" void __asan_poison_memory_region(const volatile void*, size_t);
#endif
#ifdef MINIDET_TSAN
extern "C" void* __tsan_get_current_fiber();
extern "C" void* __tsan_create_fiber(unsigned);
extern "C" void __tsan_destroy_fiber(void*);
extern "C" void __tsan_switch_to_fiber(void*, unsigned);
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
extern "C" void __tsan_ignore_thread_begin();
extern "C" void __tsan_ignore_thread_end();
#else
static inline void __tsan_acquire(void*) {}
static inline void __tsan_release(void*) {}
static inline void __tsan_ignore_thread_begin() {}
static inline void __tsan_ignore_thread_end() {}
#endif

// What the runtime itself reads and writes, by the library's functions, is nobody's race.
struct Unwatched {
  Unwatched() { __tsan_ignore_thread_begin(); }
  ~Unwatched() { __tsan_ignore_thread_end(); }
};

namespace minidet_cuda {
namespace {

enum Schedule : unsigned { FORWARD, REVERSE, RANDOM };
constexpr unsigned LANES = 32;
constexpr unsigned ATOMICS_A_TURN = 64;          // then the others get a turn: a lock's owner must be able to go on
constexpr unsigned TURNS_OF_A_SPIN = 1u << 21;   // then it is taken for a wait without end

struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15ull + 0x1234567ull) {}
  uint64_t operator()() {  // splitmix64
    uint64_t z = state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
};

// One host thread's block, with its fibers and stacks.
struct Runner : Block {
  std::vector<Fiber> fibers;
  std::vector<Fiber*> queue;  // a ring: head, length
  unsigned head = 0, length = 0;
  unsigned threads = 0, alive = 0, waiting = 0, barriers = 0;
  unsigned schedule = FORWARD;
  Random random{0};
  std::vector<void*> stacks;  // free ones
  unsigned stacks_made = 0;
  const Entry* entry = nullptr;
  void** arguments = nullptr;
  bool failed = false;
  std::string error;
  void* context = nullptr;  // of the host thread
  void* asan = nullptr;
  void* bottom = nullptr;
  size_t bottom_size = 0;
  void* tsan = nullptr;
  std::vector<void*> tsan_fibers;
  std::vector<char*> stacks_all;
  std::vector<TensorCopy> tensor_copies;  // that have not landed yet
  std::vector<std::vector<Product>> products_of;  // of each warpgroup, in order, as its first thread there asked for them
  char* tags = nullptr;
  char tag_start = 0, tag_end = 0;
  std::vector<char> memory;
  ~Runner() {
    for (Fiber& fiber : fibers) free(fiber.copies), free(fiber.products);
    for (char* stack : stacks_all) munmap(stack, 2 * STACK);
  }
};

Runner& runner_of(Fiber& fiber) { return static_cast<Runner&>(*fiber.block); }

// ---- switching --------------------------------------------------------------------------------------------------

[[noreturn]] void entry();

#ifndef MINIDET_UCONTEXT
extern "C" void minidet_switch(void** leave, void* arrive);
asm(R"(
        .text
        .local  minidet_switch
        .type   minidet_switch, @function
minidet_switch:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, (%rdi)
        mov     %rsi, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret
        .size   minidet_switch, .-minidet_switch
)");

void* fresh_context(char* top) {
  void** at = reinterpret_cast<void**>(top);
  *--at = nullptr;  // keeps the stack pointer as after a call: 8 below a multiple of 16
  *--at = reinterpret_cast<void*>(&entry);
  for (int saved = 0; saved < 6; saved++) *--at = nullptr;
  return at;
}
void switch_context(void** leave, void* arrive) { minidet_switch(leave, arrive); }
#else
// The context lies on the stack that it belongs to.
void* fresh_context(char* top) {
  ucontext_t* context = reinterpret_cast<ucontext_t*>((reinterpret_cast<uintptr_t>(top) - sizeof(ucontext_t)) & ~uintptr_t(63));
  getcontext(context);
  char* bottom = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(top) & ~(STACK - 1));
  context->uc_stack.ss_sp = bottom;
  context->uc_stack.ss_size = reinterpret_cast<char*>(context) - bottom;
  context->uc_link = nullptr;
  makecontext(context, reinterpret_cast<void (*)()>(&entry), 0);
  return context;
}
void switch_context(void** leave, void* arrive) {
  ucontext_t here;
  *leave = &here;
  swapcontext(&here, static_cast<ucontext_t*>(arrive));
}
#endif

void* new_stack(Runner& runner) {
  char* memory = static_cast<char*>(mmap(nullptr, 2 * STACK, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (memory == MAP_FAILED) {
    fprintf(stderr, "cuda_on_cpu: no memory for the stacks of the threads\n");
    abort();
  }
  runner.stacks_all.push_back(memory);
  char* bottom = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory) + STACK - 1) & ~(STACK - 1));
  mprotect(bottom, 4096, PROT_NONE);  // a stack that grows too deep ends the program here
  return bottom + STACK - STACK_HEAD;
}

void start(Runner& runner, Fiber& fiber) {
  if (runner.stacks.empty()) runner.stacks.push_back(new_stack(runner));
  fiber.stack = runner.stacks.back();
  runner.stacks.pop_back();
  *static_cast<Fiber**>(fiber.stack) = &fiber;
  // Stacks start at different addresses within a page, or all of them would fight for the same cache lines.
  fiber.context = fresh_context(static_cast<char*>(fiber.stack) - (fiber.number % 61) * 320);
}

// From a fiber, or from the host thread (null), to another. `ending`: it will never go on.
void go(Runner& runner, Fiber* from, Fiber* to, bool ending) {
  if (to && !to->stack) start(runner, *to);
#ifdef MINIDET_ASAN
  void** fake = from ? &from->asan : &runner.asan;
  const void* bottom = to ? reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(to->stack) & ~(STACK - 1)) : runner.bottom;
  __sanitizer_start_switch_fiber(ending ? nullptr : fake, bottom, to ? STACK : runner.bottom_size);
#endif
#ifdef MINIDET_TSAN
  __tsan_switch_to_fiber(to ? to->tsan : runner.tsan, 1);
#endif
  if (ending) runner.stacks.push_back(from->stack);
  switch_context(from ? &from->context : &runner.context, to ? to->context : runner.context);
#ifdef MINIDET_ASAN
  __sanitizer_finish_switch_fiber(*fake, nullptr, nullptr);
#endif
}

// ---- the queue --------------------------------------------------------------------------------------------------

void push(Runner& runner, Fiber& fiber) {
  fiber.state = State::ready;
  runner.queue[(runner.head + runner.length++) % runner.threads] = &fiber;
}

template <class Wanted>
void push_all(Runner& runner, unsigned first, unsigned stop, Wanted wanted) {
  for (unsigned i = 0; i < stop - first; i++) {
    Fiber& fiber = runner.fibers[runner.schedule == REVERSE ? stop - 1 - i : first + i];
    if (wanted(fiber)) push(runner, fiber);
  }
}

std::string ranges(const std::vector<unsigned>& threads) {
  std::string text;
  for (size_t i = 0; i < threads.size();) {
    size_t j = i;
    while (j + 1 < threads.size() && threads[j + 1] == threads[j] + 1) j++;
    text += (text.empty() ? "" : ",") + std::to_string(threads[i]);
    if (j > i) text += "-" + std::to_string(threads[j]);
    i = j + 1;
  }
  return (threads.size() == 1 ? "thread " : "threads ") + text;
}

std::string place(const Site& site) { return std::string(site.file) + ":" + std::to_string(site.line); }

std::string in_block(const Runner& runner) {
  char text[64];
  snprintf(text, sizeof text, " in block (%u, %u, %u): ", runner.index.x, runner.index.y, runner.index.z);
  return text;
}

void fail(Runner& runner, const std::string& error) {
  if (!runner.failed) runner.error = error;
  runner.failed = true;
}

// Who waits where.
void fail_waiting(Runner& runner, const char* kind) {
  std::vector<std::pair<std::string, std::vector<unsigned>>> groups;
  std::vector<unsigned> ended;
  for (unsigned i = 0; i < runner.threads; i++) {
    Fiber& fiber = runner.fibers[i];
    if (fiber.state == State::done) {
      ended.push_back(i);
      continue;
    }
    std::string what = std::string(fiber.site.what);
    if (fiber.state == State::at_warp) {
      char mask[32];
      snprintf(mask, sizeof mask, " (mask 0x%08x)", fiber.mask);
      what += mask;
    }
    what += " at " + place(fiber.site);
    bool found = false;
    for (auto& group : groups)
      if (group.first == what) {
        group.second.push_back(i);
        found = true;
      }
    if (!found) groups.push_back({what, {i}});
  }
  std::string text;
  for (auto& group : groups) {
    bool one = group.second.size() == 1;
    text += (text.empty() ? "" : "; ") + ranges(group.second) + (one ? " waits in " : " wait in ") + group.first;
  }
  if (!ended.empty()) text += "; " + ranges(ended) + (ended.size() == 1 ? " has ended" : " have ended");
  fail(runner, std::string(kind) + in_block(runner) + text);
}

Fiber* next(Runner& runner) {
  if (runner.failed) return nullptr;
  if (!runner.length) {
    if (runner.alive) fail_waiting(runner, "deadlock");
    return nullptr;
  }
  if (runner.schedule == RANDOM && runner.length > 1) {
    unsigned chosen = (runner.head + runner.random() % runner.length) % runner.threads;
    std::swap(runner.queue[chosen], runner.queue[runner.head]);
  }
  Fiber* fiber = runner.queue[runner.head];
  runner.head = (runner.head + 1) % runner.threads;
  runner.length--;
  return fiber;
}

void suspend(Runner& runner, Fiber& fiber) {
  Fiber* following = next(runner);
  if (following != &fiber) go(runner, &fiber, following, false);
}

// ---- barriers and meetings --------------------------------------------------------------------------------------

void release_barrier(Runner& runner) {
  const Site* site = nullptr;
  long count = 0;
  for (unsigned i = 0; i < runner.threads; i++) {
    Fiber& fiber = runner.fibers[i];
    if (fiber.state != State::at_barrier) continue;
    bool same = !site || (site->line == fiber.site.line && !strcmp(site->file, fiber.site.file));
    if (!same) return fail_waiting(runner, "divergent barrier");
    site = &fiber.site;
    count += fiber.words[0] != 0;
  }
  unsigned waited = runner.waiting;
  push_all(runner, 0, runner.threads, [&](Fiber& fiber) {
    if (fiber.state != State::at_barrier) return false;
    unsigned combine = unsigned(fiber.words[1]);
    fiber.words[0] = combine == 1 ? count : combine == 2 ? count == waited : count > 0;
    return true;
  });
  runner.waiting = 0;
  runner.barriers++;
}

float half_to_float(unsigned bits) {
  unsigned exponent = bits >> 10 & 31, mantissa = bits & 1023;
  float value;
  if (exponent == 0) {
    value = float(mantissa) * 0x1p-24f;
  } else {
    unsigned wide = (exponent == 31 ? 255u << 23 : (exponent + 112) << 23) | mantissa << 13;
    __builtin_memcpy(&value, &wide, 4);
  }
  return bits & 0x8000 ? -value : value;
}

float bits_to_float(unsigned bits) {
  float value;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}

// D = A B + C of one warp: fragments as in the PTX ISA, "Matrix fragments for mma.m16n8k8 / mma.m16n8k16".
// words, as 32 bits: 0-3 A, 4-5 B, 6-9 C, 10-13 D. Products are exact, their sum is in double and rounded once.
void multiply(Fiber* lanes, Meeting meeting) {
  bool tf32 = meeting == Meeting::mma_tf32_k8;
  bool bf16 = meeting == Meeting::mma_bf16_k8 || meeting == Meeting::mma_bf16_k16;
  int K = meeting == Meeting::mma_f16_k16 || meeting == Meeting::mma_bf16_k16 ? 16 : 8;
  double A[16][16], B[16][8], C[16][8];
  auto half = [&](unsigned bits) { return bf16 ? bits_to_float(bits << 16) : half_to_float(bits); };
  for (unsigned lane = 0; lane < LANES; lane++) {
    const unsigned* w = reinterpret_cast<unsigned*>(lanes[lane].words);
    int row = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; r++) C[row + r / 2 * 8][2 * t + r % 2] = bits_to_float(w[6 + r]);
    if (tf32) {
      for (int r = 0; r < 4; r++) A[row + r % 2 * 8][t + r / 2 * 4] = bits_to_float(w[r] & 0xffffe000u);
      for (int r = 0; r < 2; r++) B[t + r * 4][row] = bits_to_float(w[4 + r] & 0xffffe000u);
      continue;
    }
    for (int r = 0; r < K / 4; r++)
      for (int half_word = 0; half_word < 2; half_word++)
        A[row + r % 2 * 8][2 * t + half_word + r / 2 * 8] = half(w[r] >> 16 * half_word & 0xffff);
    for (int r = 0; r < K / 8; r++)
      for (int half_word = 0; half_word < 2; half_word++)
        B[2 * t + half_word + r * 8][row] = half(w[4 + r] >> 16 * half_word & 0xffff);
  }
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 8; j++)
      for (int k = 0; k < K; k++) C[i][j] += A[i][k] * B[k][j];
  for (unsigned lane = 0; lane < LANES; lane++) {
    float* d = reinterpret_cast<float*>(lanes[lane].words) + 10;
    for (int r = 0; r < 4; r++) d[r] = float(C[lane / 4 + r / 2 * 8][2 * (lane % 4) + r % 2]);
  }
}

// What ldmatrix has read since the library was loaded: matrices, and in how many turns of the shared memory's banks.
std::atomic<uint64_t> matrices_read{0}, turns_taken{0};

// The addresses of the rows that each lane's fragments lie in, as in the PTX ISA, "ldmatrix": lanes 8 i to 8 i + 7 bring
// those of matrix i. A lane holds of each matrix two neighbours in row lane / 4; transposed, one each of rows
// 2 (lane % 4) and the next, in column lane / 4. It reads them itself, so that the sanitizers see who reads what.
void hand_out_rows(Fiber* lanes, int matrices, bool transposed) {
  uint64_t rows[LANES];
  for (unsigned lane = 0; lane < LANES; lane++) rows[lane] = lanes[lane].words[0];
  for (int m = 0; m < matrices; m++) {
    for (unsigned lane = 0; lane < LANES; lane++) {
      uint64_t* w = lanes[lane].words;
      if (transposed) w[2 * m] = rows[8 * m + 2 * (lane % 4)], w[2 * m + 1] = rows[8 * m + 2 * (lane % 4) + 1];
      else w[m] = rows[8 * m + lane / 4];
    }
    unsigned most = 0;  // 32 banks of 4 bytes: 8 rows of 16 bytes take one turn if each stands in other banks
    for (uint64_t banks = 0; banks < 8; banks++) {
      unsigned different = 0;
      for (int i = 0; i < 8; i++) {
        bool fresh = rows[8 * m + i] / 16 % 8 == banks;
        for (int j = 0; j < i; j++) fresh = fresh && rows[8 * m + j] != rows[8 * m + i];
        different += fresh;
      }
      most = std::max(most, different);
    }
    turns_taken += most;
  }
  matrices_read += matrices;
}

uint64_t combine(Meeting meeting, uint64_t a, uint64_t b) {
  int s = int(a), t = int(b);
  unsigned u = unsigned(a), v = unsigned(b);
  switch (meeting) {
    case Meeting::add: return unsigned(u + v);
    case Meeting::least: return unsigned(s < t ? s : t);
    case Meeting::most: return unsigned(s > t ? s : t);
    case Meeting::least_unsigned: return u < v ? u : v;
    case Meeting::most_unsigned: return u > v ? u : v;
    case Meeting::all_bits: return u & v;
    case Meeting::any_bits: return u | v;
    default: return u ^ v;
  }
}

// Every lane that takes part has come: words 0 and 1 are what it brings, words 2 and 3 what it takes.
void conclude(Runner& runner, Fiber* lanes, unsigned present, Meeting meeting) {
  auto each = [&](auto act) {
    for (unsigned lane = 0; lane < LANES; lane++)
      if (present >> lane & 1) act(lane, lanes[lane]);
  };
  auto equal = [&](const Fiber& a, const Fiber& b) { return a.words[0] == b.words[0] && a.words[1] == b.words[1]; };
  uint64_t result = 0;
  switch (meeting) {
    case Meeting::sync: break;
    case Meeting::shuffle:
      each([&](unsigned lane, Fiber& fiber) {
        unsigned source = fiber.source < 0 ? lane : unsigned(fiber.source);
        bool there = source < LANES && (present >> source & 1);  // else it is undefined: poison
        for (int i = 0; i < 2; i++) fiber.words[2 + i] = there ? lanes[source].words[i] : ~uint64_t(0);
      });
      break;
    case Meeting::ballot:
      each([&](unsigned lane, Fiber& fiber) { result |= uint64_t(fiber.words[0] != 0) << lane; });
      each([&](unsigned, Fiber& fiber) { fiber.words[2] = result; });
      break;
    case Meeting::match_any:
      each([&](unsigned, Fiber& fiber) {
        uint64_t same = 0;
        each([&](unsigned lane, Fiber& other) { same |= uint64_t(equal(fiber, other)) << lane; });
        fiber.words[2] = same;
      });
      break;
    case Meeting::match_all: {
      const Fiber& first = lanes[__builtin_ctz(present)];
      result = present;
      each([&](unsigned, Fiber& fiber) { result = equal(first, fiber) ? result : 0; });
      each([&](unsigned, Fiber& fiber) { fiber.words[2] = result; });
      break;
    }
    case Meeting::mma_tf32_k8:
    case Meeting::mma_f16_k8:
    case Meeting::mma_f16_k16:
    case Meeting::mma_bf16_k8:
    case Meeting::mma_bf16_k16:
      if (present != ~0u) return fail_waiting(runner, "mma by a warp of which not all 32 lanes are there");
      multiply(lanes, meeting);
      break;
    case Meeting::matrices_1:
    case Meeting::matrices_2:
    case Meeting::matrices_4:
    case Meeting::transposed_1:
    case Meeting::transposed_2:
    case Meeting::transposed_4: {
      if (present != ~0u) return fail_waiting(runner, "ldmatrix by a warp of which not all 32 lanes are there");
      bool transposed = meeting >= Meeting::transposed_1;
      hand_out_rows(lanes, 1 << (int(meeting) - int(transposed ? Meeting::transposed_1 : Meeting::matrices_1)), transposed);
      break;
    }
    default: {
      bool some = false;
      each([&](unsigned, Fiber& fiber) {
        result = some ? combine(meeting, result, fiber.words[0]) : unsigned(fiber.words[0]);
        some = true;
      });
      each([&](unsigned, Fiber& fiber) { fiber.words[2] = result; });
    }
  }
}

// Whether all lanes that `fiber` waits for have come; if so, they go on. A lane that has ended is not waited for.
bool try_meeting(Runner& runner, Fiber& fiber) {
  unsigned first = fiber.number / LANES * LANES, stop = std::min(first + LANES, runner.threads);
  unsigned present = 0, mask = fiber.mask;
  for (unsigned i = first; i < stop; i++) {
    if (!(mask >> (i - first) & 1)) continue;
    Fiber& other = runner.fibers[i];
    if (other.state == State::done) continue;
    if (other.state != State::at_warp || other.mask != mask || other.meeting != fiber.meeting) return false;
    present |= 1u << (i - first);
  }
  conclude(runner, &runner.fibers[first], present, fiber.meeting);
  if (runner.failed) return true;
  runner.fibers[first + __builtin_ctz(mask)].syncs++;
  push_all(runner, first, stop, [&](Fiber& other) { return present >> (other.number - first) & 1; });
  return true;
}

// Takes a thread off the lists of those that are waited for. Returns when its stack has another thread to run.
void ended(Runner& runner, Fiber& fiber) {
  Fiber* following;
  {
    Unwatched unwatched;
    fiber.state = State::done;
    runner.alive--;
    if (runner.waiting && runner.waiting == runner.alive) release_barrier(runner);
    unsigned first = fiber.number / LANES * LANES, stop = std::min(first + LANES, runner.threads);
    for (unsigned i = first; i < stop && !runner.failed; i++)
      if (runner.fibers[i].state == State::at_warp) try_meeting(runner, runner.fibers[i]);
    following = next(runner);
  }
#ifndef MINIDET_TSAN
  if (following && !following->stack) {
    following->stack = fiber.stack;
    *static_cast<Fiber**>(following->stack) = following;
    return;
  }
#else
  __tsan_release(&runner.tag_end);
#endif
  go(runner, &fiber, following, true);
  __builtin_trap();
}

__attribute__((noinline)) void run_current() {
  Fiber& fiber = self();
  Runner& runner = runner_of(fiber);
  __tsan_acquire(&runner.tag_start);
  runner.entry->call(runner.entry->kernel, runner.arguments);
  ended(runner, fiber);
}

[[noreturn]] void entry() {
#ifdef MINIDET_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  for (;;) run_current();
}

// ---- memory -----------------------------------------------------------------------------------------------------

void fill(void* memory, size_t bytes) {  // no memset: between arrays lie the red zones of the address sanitizer
  volatile unsigned char* at = static_cast<unsigned char*>(memory);
  for (; bytes && (reinterpret_cast<uintptr_t>(at) & 7); bytes--) *at++ = 0xff;
  for (; bytes >= 8; bytes -= 8, at += 8) *reinterpret_cast<volatile uint64_t*>(at) = ~uint64_t(0);
  for (; bytes; bytes--) *at++ = 0xff;
}

struct StaticShared {
  void* memory = nullptr;
  size_t bytes = 0;
};

#ifdef MINIDET_WORKER
// Here there is one host thread: the variables stand in a section of their own.
extern "C" char __start_minidet_shared[] __attribute__((weak));
extern "C" char __stop_minidet_shared[] __attribute__((weak));

StaticShared static_shared() {
  if (!__start_minidet_shared) return {};
  return {__start_minidet_shared, size_t(__stop_minidet_shared - __start_minidet_shared)};
}
#else
// Here they are the library's thread-local variables: it has no others.
struct TlsIndex {
  unsigned long module, offset;
};
extern "C" void* __tls_get_addr(TlsIndex*);

struct Segment {
  size_t module = 0, bytes = 0;
};

Segment thread_local_segment() {
  Segment segment;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* found) {
        uintptr_t here = reinterpret_cast<uintptr_t>(&minidet_entry_count);
        bool mine = false;
        size_t bytes = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& header = info->dlpi_phdr[i];
          uintptr_t begin = info->dlpi_addr + header.p_vaddr;
          if (header.p_type == PT_LOAD && here >= begin && here < begin + header.p_memsz) mine = true;
          if (header.p_type == PT_TLS) bytes = header.p_memsz;
        }
        if (mine) *static_cast<Segment*>(found) = {info->dlpi_tls_modid, bytes};
        return int(mine);
      },
      &segment);
  return segment;
}

StaticShared static_shared() {
  static const Segment segment = thread_local_segment();
  if (!segment.bytes) return {};
  TlsIndex index{segment.module, 0};
  return {__tls_get_addr(&index), segment.bytes};
}
#endif

// ---- launches ---------------------------------------------------------------------------------------------------

struct Launch {
  unsigned grid[3], block[3];
  unsigned schedule, host_threads;
  uint64_t shared, seed;
};

void prepare(Runner& runner, const Launch& launch) {
  runner.threads = launch.block[0] * launch.block[1] * launch.block[2];
  runner.size = {launch.block[0], launch.block[1], launch.block[2]};
  runner.grid = {launch.grid[0], launch.grid[1], launch.grid[2]};
  runner.schedule = launch.schedule;
  if (runner.fibers.size() < runner.threads) runner.fibers.resize(runner.threads);
  runner.queue.resize(runner.threads);
  runner.stacks.reserve(1024);
  runner.tsan_fibers.reserve(1024);
  runner.stacks_all.reserve(1024);
  for (unsigned i = 0; i < runner.threads; i++) {
    Fiber& fiber = runner.fibers[i];
    fiber.number = i;
    fiber.block = &runner;
    fiber.thread = {i % runner.size.x, i / runner.size.x % runner.size.y, i / (runner.size.x * runner.size.y)};
  }
  runner.shared_bytes = launch.shared;
  runner.shared = nullptr;
  if (launch.shared) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 1024, launch.shared)) abort();
    runner.shared = static_cast<char*>(memory);
  }
#ifdef MINIDET_ASAN
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &runner.bottom, &runner.bottom_size);
  pthread_attr_destroy(&attributes);
#endif
}

void run_block(Runner& runner, uint64_t number, const StaticShared& variables, uint64_t seed) {
  runner.index = {unsigned(number % runner.grid.x), unsigned(number / runner.grid.x % runner.grid.y),
                  unsigned(number / runner.grid.x / runner.grid.y)};
  runner.random = Random(seed ^ (number + 1) * 0xd1342543de82ef95ull);
  fill(variables.memory, variables.bytes);
  fill(runner.shared, runner.shared_bytes);
  runner.alive = runner.threads;
  runner.head = runner.length = runner.waiting = runner.barriers = 0;
  for (unsigned i = 0; i < runner.threads; i++) {
    Fiber& fiber = runner.fibers[i];
    fiber.stack = nullptr;
    fiber.atomics = fiber.yields = fiber.copies_count = fiber.copies_group = fiber.syncs = 0;
    fiber.products_count = fiber.products_group = fiber.products_made = 0;
  }
  push_all(runner, 0, runner.threads, [](Fiber&) { return true; });
#ifdef MINIDET_TSAN
  runner.tsan = __tsan_get_current_fiber();
  runner.tags = static_cast<char*>(malloc(2 + 2 * runner.threads));
  __tsan_release(&runner.tag_start);
  for (unsigned i = 0; i < runner.threads; i++) {  // here: what makes a fiber comes before all that the fiber does
    runner.fibers[i].tsan = __tsan_create_fiber(0);
    runner.tsan_fibers.push_back(runner.fibers[i].tsan);
  }
#endif
  runner.tensor_copies.clear();
  runner.products_of.assign((runner.threads + 127) / 128, {});
  go(runner, nullptr, next(runner), false);
  if (!runner.failed && !runner.tensor_copies.empty())
    fail(runner, "copy under way" + in_block(runner) + "it ended before all boxes had come: nobody waited for them");
#ifdef MINIDET_TSAN
  if (runner.failed) return;  // the program ends, with fibers in the middle of something
  __tsan_acquire(&runner.tag_end);
  free(runner.tags);
  for (void* fiber : runner.tsan_fibers) __tsan_destroy_fiber(fiber);
  runner.tsan_fibers.clear();
#endif
}

uint64_t common_divisor(uint64_t a, uint64_t b) { return b ? common_divisor(b, a % b) : a; }

// Runners are kept, with their stacks, for the next launch; after an error they are not.
std::mutex pool_lock;
std::vector<Runner*> pool;

Runner* take_runner() {
  std::lock_guard<std::mutex> guard(pool_lock);
  if (pool.empty()) return new Runner;
  Runner* runner = pool.back();
  pool.pop_back();
  return runner;
}

std::string launch(const Entry& kernel, const Launch& launch, void** arguments) {
  uint64_t blocks = uint64_t(launch.grid[0]) * launch.grid[1] * launch.grid[2];
  Random random(launch.seed);
  uint64_t step = 1, offset = 0;  // blocks in a random order: a step that has no divisor in common with their number
  if (launch.schedule == RANDOM) {
    offset = random() % blocks;
    do step = random() % blocks;
    while (common_divisor(step, blocks) != 1);
  }
  std::atomic<uint64_t> taken{0};
  std::atomic<bool> failed{false};
  std::mutex lock;
  std::string error;
  auto work = [&] {
    Runner* runner = take_runner();
    prepare(*runner, launch);
    runner->entry = &kernel;
    runner->arguments = arguments;
    StaticShared variables = static_shared();
    for (uint64_t i; !failed && (i = taken++) < blocks;) {
      uint64_t number = launch.schedule == REVERSE ? blocks - 1 - i : uint64_t((unsigned __int128)i * step % blocks + offset) % blocks;
      run_block(*runner, number, variables, launch.seed);
      if (runner->failed) {
        std::lock_guard<std::mutex> guard(lock);
        if (!failed) error = runner->error;
        failed = true;
      }
    }
    free(runner->shared);
    if (runner->failed) {
      delete runner;
    } else {
      std::lock_guard<std::mutex> guard(pool_lock);
      pool.push_back(runner);
    }
  };
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < launch.host_threads && i < blocks; i++) others.emplace_back(work);
  work();
  for (auto& other : others) other.join();
  return error;
}

}  // namespace

// ---- what kernels call ------------------------------------------------------------------------------------------

int barrier(int predicate, int combine, Site site) {
  Unwatched unwatched;
  Fiber& fiber = self();
  Runner& runner = runner_of(fiber);
  fiber.site = site;
  fiber.words[0] = predicate;
  fiber.words[1] = combine;
  fiber.state = State::at_barrier;
  fiber.yields = 0;
  // Two tags in turn: with one, the next arrival of a fast thread would seem to order what nothing orders.
  char* tag = runner.tags + (runner.barriers & 1);
  __tsan_release(tag);
  if (++runner.waiting == runner.alive) release_barrier(runner);
  suspend(runner, fiber);
  __tsan_acquire(tag);
  return int(fiber.words[0]);
}

void meet(unsigned mask, Meeting meeting, Site site) {
  Unwatched unwatched;
  Fiber& fiber = self();
  Runner& runner = runner_of(fiber);
  fiber.site = site;
  fiber.mask = mask;
  fiber.meeting = meeting;
  fiber.state = State::at_warp;
  fiber.yields = 0;
  unsigned lane = fiber.number % LANES;
  if (!(mask >> lane & 1)) {
    char text[128];
    snprintf(text, sizeof text, "lane %u (thread %u) calls %s with mask 0x%08x, which does not name it, at ", lane,
             fiber.number, site.what, mask);
    fail(runner, "wrong mask" + in_block(runner) + text + place(site));
    suspend(runner, fiber);
  }
  char* tag = nullptr;
  if (runner.tags && meeting == Meeting::sync) {  // of the warp operations only __syncwarp orders memory
    Fiber& lowest = runner.fibers[std::min(fiber.number - lane + __builtin_ctz(mask), runner.threads - 1)];
    tag = runner.tags + 2 + 2 * lowest.number + (lowest.syncs & 1);
    __tsan_release(tag);
  }
  try_meeting(runner, fiber);
  suspend(runner, fiber);
  if (tag) __tsan_acquire(tag);
}

void pause_in_atomic(Fiber& fiber, Site site) {
  Unwatched unwatched;
  Runner& runner = runner_of(fiber);
  fiber.atomics = 0;
  if (++fiber.yields > TURNS_OF_A_SPIN) {
    fail(runner, "endless wait" + in_block(runner) + "thread " + std::to_string(fiber.number) + " spins in " + site.what +
                     " at " + place(site) + "; what it waits for never comes (blocks run one after another here)");
    suspend(runner, fiber);
  }
  push(runner, fiber);
  suspend(runner, fiber);
}

Copy& new_copy(Fiber& fiber) {
  Unwatched unwatched;
  if (fiber.copies_count == fiber.copies_room) {
    fiber.copies_room = fiber.copies_room ? 2 * fiber.copies_room : 16;
    fiber.copies = static_cast<Copy*>(realloc(fiber.copies, fiber.copies_room * sizeof(Copy)));
    if (!fiber.copies) abort();
  }
  return fiber.copies[fiber.copies_count++];
}

Product& new_product(Fiber& fiber) {
  Unwatched unwatched;
  if (fiber.products_count == fiber.products_room) {
    fiber.products_room = fiber.products_room ? 2 * fiber.products_room : 16;
    fiber.products = static_cast<Product*>(realloc(fiber.products, fiber.products_room * sizeof(Product)));
    if (!fiber.products) abort();
  }
  return fiber.products[fiber.products_count++];
}

// What a warpgroup may multiply: one matrix for all its threads, in the shared memory of the block, laid out as the 128 byte
// swizzle wants it. Its pattern repeats every 1024 bytes, which are its rows 8 at a time: with no base offset all of them
// begin at a multiple of that. Rows of K may be entered further on, by less than 128 bytes.
void check_product(Fiber& fiber, const Product& product, Site site) {
  Unwatched unwatched;
  Runner& runner = runner_of(fiber);
  std::vector<Product>& asked = runner.products_of[fiber.number / 128];
  const unsigned number = fiber.products_made++;
  if (number == asked.size()) asked.push_back(product);
  const Product& first = asked[number];
  if (first.a != product.a || first.b != product.b || first.columns != product.columns || first.turned != product.turned)
    stop("descriptors that are not the same in all threads of the warpgroup", site);
  for (int side = 0; side < 2; side++) {
    const uint64_t matrix = side ? product.b : product.a;
    const int rows = side ? product.columns : 64;
    const size_t start = (matrix & 0x3fff) * 16, leading = (matrix >> 16 & 0x3fff) * 16, stride = (matrix >> 32 & 0x3fff) * 16;
    if (matrix >> 62 != 1) stop("a descriptor that is not of rows of 128 bytes", site);
    if (matrix >> 49 & 7 || start % 1024 / (product.turned ? 1 : 128))
      stop("a descriptor of a pattern that does not begin at a multiple of 1024 bytes", site);
    if (stride % 1024 || (product.turned && rows > 64 && leading % 1024))
      stop("a descriptor whose offsets are no multiples of 1024 bytes", site);
    const size_t last = product.turned ? size_t(rows / 64 - 1) * leading + stride + 1024
                                       : size_t(rows / 8 - 1) * stride + 7 * 128 + 32;
    if (start + last > runner.shared_bytes) stop("a descriptor of what lies beyond the dynamic shared memory", site);
  }
}

bool copies_land_early(Fiber& fiber) {
  Runner& runner = runner_of(fiber);
  return runner.schedule == REVERSE || (runner.schedule == RANDOM && (runner.random() & 1));
}

// ---- barriers that count, and copies of boxes (Hopper) -----------------------------------------------------------

namespace {

struct Counter {  // what a Barrier holds here
  unsigned phase : 1, count : 15, missing : 16;
  int bytes;  // that were expected and have not come, or the other way round
};
static_assert(sizeof(Counter) == sizeof(unsigned long long), "an mbarrier has 8 bytes");

void settle(Counter& counter) {
  if (counter.missing || counter.bytes) return;
  counter.phase ^= 1;
  counter.missing = counter.count;
}

Counter& counter_of(unsigned long long* barrier, Site site) {
  Runner& runner = runner_of(self());
  char* at = reinterpret_cast<char*>(barrier);
  if (at < runner.shared || at + 8 > runner.shared + runner.shared_bytes || reinterpret_cast<uintptr_t>(at) % 8)
    stop("a barrier that is not in dynamic shared memory", site);
  return *reinterpret_cast<Counter*>(barrier);
}

// What tensor_maps.py writes.
struct Map {
  int magic, axes, windows, element;  // windows: im2col; element: bytes
  const char* address;
  unsigned sizes[5], unused;
  unsigned long long strides[4];  // bytes, of all axes but the first
  int box[2];                     // windows: channels, pixels; else the first two sides of the box
  int low[2], high[2];            // windows: corners (w, h) of the bounding box; else low[0], low[1]: the third and fourth side
  unsigned steps[5];              // element strides
  int swizzle;                    // bytes
};
static_assert(sizeof(Map) == sizeof(TensorMap), "a CUtensorMap has 128 bytes");

void land_tensor(Runner& runner, const TensorCopy& copy) {
  const Map& map = reinterpret_cast<const Map&>(copy.map);
  unsigned offset = unsigned(static_cast<char*>(copy.to) - runner.shared), bytes = 0;
  auto put = [&](const int* at) {
    bool inside = true;
    const char* from = map.address + int64_t(at[0]) * map.element;
    for (int i = 0; i < map.axes; i++) {
      inside = inside && at[i] >= 0 && unsigned(at[i]) < map.sizes[i];
      if (i) from += int64_t(at[i]) * int64_t(map.strides[i - 1]);
    }
    unsigned to = offset + bytes;
    if (map.swizzle == 128) to ^= (to >> 7 & 7) << 4;
    for (int b = 0; b < map.element; b++) runner.shared[to + b] = inside ? from[b] : 0;
    bytes += map.element;
  };
  if (map.windows) {
    int w = copy.at[1], h = copy.at[2], n = copy.at[3];
    for (int pixel = 0; pixel < map.box[1]; pixel++) {
      for (int c = 0; c < map.box[0]; c++) {
        const int at[4] = {copy.at[0] + c, w + copy.offset[0], h + copy.offset[1], n};
        put(at);
      }
      if ((w += map.steps[1]) > int(map.sizes[1]) - 1 + map.high[0]) {
        w = map.low[0];
        if ((h += map.steps[2]) > int(map.sizes[2]) - 1 + map.high[1]) h = map.low[1], n++;
      }
    }
  } else {
    const int sides[3] = {map.box[0], map.box[1], map.low[0]};
    for (int k = 0; k < sides[2]; k++)
      for (int j = 0; j < sides[1]; j++)
        for (int i = 0; i < sides[0]; i++) {
          const int at[3] = {copy.at[0] + i, copy.at[1] + j, copy.at[2] + k};
          put(at);
        }
  }
  Counter& counter = *reinterpret_cast<Counter*>(copy.barrier);
  counter.bytes -= int(bytes);
  settle(counter);
}

}  // namespace

void start_barrier(unsigned long long* barrier, unsigned count, Site site) {
  Unwatched unwatched;
  Counter& counter = counter_of(barrier, site);
  counter.phase = 0, counter.count = counter.missing = count, counter.bytes = 0;
}

void arrive(unsigned long long* barrier, unsigned bytes, Site site) {
  Unwatched unwatched;
  Counter& counter = counter_of(barrier, site);
  if (!counter.missing || counter.missing > counter.count) stop("more arrivals than a barrier counts", site);
  __tsan_release(barrier);
  counter.bytes += int(bytes);
  counter.missing--;
  settle(counter);
}

void await(unsigned long long* barrier, unsigned parity, Site site) {
  Unwatched unwatched;
  Fiber& fiber = self();
  Runner& runner = runner_of(fiber);
  Counter& counter = counter_of(barrier, site);
  while (counter.phase == (parity & 1)) {
    bool landed = false;
    for (size_t i = 0; i < runner.tensor_copies.size() && !landed; i++)
      if (runner.tensor_copies[i].barrier == barrier) {
        TensorCopy copy = runner.tensor_copies[i];
        runner.tensor_copies.erase(runner.tensor_copies.begin() + i);
        land_tensor(runner, copy);
        landed = true;
      }
    if (!landed) {
      fiber.yields += 256;  // it takes its turns to wait, not to try
      pause_in_atomic(fiber, site);
    }
  }
  fiber.yields = 0;
  __tsan_acquire(barrier);
}

void copy_tensor(const TensorCopy& copy, Site site) {
  Unwatched unwatched;
  Fiber& fiber = self();
  Runner& runner = runner_of(fiber);
  const Map& map = reinterpret_cast<const Map&>(copy.map);
  counter_of(copy.barrier, site);
  if (map.magic != 0x3a9d0b17 || map.axes != copy.axes || map.windows != (copy.axes == 4))
    stop("a tensor map of another kind, or none of cuda_on_cpu.tensor_maps", site);
  char* to = static_cast<char*>(copy.to);
  size_t bytes = size_t(map.element) * map.box[0] * map.box[1] * (map.windows ? 1 : map.low[0]);
  if (to < runner.shared || to + bytes > runner.shared + runner.shared_bytes || (to - runner.shared) % 128)
    stop("a box that does not fit into dynamic shared memory, or is not aligned to 128 bytes", site);
  if (map.windows)
    for (int i = 0; i < 2; i++) {
      const int at = copy.at[i + 1], last = int(map.sizes[i + 1]) - 1 + map.high[i];
      if (at < map.low[i] || at > last) stop("a pixel outside of the bounding box", site);
      if (copy.offset[i] < 0 || copy.offset[i] > 255) stop("an offset of more than 8 bits", site);
    }
  if (copies_land_early(fiber)) land_tensor(runner, copy);
  else runner.tensor_copies.push_back(copy);
}

void fence() {
#ifdef MINIDET_TSAN
  static char tag;
  __tsan_acquire(&tag);
  __tsan_release(&tag);
#endif
}

void stop(const char* why, Site site) {
  Unwatched unwatched;
  Fiber& fiber = self();
  Runner& runner = runner_of(fiber);
  fail(runner, std::string(why) + in_block(runner) + "thread " + std::to_string(fiber.number) + " called " + site.what +
                   " at " + place(site));
  suspend(runner, fiber);
  __builtin_trap();
}

}  // namespace minidet_cuda

using namespace minidet_cuda;

#ifndef MINIDET_WORKER

extern "C" const Parameter* minidet_parameters(unsigned kernel, unsigned* count) {
  *count = minidet_entries[kernel].count;
  return minidet_entries[kernel].parameters;
}

extern "C" void minidet_turns(uint64_t* counts) { counts[0] = matrices_read, counts[1] = turns_taken; }

extern "C" uint64_t minidet_static_shared() { return static_shared().bytes; }

extern "C" int minidet_launch(unsigned kernel, const Launch* how, void** arguments, char* error, size_t room) {
  std::string text = launch(minidet_entries[kernel], *how, arguments);
  snprintf(error, room, "%s", text.c_str());
  return !text.empty();
}

#else

// ---- the worker: a program of its own that takes launches from its standard input -------------------------------

namespace {

void read_all(void* memory, size_t bytes) {
  char* at = static_cast<char*>(memory);
  while (bytes) {
    ssize_t got = read(0, at, bytes);
    if (got <= 0) _exit(0);
    at += got;
    bytes -= size_t(got);
  }
}

int answers;

void write_all(const void* memory, size_t bytes) {
  const char* at = static_cast<const char*>(memory);
  while (bytes) {
    ssize_t put = write(answers, at, bytes);
    if (put <= 0) _exit(0);
    at += put;
    bytes -= size_t(put);
  }
}

template <class T>
T take() {
  T value;
  read_all(&value, sizeof value);
  return value;
}

struct Request {
  unsigned kernel, buffers, arguments, unused;
  Launch how;
};

// Each array lies between red zones, aligned as the device would.
void* new_buffer(uint64_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, bytes ? bytes : 1)) abort();
#ifdef MINIDET_ASAN
  if (!bytes) __asan_poison_memory_region(memory, 1);
#endif
  return memory;
}

}  // namespace

int main() {
  Unwatched unwatched;
  answers = dup(1);
  dup2(2, 1);  // what a kernel prints goes with the reports
  for (unsigned kernel = 0; kernel < minidet_entry_count; kernel++) {
    const Entry& entry = minidet_entries[kernel];
    write_all(&entry.count, sizeof entry.count);
    write_all(entry.parameters, entry.count * sizeof(Parameter));
  }
  uint64_t bytes = static_shared().bytes;
  write_all(&bytes, sizeof bytes);
  for (;;) {
    Request request = take<Request>();
    std::vector<void*> buffers;
    std::vector<uint64_t> sizes;
    for (unsigned i = 0; i < request.buffers; i++) {
      sizes.push_back(take<uint64_t>());
      buffers.push_back(new_buffer(sizes[i]));
      read_all(buffers[i], sizes[i]);
    }
    std::vector<std::vector<uint64_t>> values(request.arguments);
    std::vector<void*> arguments;
    for (auto& value : values) {  // a size and as many bytes, or 0 and the number of a buffer, -1: null
      uint64_t size = take<uint64_t>();
      value.resize(size / 8 + 1);
      if (size) {
        read_all(value.data(), size);
      } else {
        int64_t buffer = take<int64_t>();
        value[0] = buffer < 0 ? 0 : reinterpret_cast<uint64_t>(buffers[buffer]);
      }
      arguments.push_back(value.data());
    }
    request.how.host_threads = 1;
    std::string error = launch(minidet_entries[request.kernel], request.how, arguments.data());
    fflush(stdout);
    uint64_t length = error.size();
    write_all(&length, sizeof length);
    write_all(error.data(), length);
    if (length) _exit(0);  // stacks were left in the middle
    for (unsigned i = 0; i < request.buffers; i++) {
      write_all(buffers[i], sizes[i]);
      free(buffers[i]);
    }
  }
}

#endif
