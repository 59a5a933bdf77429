/* What the losses on a CPU share: one pass over the logits gives the loss and its gradient.

   The files are compiled once for each dtype of the logits: -DFLOAT32, -DFLOAT64, -DBFLOAT16 or -DFLOAT16. Half
   precision is computed in float, and float32 in double, so that rounding errors need no correction and nearly
   every result is the correctly rounded one. Loops have no branches and call no mathematical library, so that the
   compiler can vectorise them. Work is cut into blocks of a fixed size whose sums are added in order, in double, so
   that the result does not depend on the number of threads. Rows of a block share one maximum, so a row loss may
   differ in its last digit with its neighbours. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#if defined BFLOAT16 || defined FLOAT16
#define HALF
typedef float real;      /* what is computed in */
typedef float number;    /* targets, scores and weights, unless they are stored as the logits are */
typedef uint16_t stored; /* logits and gradients in memory */
typedef int32_t integer;
#define SMALLEST 1.1754943508222875e-38f /* 2^-126, the smallest normal float */
#else
typedef double real;
typedef int64_t integer;
#define SMALLEST 2.2250738585072014e-308 /* 2^-1022, the smallest normal double */
#ifdef FLOAT32
typedef float number;
typedef float stored;
#else
typedef double number;
typedef double stored;
#endif
#endif

/* A logit of this size stands for all larger ones: e^-z and its powers are 0 long before, and the product of z with a
   power of up to 1e8 does not overflow. */
#define FAR ((real)1e30)

enum { NONE, SQUARE, ANY }; /* the exponent gamma or beta: 0, 2, any other */

#define INLINE static inline __attribute__((always_inline))
#define SIMD _Pragma("omp simd")

/* ---- numbers in memory ---- */

#ifdef HALF
INLINE uint32_t word_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float from_word(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
#endif

#ifdef BFLOAT16
INLINE float load(uint16_t half) { return from_word((uint32_t)half << 16); }

INLINE uint16_t store(float x) {
    /* half of the last place that is kept, less one where that place is even: ties go to the even number */
    uint32_t bits = word_of(x), rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    return x != x ? 0x7FC0 : (uint16_t)rounded;
}
#elif defined FLOAT16
/* The bits of a float16, shifted to where a float has its exponent, are a float that is 2^112 too small, since the
   exponents' offsets are 15 and 127. One product corrects that, for subnormal numbers too. */
INLINE float load(uint16_t half) {
    uint32_t body = (uint32_t)(half & 0x7FFF) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float x = from_word(body) * 0x1p112f;
    uint32_t special = (half & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
    return from_word(word_of(x) | special | sign);
}

/* Rounds by adding a number whose last place is float16's last place at x: it is 2^13 times as large, as a float has 13
   bits more. All numbers below 2^-14 (bits 0x38800000) are subnormal in float16 and share the last place 2^-24. */
INLINE uint16_t store(float x) {
    uint32_t bits = word_of(x), sign = bits & 0x80000000, body = bits ^ sign;
    uint32_t exponent = body & 0x7F800000, least = 0x38800000;
    float anchor = from_word((exponent < least ? least : exponent) + (13u << 23));
    float rounded = (from_word(body) + anchor) - anchor;
    uint32_t result = word_of(rounded * 0x1p-112f) >> 13;
    result = body >= 0x477FF000 ? 0x7C00 : result; /* from 65520 on it rounds to infinity */
    result = body > 0x7F800000 ? 0x7E00 : result;
    return (uint16_t)(result | sign >> 16);
}
#else
INLINE number load(stored x) { return x; }

INLINE stored store(real x) { return (stored)x; }
#endif

/* ---- elementary functions ---- */

/* The coefficients of minimax polynomials, from the constant up; `polynomials.py` makes them and says what their errors
   are relative to: always what is computed with them. */

/* (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2] */
#ifdef HALF
/* largest error 2^-23 */
static const real EXP[] = {0.499992311000824, 0.16667112708091736, 0.04189017787575722, 0.008312687277793884};
#define EXACT_EXP EXP
#else
/* largest error 2^-57 */
static const real EXACT_EXP[] = {0.5000000000000011, 0.16666666666666421, 0.04166666666652701, 0.008333333333488497,
                                 0.0013888888944322707, 0.00019841269519764036, 2.4801492476477874e-05,
                                 2.755757446813181e-06, 2.7630445299955516e-07, 2.5003847815059006e-08};
#endif
#ifdef FLOAT32
/* largest error 2^-34 */
static const real EXP[] = {0.500000006764273, 0.1666666586941556, 0.04166629509293142, 0.008333497008628003,
                           0.001394464863788109, 0.00019790352227610247};
#elif defined FLOAT64
#define EXP EXACT_EXP
#endif

/* log(1 + e) / e on [0, 1] */
#ifdef HALF
/* largest error 2^-19 */
static const real LOG1P[] = {0.9999987483024597, -0.49987009167671204, 0.331097811460495, -0.23504960536956787,
                             0.14924171566963196, -0.06641574949026108, 0.014145231805741787};
#elif defined FLOAT32
/* largest error 2^-30 */
static const real LOG1P[] = {0.9999999992568211, -0.4999998143365321, 0.3333255962632195, -0.24987270886824745,
                             0.19890747846586698, -0.16105691965137026, 0.12418436979345393, -0.08244176391989287,
                             0.041478235796260816, -0.013407533738704517, 0.002030242014202477};
#else
/* largest error 2^-59 */
static const real LOG1P[] = {1.0, -0.499999999999999, 0.3333333333331355, -0.24999999998609823, 0.19999999949793296,
                             -0.16666665567173075, 0.14285698236746752, -0.1249983402760343, 0.11109842527287911,
                             -0.09992610393334518, 0.09057338892621714, -0.08212250733831335, 0.07340527807784705,
                             -0.06309346421815937, 0.05036809396615118, -0.035852284638300085, 0.021786862675141416,
                             -0.010794013302794864, 0.004133198509259893, -0.001137458595021047, 0.000199002830858427,
                             -1.6556937148678367e-05};
#endif

/* log(m) / s with s = (m - 1) / (m + 1), as a polynomial in s^2, for m in [sqrt 1/2, sqrt 2] */
#ifdef HALF
/* largest error 2^-30 */
static const real LOG[] = {2.0, 0.6666677594184875, 0.3997757136821747, 0.29871371388435364};
#elif defined FLOAT32
/* largest error 2^-37 */
static const real LOG[] = {2.000000000008424, 0.6666666524045906, 0.4000038586831157, 0.28534985961596465,
                           0.2361746531330809};
#else
/* largest error 2^-66 */
static const real LOG[] = {2.0, 0.6666666666666666, 0.4000000000000489, 0.28571428569423585, 0.22222222605045155,
                           0.18181778503929272, 0.1538698271959717, 0.13252277509716245, 0.13233678569336874};
#endif

/* A polynomial with even and odd powers summed apart: two chains of dependent products that are each half as long as
   Horner's one, for one product more. */
#define POLYNOMIAL(name, table)                                                                                        \
    INLINE real name(real x) {                                                                                         \
        enum { last = sizeof(table) / sizeof(table[0]) - 1 };                                                          \
        real square = x * x, first = table[last], second = table[last - 1];                                            \
        _Pragma("GCC unroll 16") for (int i = last - 2; i >= 0; i -= 2) first = first * square + table[i];             \
        _Pragma("GCC unroll 16") for (int i = last - 3; i >= 0; i -= 2) second = second * square + table[i];           \
        return last % 2 ? first * x + second : second * x + first;                                                     \
    }
POLYNOMIAL(exp_tail, EXP)
POLYNOMIAL(exact_exp_tail, EXACT_EXP)
POLYNOMIAL(log1p_ratio, LOG1P)
POLYNOMIAL(log_ratio, LOG)

INLINE integer bits_of(real x) {
    integer bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE real from_bits(integer bits) {
    real x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE real size_of(real x) { return sizeof x == 4 ? __builtin_fabsf(x) : __builtin_fabs(x); }
INLINE real at_least(real x, real least) { return x < least ? least : x; } /* NaN stays NaN */
INLINE real at_most(real x, real most) { return x > most ? most : x; }

/* e^-z of z >= 0 as 2^-k e^r, where r = k ln 2 - z.

   Adding `magic`, 1.5 times 2^23 for a float or 2^52 for a double, rounds to an integer and leaves it in the lowest
   bits, from where a shift moves it into the exponent. In a float 32 is taken off, so that 2^(32 - k) is a normal
   number for every k up to 150. Beyond `most`, e^-z is 0 in a float, and is taken as 0 in a double.
   1.4426950408889634 is 1 / ln 2. `high` is ln 2 to so few bits (9 and 32) that its product with k is exact, and
   `low` is the rest of ln 2. */
INLINE real exp_of_minus_with(real z, int exact) {
#ifdef HALF
    const real magic = 12582912.0f - 32, most = 104.0f, high = 0.693359375f, low = -2.1219444005469058e-4f;
#else
    const real magic = 6755399441055744.0, most = 700.0;
    const real high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
#endif
    real bounded = at_most(z, most);
    real shifted = bounded * (real)1.4426950408889634 + magic;
    real k = shifted - magic;
#ifdef FLOAT32
    real r = k * (high + low) - bounded; /* a float's e^-z is 0 beyond k = 150: r is off by 2^-46 at most */
#else
    real r = (k * high - bounded) + k * low;
#endif
    real power = (r * r) * (exact ? exact_exp_tail(r) : exp_tail(r)) + r + 1;
#ifdef HALF
    /* times 2^(32 - k), then times 2^-32: one step would not reach the subnormal numbers */
    return from_bits((int32_t)((uint32_t)bits_of(power) - ((uint32_t)bits_of(shifted) << 23))) * 0x1p-32f;
#else
    real result = from_bits((int64_t)((uint64_t)bits_of(power) - ((uint64_t)bits_of(shifted) << 52)));
    #ifdef FLOAT64
    return z > most ? 0 : z == z ? result : z; /* the bits of a NaN must not become an exponent */
#else
    return result; /* float32 rounds it to 0 */
#endif
#endif
}

INLINE real exp_of_minus(real z) { return exp_of_minus_with(z, 0); }

/* log q of a normal q > 0 as k ln 2 + log m, where q = 2^k m and m lies in [sqrt 1/2, sqrt 2).

   0x3F3504F3 and 0x3FE6A09E667F3BCD are the bits of sqrt 1/2 as a float and as a double. */
INLINE real log_of(real q) {
#ifdef HALF
    int32_t offset = bits_of(q) - 0x3F3504F3;
    real k = (real)(offset >> 23);
    real m = from_bits((offset & 0x7FFFFF) + 0x3F3504F3);
#else
    /* k by way of the bits of 1.5 * 2^52, 0x4338000000000000, since older processors cannot convert vectors of 64-bit
       integers; 1024 is added first so that the shifted number is positive */
    const int64_t half_root = INT64_C(0x3FE6A09E667F3BCD), magic = INT64_C(0x4338000000000000);
    uint64_t offset = (uint64_t)(bits_of(q) - half_root) + (UINT64_C(1024) << 52);
    real k = from_bits((int64_t)(offset >> 52) + magic) - 6755399441055744.0 - 1024;
    real m = from_bits((int64_t)(offset & UINT64_C(0xFFFFFFFFFFFFF)) + half_root);
#endif
    real s = (m - 1) / (m + 1);
    return k * (real)0.6931471805599453 + s * log_ratio(s * s);
}

/* ---- what both kinds of losses need ---- */

INLINE int power_case(double power) { return power == 0 ? NONE : power == 2 ? SQUARE : ANY; }

/* Asks the system for pages of 2 MiB for a large output. Fresh memory is handed out a page at a time, and the 5,250
   pages of 4 KiB that hold the gradient of 67,200 x 80 logits take longer to hand out than the loss takes to
   compute. */
INLINE void large_pages(void *start, long bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 1 << 21, first = ((uintptr_t)start + page - 1) & -page;
    const uintptr_t last = ((uintptr_t)start + (uintptr_t)bytes) & -page;
    if (start && first < last) madvise((void *)first, last - first, MADV_HUGEPAGE); /* may be refused */
#else
    (void)start, (void)bytes;
#endif
}

/* The sum of the blocks' sums, in their order, so that it does not depend on which thread made them. */
INLINE double in_order(double *sums, long count) {
    double total = 0;
    for (long i = 0; i < count; i++) total += sums[i];
    free(sums);
    return total;
}
