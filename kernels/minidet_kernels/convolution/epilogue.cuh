// What is done with a sum while it is in a register: bias, residual, activation (conv2d_fused). The parameters of a batch
// norm at inference are in the filters and in the bias already (minidet.nn.fold_batch_norm).
#pragma once

struct Epilogue {
  int activation;     // its number in fused.ACTIVATIONS
  int residual_first; // whether the residual is added before the activation
  float slope;
};

// linear, relu, leaky, sigmoid, silu, mish, tanh. NaN stays NaN. Below -1e4 sigmoids are 0, and 0 times infinity is not.
__device__ __forceinline__ float epilogue_activate(float y, const Epilogue& e) {
  switch (e.activation) {
    case 0: return y;
    case 1: return y < 0.0f ? 0.0f : y;
    case 2: return y < 0.0f ? (e.slope == 0.0f ? 0.0f : e.slope * y) : y;
    case 3: return 1.0f / (1.0f + expf(-y));
    case 4: return (y < -1e4f ? -1e4f : y) / (1.0f + expf(-y));
    case 5: { // y tanh(log(1 + t)), t = exp(y), is y (t t + 2 t) / (t t + 2 t + 2): one exponential, and no cancellation
      if (y > 20.0f) return y;
      const float t = expf(y), n = t * (t + 2.0f);
      return (y < -1e4f ? -1e4f : y) * (n / (n + 2.0f));
    }
    default: return tanhf(y);
  }
}

// The whole of it for one sum; ``residual`` may be null, and is read at ``at``.
__device__ __forceinline__ float epilogue(float sum, const float* __restrict__ residual, int at, const Epilogue& e) {
  if (!residual) return epilogue_activate(sum, e);
  const float more = residual[at];
  return e.residual_first ? epilogue_activate(sum + more, e) : epilogue_activate(sum, e) + more;
}
