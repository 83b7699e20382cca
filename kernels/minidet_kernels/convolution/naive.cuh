// What the first rungs of convolution are told: the sizes, the letters of the whole repository.
#pragma once

struct Convolution {
  int C, H, W, O, kh, kw, oh, ow, groups;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
};
