// Activations of one number: value(x), and derivative(x), computed from x again so that nothing but x need be kept.
//
// Every function is a struct made of one parameter, which most ignore. None takes more than one exponential and one
// division. Infinite x gives the limit of the function, and NaN gives NaN; no flushing to zero is assumed.
#pragma once

__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }
// Off by 2 units in the last place at most in float32, for divisors up to 2^126: a third of the instructions.
__device__ __forceinline__ float quotient(float a, float b) { return __fdividef(a, b); }
__device__ __forceinline__ double quotient(double a, double b) { return a / b; }
__device__ __forceinline__ float largest(float) { return 3.402823466e+38f; }
__device__ __forceinline__ double largest(double) { return 1.7976931348623157e+308; }

// x, but no less than the least finite number: so that minus infinity times 0 is 0.
template <typename T>
__device__ __forceinline__ T above(T x) { return x < -largest(x) ? -largest(x) : x; }
template <typename T>
__device__ __forceinline__ T between(T x) { return x > largest(x) ? largest(x) : above(x); }

template <typename T>
struct Linear {
  using Number = T;
  __device__ explicit Linear(T) {}
  __device__ T value(T x) const { return x; }
  __device__ T derivative(T) const { return T(1); }
};

// x where x > 0, slope x elsewhere; with slope 0 it is ReLU, of which minus infinity gives 0.
template <typename T>
struct Leaky {
  using Number = T;
  T slope;
  __device__ explicit Leaky(T slope) : slope(slope) {}
  __device__ T value(T x) const { return x > T(0) ? x : slope == T(0) && x <= T(0) ? T(0) : x * slope; }
  __device__ T derivative(T x) const { return x > T(0) ? T(1) : slope; }
};

// x / (1 + exp(-x)), by exp(-|x|), which does not overflow and keeps the tail.
template <typename T>
struct SiLU {
  using Number = T;
  __device__ explicit SiLU(T) {}
  __device__ T value(T x) const {
    const T e = exponential(x < T(0) ? x : -x);
    return quotient(above(x) * (x < T(0) ? e : T(1)), T(1) + e);
  }
  __device__ T derivative(T x) const {
    const T e = exponential(x < T(0) ? x : -x), q = quotient(T(1), T(1) + e);
    return (x < T(0) ? e : T(1)) * q + between(x) * (e * q * q);
  }
};

// x tanh(log(1 + exp(x))). With e = exp(x) and n = e (e + 2) the tangent is n / (n + 2).
// Past `far` the tangent is 1 to the last bit, and the derivative too; before it nothing overflows.
template <typename T>
struct Mish {
  using Number = T;
  __device__ explicit Mish(T) {}
  __device__ static T far() { return sizeof(T) == 4 ? T(20) : T(24); }
  __device__ T value(T x) const {
    const T e = exponential(x > far() ? far() : x), n = e * (e + T(2));
    return x > far() ? x : above(x) * quotient(n, n + T(2));
  }
  // The tangent's own derivative is 4 e (1 + e) / (n + 2)^2: both terms over one divisor.
  __device__ T derivative(T x) const {
    const T e = exponential(x > far() ? far() : x), n = e * (e + T(2)), under = n + T(2);
    return x > far() ? T(1) : quotient(n * under + above(x) * (T(4) * e * (T(1) + e)), under * under);
  }
};
