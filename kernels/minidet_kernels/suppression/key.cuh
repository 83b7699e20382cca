// One number of 64 bits that sorts boxes: by segment (image and class), then the better score, then the lower index.
//
//     segment | score, 32 bits, the greatest first | index, as many bits as the number of boxes needs
//
// All ones is a box that is left out: it comes last, and its segment is no segment's number.
#pragma once

typedef unsigned long long Key;
#define LEFT_OUT (~static_cast<Key>(0))

// 32 bits that are in order when the scores are in reverse order. -0 and 0 are equal; a NaN is last.
__device__ __forceinline__ unsigned score_bits(float score) {
  const unsigned bits = __float_as_uint(score + 0.0f);  // -0 + 0 is 0
  return score != score ? 0xffffffffu : bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}
__device__ __forceinline__ Key key_of(Key segment, float score, unsigned index, int index_bits) {
  return segment << (32 + index_bits) | static_cast<Key>(score_bits(score)) << index_bits | index;
}
__device__ __forceinline__ unsigned index_of(Key key, int index_bits) {
  return static_cast<unsigned>(key & ((static_cast<Key>(1) << index_bits) - 1));
}
__device__ __forceinline__ Key segment_of(Key key, int index_bits) { return key >> (32 + index_bits); }
