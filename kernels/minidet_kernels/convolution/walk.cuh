// How a thread walks along the terms of the filters' gradient, all places of all images, without a division a step: what
// registers_grad_w.cu and depthwise_grad_w.cu share.
#pragma once

// The sizes; and how the place of a term moves so many terms later: what is added to its numbers in g and in x, and to
// them besides where a row (an image) is past.
struct Walk {
  int groups, channels, H, W, filters, oh, ow, kh, kw, images;
  int step_h, step_w, first_h, first_w, tap_h, tap_w;
  int at_g, at_x, i, j, x_past_row, x_past_image, g_past_image;
};

// The place of this thread's next term.
struct Walker {
  int k, i, j, at_g, at_x;

  __device__ __forceinline__ Walker(const Walk& p, int k, int group) : k(k) {
    const int n = k / (p.oh * p.ow), inside = k % (p.oh * p.ow);
    i = inside / p.ow;
    j = inside % p.ow;
    at_g = (n * p.groups + group) * p.filters * p.oh * p.ow + inside;
    at_x = (n * p.groups + group) * p.channels * p.H * p.W + i * p.step_h * p.W + j * p.step_w;
  }
  __device__ __forceinline__ void advance(const Walk& p, int terms) {
    k += terms;
    i += p.i;
    j += p.j;
    at_g += p.at_g;
    at_x += p.at_x;
    if (j >= p.ow) j -= p.ow, i++, at_x += p.x_past_row;
    if (i >= p.oh) i -= p.oh, at_x += p.x_past_image, at_g += p.g_past_image;
  }
};
