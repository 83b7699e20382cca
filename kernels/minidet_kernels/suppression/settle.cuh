// 64 boxes at a time, best first: who drops whom, and who stays.
#pragma once
#include "rule.cuh"

// For a block of WORKERS, a multiple of 64: bit k of the result says that box k drops box `row` = threadIdx.x /
// (WORKERS / 64), were it kept itself; the same for all threads of a row, which are neighbours in a warp. `counts`: whether
// the row is asked for. IoU is the same both ways, so these are the columns of the mask's words on its diagonal.
template <int WORKERS, bool DISTANT>
__device__ __forceinline__ unsigned long long droppers_of(const Box<float>* held, const float* areas, bool counts, const Rule& rule) {
  constexpr int PARTS = WORKERS / 64;
  const int row = threadIdx.x / PARTS;
  unsigned long long bits = 0;
  if (counts)
    for (int k = threadIdx.x % PARTS; k < row; k += PARTS)
      if (drops<DISTANT>(held[k], areas[k], held[row], areas[row], rule)) bits |= 1ull << k;
  for (int other = 1; other < PARTS; other *= 2) bits |= __shfl_xor_sync(0xffffffffu, bits, other);
  return bits;
}

// For a warp: which of the `unsure` stay. `low` and `high` are who drops box `lane` and box 32 + `lane`. In rounds: those
// stay whom nobody undecided drops, and at once those go whom they drop. A round is four votes, and there are as many as
// the longest chain of boxes of which each hangs on the one before, which is short, and at most 64; while a walk from the
// best box down would take a step for each box that stays.
__device__ __forceinline__ unsigned long long settle(unsigned long long low, unsigned long long high, unsigned long long unsure) {
  const int lane = threadIdx.x & 31;
  unsigned long long stay = 0;
  while (unsure) {
    const bool low_unsure = unsure >> lane & 1, high_unsure = unsure >> (lane + 32) & 1;
    const unsigned low_stays = __ballot_sync(0xffffffffu, low_unsure && !(low & unsure));
    const unsigned high_stays = __ballot_sync(0xffffffffu, high_unsure && !(high & unsure));
    stay |= static_cast<unsigned long long>(high_stays) << 32 | low_stays;
    const unsigned low_goes = __ballot_sync(0xffffffffu, low_unsure && (low & stay));
    const unsigned high_goes = __ballot_sync(0xffffffffu, high_unsure && (high & stay));
    unsure &= ~(stay | static_cast<unsigned long long>(high_goes) << 32 | low_goes);
  }
  return stay;
}
