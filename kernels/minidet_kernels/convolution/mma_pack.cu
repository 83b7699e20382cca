// Lays float32 numbers out for the tensor cores and rounds them: the axis that products are summed over goes last, and
// is filled up with zeros to whole chunks of 16 bytes, so that every copy is of 16 aligned bytes.
//
//   from (A, G, R, Q) float32  ->  to (A, Q, G, S) words, S >= R, to[a][q][g][r] = round(from[a][g][r][q])
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
__global__ void __launch_bounds__(256) mma_pack(const float* __restrict__ from, typename Kind::Word* __restrict__ to, int G, int R,
                                                int Q, int S) {
  __shared__ float tile[32][33];
  const int across = (Q + 31) / 32;
  const int q0 = static_cast<int>(blockIdx.x) % across * 32, r0 = static_cast<int>(blockIdx.x) / across * 32;
  const int g = blockIdx.y, x = threadIdx.x;
  const size_t a = blockIdx.z;
  for (int y = threadIdx.y; y < 32; y += 8)
    tile[y][x] = r0 + y < R && q0 + x < Q ? from[((a * G + g) * R + r0 + y) * Q + q0 + x] : 0.0f;
  __syncthreads();
  for (int y = threadIdx.y; y < 32; y += 8)
    if (q0 + y < Q && r0 + x < S) to[((a * Q + q0 + y) * G + g) * S + r0 + x] = Kind::round(tile[x][y]);
}
