// Half precision, by NVIDIA's own headers.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void halves(const __half* x, const __half2* pairs, __half* y, float* wide, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const __half2 pair = pairs[i];
  y[i] = __hadd(__hmul(x[i], __low2half(pair)), __high2half(pair));
  wide[i] = __half2float(__shfl_xor_sync(0xffffffffu, x[i], 1));
}

extern "C" __global__ void brains(const float* x, __nv_bfloat16* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = __float2bfloat16(x[i]);
}
