// Bilinear, antialiased or not, and its gradient, as sparse maps of the rows and of the columns.
//
// Output i of an axis is the sum of `taps` neighbouring inputs from first[i] on, with weights[t][i]; the gradient's map
// is the transpose, whose sums run over neighbouring outputs as well: a gather, without atomics. One kernel makes the
// two tables on the device, so that nothing is copied to it; the other adds up.
//
//   y[p][i][j] = sum over t of rows[t][i] ( sum over s of columns[s][j] x[p][row(i) + t][column(j) + s] )
//
// Launch of resize_axis: grid (ceil(count / TILE)), block (TILE), of resize_taps: grid (ceil(h w / TILE), any).
#include "nearest.cuh"

#ifndef TILE
#define TILE 128
#endif

// The weight of input r in output i, one operation after another as the room's `weights` computes it.
__device__ __forceinline__ double weight(Line line, int i, int r, int n, double wide, bool triangle) {
  long long p = line.a * i + line.b;
  if (triangle) return max(1 - fabs(static_cast<double>(p) / static_cast<double>(line.d) - r) / wide, 0.0);
  p = min(max(p, 0LL), (n - 1) * line.d);
  const double part = static_cast<double>(p % line.d) / static_cast<double>(line.d);
  const long long low = p / line.d;
  return low == r ? 1 - part : low + 1 == r ? part : 0.0;
}

// First input of output i: of the two neighbours, or of those under the triangle, which is `reach` / d wide each way.
__device__ __forceinline__ int first_input(Line line, int i, int n, long long reach, bool triangle) {
  const long long p = line.a * i + line.b;
  const long long first = triangle ? -floor_div(reach - p, line.d) : floor_div(p, line.d);
  return static_cast<int>(min(max(first, 0LL), static_cast<long long>(n - 1)));
}

__device__ __forceinline__ double total(Line line, int i, int n, double wide, long long reach) {
  const long long last = floor_div(line.a * i + line.b + reach, line.d);
  double sum = 0;
  for (int r = first_input(line, i, n, reach, true); r <= last && r < n; r++) sum += weight(line, i, r, n, wide, true);
  return sum;
}

// The map of n inputs to m outputs, or, if `back`, its transpose of m to n: first (count,), weights (taps, count).
template <typename T>
__global__ void __launch_bounds__(TILE, 4) resize_axis(int* __restrict__ first, T* __restrict__ weights, int n, int m, int taps,
                                                    long long a, long long b, long long d, long long reach, double wide,
                                                    bool triangle, bool back) {
  const Line line = {a, b, d};
  const int k = blockIdx.x * TILE + threadIdx.x, count = back ? n : m, sources = back ? m : n;
  if (k >= count) return;
  int from;
  if (!back) {
    from = first_input(line, k, n, reach, triangle);
  } else if (triangle) {  // outputs i with |a i + b - d k| <= reach
    from = static_cast<int>(max(-floor_div(reach + b - d * k, a), 0LL));
  } else {  // the border takes all outputs before it
    from = k <= 1 ? 0 : first_output(line, k - 1, m);
  }
  from = max(min(from, sources - taps), 0);  // so that no tap lies behind the last
  first[k] = from;
  for (int t = 0; t < taps; t++) {
    const int i = back ? from + t : k, r = back ? k : from + t;
    double w = weight(line, i, r, n, wide, triangle);
    if (triangle && w > 0) w /= total(line, i, n, wide, reach);
    weights[static_cast<size_t>(t) * count + k] = static_cast<T>(w);
  }
}

template <typename T>
__global__ void __launch_bounds__(TILE, 4) resize_taps(const T* __restrict__ x, T* __restrict__ y, int planes, int H, int W, int oh,
                                                    int ow, const int* __restrict__ rows, const T* __restrict__ row_weights,
                                                    int row_taps, const int* __restrict__ columns,
                                                    const T* __restrict__ column_weights, int column_taps) {
  const int e = blockIdx.x * TILE + threadIdx.x;
  if (e >= oh * ow) return;
  const int i = e / ow, j = e % ow;
  const int corner = rows[i] * W + columns[j];
  for (int p = blockIdx.y; p < planes; p += gridDim.y) {
    const T* line = x + static_cast<size_t>(p) * H * W + corner;
    T sum = 0;
    for (int t = 0; t < row_taps; t++, line += W) {
      T part = 0;
      for (int s = 0; s < column_taps; s++) part += column_weights[static_cast<size_t>(s) * ow + j] * line[s];
      sum += row_weights[static_cast<size_t>(t) * oh + i] * part;
    }
    y[static_cast<size_t>(p) * oh * ow + e] = sum;
  }
}
