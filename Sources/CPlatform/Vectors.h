// Loops over samples in vectors of 32 bytes, for processors that have them (AVX2), which is asked when they
// run: Swift compiles its own loops for the least of processors alone, and does not find the instruction
// that multiplies pairs and adds them. Beside each stands a loop of Swift, for other processors and for what
// whole vectors leave; the results of both are the same to the bit.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// MARK: Colours of pixels

/// What one component of a colour is made of, in fixed point: factors of three others, and a constant with
/// the rounding in it.
typedef struct {
  int16_t first, second, third;
  int32_t constant;
} platform_color_factors;

#if defined(__x86_64__)

#define PLATFORM_INLINE_32 static inline __attribute__((target("avx2"), always_inline))

typedef int8_t platform_bytes32 __attribute__((vector_size(32), aligned(1), may_alias));
typedef int16_t platform_words16 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint16_t platform_unsigned16 __attribute__((vector_size(32), aligned(1), may_alias));
typedef int32_t platform_ints8 __attribute__((vector_size(32), aligned(1), may_alias));

/// `even` and `odd` again and again.
PLATFORM_INLINE_32 platform_words16 platform_pairs(
    int16_t even, int16_t odd) {
  return (platform_words16){even, odd, even, odd, even, odd, even, odd,
                            even, odd, even, odd, even, odd, even, odd};
}
PLATFORM_INLINE_32 platform_ints8 platform_ints(
    int32_t value) {
  return (platform_ints8){value, value, value, value, value, value, value, value};
}
/// Products of two vectors' words, those of a pair added.
PLATFORM_INLINE_32 platform_ints8 platform_products(
    platform_words16 a, platform_words16 b) {
  return (platform_ints8)__builtin_ia32_pmaddwd256(a, b);
}
/// Four vectors of integers as one of bytes, each bounded to 0 … 255.
PLATFORM_INLINE_32 platform_bytes32 platform_packed(
    const platform_ints8 *_Nonnull v) {
  platform_ints8 packed = (platform_ints8)__builtin_ia32_packuswb256(
      __builtin_ia32_packssdw256(v[0], v[1]), __builtin_ia32_packssdw256(v[2], v[3]));
  // Packing goes by halves of a vector.
  return (platform_bytes32)__builtin_shufflevector(packed, packed, 0, 4, 1, 5, 2, 6, 3, 7);
}

static inline __attribute__((target("avx2"))) size_t platform_video_of_rows_32(
    uint8_t *_Nonnull luma, uint8_t *_Nonnull luma_below, uint8_t *_Nonnull pairs,
    const uint32_t *_Nonnull above, const uint32_t *_Nonnull below, size_t n,
    platform_color_factors y, platform_color_factors cb, platform_color_factors cr, int shift) {
  const platform_words16 y_outer = platform_pairs(y.first, y.third);
  const platform_words16 y_inner = platform_pairs(y.second, 0);
  const platform_ints8 y_constant = platform_ints(y.constant);
  // Of two pixels the first makes Cb, the second Cr.
  const platform_words16 c_outer = {
      cb.first, cb.third, cr.first, cr.third, cb.first, cb.third, cr.first, cr.third,
      cb.first, cb.third, cr.first, cr.third, cb.first, cb.third, cr.first, cr.third};
  const platform_words16 c_inner = {cb.second, 0, cr.second, 0, cb.second, 0, cr.second, 0,
                                    cb.second, 0, cr.second, 0, cb.second, 0, cr.second, 0};
  const platform_ints8 c_constant = {
      4 * cb.constant, 4 * cr.constant, 4 * cb.constant, 4 * cr.constant,
      4 * cb.constant, 4 * cr.constant, 4 * cb.constant, 4 * cr.constant};
  const platform_words16 low = platform_pairs(255, 255);
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    platform_ints8 upper[4], lower[4], chroma[4];
#pragma clang loop unroll(full)
    for (int k = 0; k < 4; k++) {
      platform_words16 a = *(const platform_words16 *)(above + i + 8 * k);
      platform_words16 b = *(const platform_words16 *)(below + i + 8 * k);
      // The first and the third byte of each pixel, and the second and the fourth.
      platform_words16 a_outer = a & low, b_outer = b & low;
      platform_words16 a_inner = (platform_words16)((platform_unsigned16)a >> 8);
      platform_words16 b_inner = (platform_words16)((platform_unsigned16)b >> 8);
      upper[k] = (platform_products(a_outer, y_outer) + platform_products(a_inner, y_inner) + y_constant) >> shift;
      lower[k] = (platform_products(b_outer, y_outer) + platform_products(b_inner, y_inner) + y_constant) >> shift;
      platform_words16 outer = a_outer + b_outer, inner = a_inner + b_inner;
      outer += (platform_words16)__builtin_shufflevector(
          (platform_ints8)outer, (platform_ints8)outer, 1, 0, 3, 2, 5, 4, 7, 6);
      inner += (platform_words16)__builtin_shufflevector(
          (platform_ints8)inner, (platform_ints8)inner, 1, 0, 3, 2, 5, 4, 7, 6);
      chroma[k] = (platform_products(outer, c_outer) + platform_products(inner, c_inner) + c_constant) >> (shift + 2);
    }
    *(platform_bytes32 *)(luma + i) = platform_packed(upper);
    *(platform_bytes32 *)(luma_below + i) = platform_packed(lower);
    *(platform_bytes32 *)(pairs + i) = platform_packed(chroma);
  }
  return i;
}

static inline __attribute__((target("avx2"))) size_t platform_pixels_of_halved_16(
    uint32_t *_Nonnull out, const uint8_t *_Nonnull y, const uint8_t *_Nonnull cb,
    const uint8_t *_Nonnull cr, size_t n, const platform_color_factors *_Nonnull components,
    int shift) {
  typedef uint8_t bytes8 __attribute__((vector_size(8), aligned(1), may_alias));
  typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1), may_alias));
  const platform_words16 zero = {0}, opaque = platform_pairs(255, 255);
  const platform_words16 gain = platform_pairs(components[0].first, 0);
  platform_words16 factors[3];
  platform_ints8 constants[3];
  for (int k = 0; k < 3; k++) {
    factors[k] = platform_pairs(components[k].second, components[k].third);
    constants[k] = platform_ints(components[k].constant);
  }
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    bytes8 u = *(const bytes8 *)(cb + i / 2), v = *(const bytes8 *)(cr + i / 2);
    bytes16 mixed = __builtin_shufflevector(u, v, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    platform_words16 chroma = __builtin_convertvector(mixed, platform_words16);
    platform_words16 luma =
        __builtin_convertvector(*(const bytes16 *)(y + i), platform_words16);
    // By halves of a vector: pixels 0 … 3 and 8 … 11, and the others.
    platform_words16 early = __builtin_shufflevector(
        luma, zero, 0, 16, 1, 17, 2, 18, 3, 19, 8, 24, 9, 25, 10, 26, 11, 27);
    platform_words16 late = __builtin_shufflevector(
        luma, zero, 4, 20, 5, 21, 6, 22, 7, 23, 12, 28, 13, 29, 14, 30, 15, 31);
    platform_ints8 early_luma = platform_products(early, gain);
    platform_ints8 late_luma = platform_products(late, gain);
    platform_words16 component[3];
    for (int k = 0; k < 3; k++) {
      platform_ints8 part = platform_products(chroma, factors[k]) + constants[k];
      platform_ints8 first = early_luma + __builtin_shufflevector(part, part, 0, 0, 1, 1, 4, 4, 5, 5);
      platform_ints8 second = late_luma + __builtin_shufflevector(part, part, 2, 2, 3, 3, 6, 6, 7, 7);
      component[k] = (platform_words16)__builtin_ia32_packssdw256(first >> shift, second >> shift);
    }
    platform_bytes32 outer = (platform_bytes32)__builtin_ia32_packuswb256(component[0], component[2]);
    platform_bytes32 inner = (platform_bytes32)__builtin_ia32_packuswb256(component[1], opaque);
    platform_words16 lower = (platform_words16)__builtin_shufflevector(
        outer, inner, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 16, 48, 17, 49, 18,
        50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55);
    platform_words16 upper = (platform_words16)__builtin_shufflevector(
        outer, inner, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47, 24, 56, 25, 57,
        26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
    platform_words16 even = __builtin_shufflevector(
        lower, upper, 0, 16, 1, 17, 2, 18, 3, 19, 8, 24, 9, 25, 10, 26, 11, 27);
    platform_words16 odd = __builtin_shufflevector(
        lower, upper, 4, 20, 5, 21, 6, 22, 7, 23, 12, 28, 13, 29, 14, 30, 15, 31);
    *(platform_words16 *)(out + i) = __builtin_shufflevector(
        even, odd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    *(platform_words16 *)(out + i + 8) = __builtin_shufflevector(
        even, odd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
  return i;
}

#endif

/// Luma of two rows of pixels, and the chroma of each 2 x 2 of them as a pair, from which `pairs` has as
/// many bytes as a row has pixels. Factors are of a pixel's first, second and third byte; sums are
/// shifted down by `shift`, and by 2 more where four pixels were added. How many pixels of a row were
/// done: a multiple of 32, and 0 where the processor cannot.
static inline size_t platform_video_of_rows(
    uint8_t *_Nonnull luma, uint8_t *_Nonnull luma_below, uint8_t *_Nonnull pairs,
    const uint32_t *_Nonnull above, const uint32_t *_Nonnull below, size_t n,
    platform_color_factors y, platform_color_factors cb, platform_color_factors cr, int shift) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2"))
    return platform_video_of_rows_32(luma, luma_below, pairs, above, below, n, y, cb, cr, shift);
#else
  (void)luma, (void)luma_below, (void)pairs, (void)above, (void)below, (void)n;
  (void)y, (void)cb, (void)cr, (void)shift;
#endif
  return 0;
}

/// A row of pixels, whose fourth byte is 255, from luma and from chroma that is for two pixels each.
/// `components`: a pixel's first, second and third byte, by factors of luma, which are the same for all,
/// of Cb and of Cr. How many pixels were done: a multiple of 16, and 0 where the processor cannot.
static inline size_t platform_pixels_of_halved(
    uint32_t *_Nonnull out, const uint8_t *_Nonnull y, const uint8_t *_Nonnull cb,
    const uint8_t *_Nonnull cr, size_t n, const platform_color_factors *_Nonnull components,
    int shift) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2"))
    return platform_pixels_of_halved_16(out, y, cb, cr, n, components, shift);
#else
  (void)out, (void)y, (void)cb, (void)cr, (void)n, (void)components, (void)shift;
#endif
  return 0;
}

// MARK: Windows of motion

/// A place between samples: the upper left of the four around it, and what the four count.
typedef struct {
  const uint8_t *_Nonnull base;
  ptrdiff_t stride;
  uint16_t weights[4];
} platform_tap;

/// The same for a cubic filter: the second of four samples each way, and what the four of a row and of a
/// column count, in 64ths and in 32nds.
typedef struct {
  const uint8_t *_Nonnull base;
  ptrdiff_t stride;
  int16_t across[4], down[4];
} platform_cubic_tap;

/// Sums over a window of gradients (x, y) and differences (r), by which a vector is fitted.
typedef struct {
  int32_t xx, xy, yy, xr, yr;
  /// Of the magnitudes of differences.
  uint32_t difference;
} platform_fit;

#if defined(__x86_64__)

/// Sixteen samples.
PLATFORM_INLINE_32 platform_words16 platform_samples(const uint8_t *_Nonnull p) {
  typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1), may_alias));
  return __builtin_convertvector(*(const bytes16 *)p, platform_words16);
}
/// Eight samples, and the eight below them.
PLATFORM_INLINE_32 platform_words16 platform_two_rows(const uint8_t *_Nonnull p, ptrdiff_t stride) {
  typedef uint8_t bytes8 __attribute__((vector_size(8), aligned(1), may_alias));
  bytes8 upper = *(const bytes8 *)p, lower = *(const bytes8 *)(p + stride);
  return __builtin_convertvector(
      __builtin_shufflevector(upper, lower, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
      platform_words16);
}
PLATFORM_INLINE_32 platform_words16 platform_words(int16_t value) {
  return platform_pairs(value, value);
}

static inline __attribute__((target("avx2"))) void platform_add_window_32(
    uint16_t *_Nonnull sums, ptrdiff_t strip, const uint16_t *_Nonnull weights, platform_tap a,
    platform_tap b) {
  platform_words16 wa[4], wb[4];
  for (int k = 0; k < 4; k++) {
    wa[k] = platform_words((int16_t)a.weights[k]);
    wb[k] = platform_words((int16_t)b.weights[k]);
  }
  platform_words16 a0 = platform_samples(a.base), a1 = platform_samples(a.base + 1);
  platform_words16 b0 = platform_samples(b.base), b1 = platform_samples(b.base + 1);
  const platform_words16 half = platform_words(32);
  for (int row = 0; row < 16; row++) {
    a.base += a.stride;
    b.base += b.stride;
    platform_words16 a2 = platform_samples(a.base), a3 = platform_samples(a.base + 1);
    platform_words16 b2 = platform_samples(b.base), b3 = platform_samples(b.base + 1);
    platform_words16 sum = a0 * wa[0] + a1 * wa[1] + a2 * wa[2] + a3 * wa[3] + b0 * wb[0] +
                           b1 * wb[1] + b2 * wb[2] + b3 * wb[3] + half;
    platform_words16 level = (platform_words16)((platform_unsigned16)sum >> 6);
    *(platform_words16 *)sums += level * *(const platform_words16 *)weights;
    a0 = a2, a1 = a3, b0 = b2, b1 = b3;
    sums += strip;
    weights += 16;
  }
}

/// Two rows at a time.
static inline __attribute__((target("avx2"))) void platform_add_small_window_32(
    uint16_t *_Nonnull sums, ptrdiff_t strip, const uint16_t *_Nonnull weights, platform_tap a,
    platform_tap b) {
  typedef int16_t words8 __attribute__((vector_size(16), aligned(1), may_alias));
  platform_words16 wa[4], wb[4];
  for (int k = 0; k < 4; k++) {
    wa[k] = platform_words((int16_t)a.weights[k]);
    wb[k] = platform_words((int16_t)b.weights[k]);
  }
  const platform_words16 half = platform_words(32);
  for (int row = 0; row < 8; row += 2) {
    const uint8_t *p = a.base + row * a.stride, *q = b.base + row * b.stride;
    platform_words16 sum = platform_two_rows(p, a.stride) * wa[0] +
                           platform_two_rows(p + 1, a.stride) * wa[1] +
                           platform_two_rows(p + a.stride, a.stride) * wa[2] +
                           platform_two_rows(p + a.stride + 1, a.stride) * wa[3] +
                           platform_two_rows(q, b.stride) * wb[0] +
                           platform_two_rows(q + 1, b.stride) * wb[1] +
                           platform_two_rows(q + b.stride, b.stride) * wb[2] +
                           platform_two_rows(q + b.stride + 1, b.stride) * wb[3] + half;
    platform_words16 level = (platform_words16)((platform_unsigned16)sum >> 6) *
                             *(const platform_words16 *)(weights + 8 * row);
    uint16_t *upper = sums + row * strip, *lower = upper + strip;
    *(words8 *)upper += __builtin_shufflevector(level, level, 0, 1, 2, 3, 4, 5, 6, 7);
    *(words8 *)lower += __builtin_shufflevector(level, level, 8, 9, 10, 11, 12, 13, 14, 15);
  }
}

/// A row filtered across, in halves of a level.
PLATFORM_INLINE_32 platform_words16 platform_filtered(
    const uint8_t *_Nonnull p, const platform_words16 *_Nonnull w) {
  return (platform_samples(p - 1) * w[0] + platform_samples(p) * w[1] +
          platform_samples(p + 1) * w[2] + platform_samples(p + 2) * w[3] + platform_words(16)) >>
         5;
}
/// Four such rows filtered down, in quarters of a level.
PLATFORM_INLINE_32 platform_words16 platform_filtered_down(
    const platform_words16 *_Nonnull rows, const platform_words16 *_Nonnull w) {
  return (rows[0] * w[0] + rows[1] * w[1] + rows[2] * w[2] + rows[3] * w[3] + platform_words(8)) >> 4;
}

static inline __attribute__((target("avx2"))) void platform_add_cubic_window_32(
    uint16_t *_Nonnull sums, ptrdiff_t strip, const uint16_t *_Nonnull weights,
    platform_cubic_tap a, platform_cubic_tap b, int16_t share) {
  platform_words16 a_across[4], b_across[4], a_down[4], b_down[4], a_rows[4], b_rows[4];
  for (int k = 0; k < 4; k++) {
    a_across[k] = platform_words(a.across[k]);
    b_across[k] = platform_words(b.across[k]);
    a_down[k] = platform_words(a.down[k]);
    b_down[k] = platform_words(b.down[k]);
  }
  for (int k = 0; k < 3; k++) {
    a_rows[k] = platform_filtered(a.base + (k - 1) * a.stride, a_across);
    b_rows[k] = platform_filtered(b.base + (k - 1) * b.stride, b_across);
  }
  const platform_words16 first = platform_words(share), second = platform_words(16 - share);
  const platform_words16 least = {0}, most = platform_words(1020);
  for (int row = 0; row < 16; row++) {
    a_rows[3] = platform_filtered(a.base + (row + 2) * a.stride, a_across);
    b_rows[3] = platform_filtered(b.base + (row + 2) * b.stride, b_across);
    platform_words16 mean =
        (platform_filtered_down(a_rows, a_down) * first +
         platform_filtered_down(b_rows, b_down) * second + platform_words(8)) >> 4;
    mean = __builtin_elementwise_min(__builtin_elementwise_max(mean, least), most);
    *(platform_words16 *)sums += mean * *(const platform_words16 *)weights;
    for (int k = 0; k < 3; k++) a_rows[k] = a_rows[k + 1], b_rows[k] = b_rows[k + 1];
    sums += strip;
    weights += 16;
  }
}

PLATFORM_INLINE_32 int32_t platform_total(platform_ints8 v) {
  int32_t sum = 0;
  for (int k = 0; k < 8; k++) sum += v[k];
  return sum;
}

/// What a tap fetches for two rows of eight samples.
PLATFORM_INLINE_32 platform_words16 platform_fetched(platform_tap tap, ptrdiff_t offset) {
  const uint8_t *p = tap.base + offset;
  ptrdiff_t stride = tap.stride;
  return platform_two_rows(p, stride) * platform_words((int16_t)tap.weights[0]) +
         platform_two_rows(p + 1, stride) * platform_words((int16_t)tap.weights[1]) +
         platform_two_rows(p + stride, stride) * platform_words((int16_t)tap.weights[2]) +
         platform_two_rows(p + stride + 1, stride) * platform_words((int16_t)tap.weights[3]);
}
/// `p` and `q`: where differences lie between samples; NULL where they are taken at `a` and `b`.
PLATFORM_INLINE_32 platform_fit platform_fit_of(
    const uint8_t *_Nonnull a, ptrdiff_t s, const uint8_t *_Nonnull b, ptrdiff_t t,
    const platform_tap *_Nullable p, const platform_tap *_Nullable q) {
  platform_ints8 xx = {0}, xy = {0}, yy = {0}, xr = {0}, yr = {0}, difference = {0};
  for (int row = 0; row < 8; row += 2) {
    const uint8_t *a0 = a + row * s, *b0 = b + row * t;
    platform_words16 x = platform_two_rows(a0 + 1, s) - platform_two_rows(a0 - 1, s) +
                         platform_two_rows(b0 + 1, t) - platform_two_rows(b0 - 1, t);
    platform_words16 y = platform_two_rows(a0 + s, s) - platform_two_rows(a0 - s, s) +
                         platform_two_rows(b0 + t, t) - platform_two_rows(b0 - t, t);
    platform_words16 r = p == NULL
                             ? (platform_two_rows(a0, s) - platform_two_rows(b0, t)) << 3
                             : (platform_fetched(*p, row * s) - platform_fetched(*q, row * t)) >> 4;
    xx += platform_products(x, x);
    xy += platform_products(x, y);
    yy += platform_products(y, y);
    xr += platform_products(x, r);
    yr += platform_products(y, r);
    difference += platform_products(__builtin_elementwise_abs(r), platform_words(1));
  }
  return (platform_fit){platform_total(xx), platform_total(xy), platform_total(yy),
                        platform_total(xr), platform_total(yr), (uint32_t)platform_total(difference)};
}
static inline __attribute__((target("avx2"))) platform_fit platform_fit_32(
    const uint8_t *_Nonnull a, ptrdiff_t s, const uint8_t *_Nonnull b, ptrdiff_t t) {
  return platform_fit_of(a, s, b, t, NULL, NULL);
}
static inline __attribute__((target("avx2"))) platform_fit platform_fit_between_32(
    const uint8_t *_Nonnull a, ptrdiff_t s, const uint8_t *_Nonnull b, ptrdiff_t t, platform_tap p,
    platform_tap q) {
  return platform_fit_of(a, s, b, t, &p, &q);
}
#endif

/// Adds a window of 16 x 16 samples to sums: what two taps fetch for each, whose weights add up to 256, in
/// quarters of a level, times the sample's weight. False where the processor cannot.
static inline bool platform_add_window(
    uint16_t *_Nonnull sums, ptrdiff_t strip, const uint16_t *_Nonnull weights, platform_tap a,
    platform_tap b) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    platform_add_window_32(sums, strip, weights, a, b);
    return true;
  }
#else
  (void)sums, (void)strip, (void)weights, (void)a, (void)b;
#endif
  return false;
}

/// The same of 8 x 8 samples.
static inline bool platform_add_small_window(
    uint16_t *_Nonnull sums, ptrdiff_t strip, const uint16_t *_Nonnull weights, platform_tap a,
    platform_tap b) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    platform_add_small_window_32(sums, strip, weights, a, b);
    return true;
  }
#else
  (void)sums, (void)strip, (void)weights, (void)a, (void)b;
#endif
  return false;
}

/// The same of 16 x 16 samples with a cubic filter; the first tap counts `share` sixteenths.
static inline bool platform_add_cubic_window(
    uint16_t *_Nonnull sums, ptrdiff_t strip, const uint16_t *_Nonnull weights,
    platform_cubic_tap a, platform_cubic_tap b, int16_t share) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    platform_add_cubic_window_32(sums, strip, weights, a, b, share);
    return true;
  }
#else
  (void)sums, (void)strip, (void)weights, (void)a, (void)b, (void)share;
#endif
  return false;
}

/// The sums of a fit over 8 x 8 samples: gradients and differences at `a` and `b`, the latter in eighths of
/// a level. False where the processor cannot.
static inline bool platform_fit_window(
    platform_fit *_Nonnull fit, const uint8_t *_Nonnull a, ptrdiff_t s, const uint8_t *_Nonnull b,
    ptrdiff_t t) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    *fit = platform_fit_32(a, s, b, t);
    return true;
  }
#else
  (void)fit, (void)a, (void)s, (void)b, (void)t;
#endif
  return false;
}

/// The same with differences between two taps, whose weights add up to 128 each and whose strides are those
/// of `a` and of `b`.
static inline bool platform_fit_window_between(
    platform_fit *_Nonnull fit, const uint8_t *_Nonnull a, ptrdiff_t s, const uint8_t *_Nonnull b,
    ptrdiff_t t, platform_tap p, platform_tap q) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    *fit = platform_fit_between_32(a, s, b, t, p, q);
    return true;
  }
#else
  (void)fit, (void)a, (void)s, (void)b, (void)t, (void)p, (void)q;
#endif
  return false;
}

/// The sum of the differences of two windows of 8 x 8 samples.
static inline uint32_t platform_differences(
    const uint8_t *_Nonnull a, ptrdiff_t s, const uint8_t *_Nonnull b, ptrdiff_t t) {
#if defined(__x86_64__)
  typedef long long halves __attribute__((vector_size(16)));
  typedef char bytes __attribute__((vector_size(16)));
  halves sum = {0};
  for (int row = 0; row < 8; row += 2) {
    long long p[2], q[2];
    memcpy(p, a, 8);
    memcpy(p + 1, a + s, 8);
    memcpy(q, b, 8);
    memcpy(q + 1, b + t, 8);
    sum += (halves)__builtin_ia32_psadbw128((bytes)(halves){p[0], p[1]}, (bytes)(halves){q[0], q[1]});
    a += 2 * s;
    b += 2 * t;
  }
  return (uint32_t)(sum[0] + sum[1]);
#else
  uint32_t sum = 0;
  for (int row = 0; row < 8; row++) {
    for (int column = 0; column < 8; column++) {
      int d = a[row * s + column] - b[row * t + column];
      sum += (uint32_t)(d < 0 ? -d : d);
    }
  }
  return sum;
#endif
}
