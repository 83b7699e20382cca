// Lays float32 numbers out for the tensor cores and rounds them: the axis that products are summed over goes last, and
// is filled up with zeros to whole chunks of 16 bytes, so that every copy is of 16 aligned bytes.
//
//   from (A, G, R, Q) float32  ->  to (A, Q, G, S) words, S >= R, to[a][q][g][r] = round(from[a][g][r][q])
//
// Left and Right make three parts of a float: tf32 twice and the tf32 of what that leaves once, so that the sum over the
// parts of left times right is  b b' + b s' + s b',  all of (b + s) (b' + s') but 2^-22 of it. A part begins `apart` words
// after the one before, and rows are `pitch` words long: parts side by side (apart S, pitch 3 S), or one after another.
//
//   images   (N, G, C/G, H W)      ->  (N, H, W, G, S)            G the groups
//   filters  (O, 1, C/G, kh kw)    ->  (O, kh, kw, S)
//   filters for the gradient of the input: (G, 1, O/G, C/G kh kw) -> (G, C/G, kh, kw, S)
//
// A tile of 32 x 32 is turned around in shared memory, so that both sides are read and written along their rows; a row of
// 33 keeps its columns in different banks.
//
// Launch: grid (ceil(Q / 32) ceil(S / 32), G, A), block (32, 8).
#include "mma.cuh"

template <class Kind>
struct Whole {
  typedef typename Kind::Word Word;
  static constexpr int PARTS = 1;
  __device__ static Word part(float v, int) { return Kind::round(v); }
};
struct Left {
  typedef float Word;
  static constexpr int PARTS = 3;
  __device__ static float part(float v, int number) { return number == 2 ? rest(v) : Tf32::round(v); }
  __device__ static float rest(float v) {  // 0 where nothing finite is left
    const float more = v - Tf32::round(v);
    return fabsf(more) <= fabsf(v) ? Tf32::round(more) : 0.0f;
  }
};
struct Right {
  typedef float Word;
  static constexpr int PARTS = 3;
  __device__ static float part(float v, int number) { return number == 1 ? Left::rest(v) : Tf32::round(v); }
};

template <class Parts>
__global__ void __launch_bounds__(256) mma_pack(const float* __restrict__ from, typename Parts::Word* __restrict__ to, int G, int R,
                                                int Q, int S, int pitch, int apart) {
  __shared__ float tile[32][33];
  const int across = (Q + 31) / 32;
  const int q0 = static_cast<int>(blockIdx.x) % across * 32, r0 = static_cast<int>(blockIdx.x) / across * 32;
  const int g = blockIdx.y, x = threadIdx.x;
  const size_t a = blockIdx.z;
  for (int y = threadIdx.y; y < 32; y += 8)
    tile[y][x] = r0 + y < R && q0 + x < Q ? from[((a * G + g) * R + r0 + y) * Q + q0 + x] : 0.0f;
  __syncthreads();
  for (int y = threadIdx.y; y < 32; y += 8)
    if (q0 + y < Q && r0 + x < S)
      for (int part = 0; part < Parts::PARTS; part++)
        to[((a * Q + q0 + y) * G + g) * pitch + static_cast<size_t>(part) * apart + r0 + x] = Parts::part(tile[x][y], part);
}
