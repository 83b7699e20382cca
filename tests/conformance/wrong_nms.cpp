// An NMS that a conformance suite should find fault with, as a program: it reads boxes.npy, scores.npy and threshold.npy
// of the folder that it is given, and writes answer.npy there.  With "neighbours" it compares with the last kept box only.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

template <class T>
static std::vector<T> read(const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) std::fprintf(stderr, "no %s\n", path.c_str()), std::exit(3);
  unsigned char head[10];
  if (std::fread(head, 1, 10, file) != 10) std::exit(3);
  std::fseek(file, 0, SEEK_END);
  const long begin = 10 + head[8] + 256 * head[9], bytes = std::ftell(file) - begin;
  std::vector<T> values(bytes / sizeof(T));
  std::fseek(file, begin, SEEK_SET);
  if (std::fread(values.data(), sizeof(T), values.size(), file) != values.size()) std::exit(3);
  std::fclose(file);
  return values;
}

int main(int argc, char** argv) {
  const std::string folder = argv[argc - 1];
  const bool neighbours = argc > 2 && !std::strcmp(argv[1], "neighbours"), dies = argc > 2 && !std::strcmp(argv[1], "dies");
  const auto boxes = read<float>(folder + "/boxes.npy"), scores = read<float>(folder + "/scores.npy");
  const float limit = static_cast<float>(read<double>(folder + "/threshold.npy")[0]);
  if (dies) std::abort();
  for (float score : scores)
    if (score != score) return std::fprintf(stderr, "a score is NaN\n"), 3;
  std::vector<int64_t> order(scores.size()), kept;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  for (int64_t i : order) {
    bool stays = true;
    for (size_t k = neighbours && !kept.empty() ? kept.size() - 1 : 0; k < kept.size(); k++) {
      const float *a = &boxes[4 * i], *b = &boxes[4 * kept[k]];
      const float wide = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.0f);
      const float high = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.0f);
      const float both = wide * high;
      const float either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;
      if (both / either >= limit) stays = false;
    }
    if (stays) kept.push_back(i);
  }
  std::string shape = "{'descr': '<i8', 'fortran_order': False, 'shape': (" + std::to_string(kept.size()) + ",), }";
  shape.resize(117, ' ');
  shape += '\n';
  FILE* file = std::fopen((folder + "/answer.npy").c_str(), "wb");
  std::fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file);
  std::fwrite(shape.data(), 1, shape.size(), file);
  std::fwrite(kept.data(), sizeof(int64_t), kept.size(), file);
  return std::fclose(file);
}
