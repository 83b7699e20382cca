// (P, C, S) to (P, S, C): the channels of an element side by side, for kernels whose lanes are channels.
//
// Tiles of 32 x 32 go through shared memory, so that both the reads and the writes of a warp are contiguous.
//
// Launch: grid (ceil(S / 32), ceil(C / 32), any), block (32, 8).
template <typename T>
__global__ void __launch_bounds__(256) channels_last(const T* __restrict__ x, T* __restrict__ y, int P, int C, int S) {
  __shared__ T tile[32][33];
  const int s0 = blockIdx.x * 32, c0 = blockIdx.y * 32;
  for (int p = blockIdx.z; p < P; p += gridDim.z) {
    const size_t plane = static_cast<size_t>(p) * C * S;
    for (int c = threadIdx.y; c < 32; c += 8)
      if (c0 + c < C && s0 + static_cast<int>(threadIdx.x) < S)
        tile[c][threadIdx.x] = x[plane + static_cast<size_t>(c0 + c) * S + s0 + threadIdx.x];
    __syncthreads();
    for (int s = threadIdx.y; s < 32; s += 8)
      if (s0 + s < S && c0 + static_cast<int>(threadIdx.x) < C)
        y[plane + static_cast<size_t>(s0 + s) * C + c0 + threadIdx.x] = tile[threadIdx.x][s];
    __syncthreads();
  }
}
