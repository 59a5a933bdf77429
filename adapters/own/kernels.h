/* What the fused losses on a CPU share: one pass over the logits yields the loss and its gradient.

   Compiled once per dtype of the logits: -DFLOAT32, -DFLOAT64, -DBFLOAT16 or -DFLOAT16. float32 is computed in double,
   where nothing has to be compensated and results are correctly rounded but for rare ties; half precision in float. The
   polynomials are minimax fits of the accuracy that the result needs, in relative terms. Loops are plain, without
   branches and without calls to the mathematical library, so that the compiler can vectorise them. Work is cut into
   blocks of a fixed size whose sums are added in order, in double: the result does not depend on the number of threads.
   What depends on a row's neighbours is the last digit of a loss over rows, as a block shares what is subtracted. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#if defined BFLOAT16 || defined FLOAT16
#define HALF
typedef float real;      /* what is computed in */
typedef float number;    /* targets, scores and weights of more than half precision */
typedef uint16_t stored; /* logits and gradients in memory */
typedef int32_t integer;
#define SMALLEST 1.1754943508222875e-38f
#else
typedef double real;
typedef int64_t integer;
#define SMALLEST 2.2250738585072014e-308
#ifdef FLOAT32
typedef float number;
typedef float stored;
#else
typedef double number;
typedef double stored;
#endif
#endif

#define FAR ((real)1e30) /* every power of e^-z is 0 long before, and its product with a power does not overflow */

enum { NONE, SQUARE, ANY }; /* the power that modulates: 0, 2, any other */

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
    uint32_t bits = word_of(x), rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    return x != x ? 0x7FC0 : (uint16_t)rounded;
}
#elif defined FLOAT16
/* A float16 moved to a float's places is 2^112 too small: one product mends it, and subnormal numbers too. */
INLINE float load(uint16_t half) {
    uint32_t body = (uint32_t)(half & 0x7FFF) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float x = from_word(body) * 0x1p112f;
    uint32_t special = (half & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
    return from_word(word_of(x) | special | sign);
}

/* Rounds by adding a number whose last place is float16's last place at x (subnormal ones share 2^-24). */
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

/* (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2] */
#ifdef HALF /* error of e^r 2^-21 */
static const real EXP[] = {0.4999975015496972, 0.16666773841215888, 0.04183362978419707, 0.008341300455925879};
#elif defined FLOAT32 /* 2^-34 */
static const real EXP[] = {0.5000000067643632,   0.166666658695615,     0.041666295090108205,
                           0.008333496970596562, 0.0013944648867715015, 0.0001979037421093552};
#endif
#ifdef HALF
#define EXACT_EXP EXP
#else /* 2^-56 */
static const real EXACT_EXP[] = {0.5000000000000001,    0.16666666666666644,    0.041666666666624316,  0.00833333333335609,
                           0.0013888888917135445, 0.00019841269785012188, 2.4801521400230648e-05, 2.755735510816021e-06,
                           2.762004507102383e-07, 2.506832045586098e-08};
#endif
#ifdef FLOAT64
#define EXP EXACT_EXP
#endif

/* log(1 + e) / e on [0, 1] */
#ifdef HALF /* 2^-19 */
static const real LOG1P[] = {0.9999987317431832,  -0.4998696571819028,   0.3310944811406821,  -0.23503856326191968,
                             0.14922382907108443, -0.06640179844698951, 0.014141036584438079};
#elif defined FLOAT32 /* 2^-30 */
static const real LOG1P[] = {0.9999999992571326, -0.4999998141949835, 0.3333255920987311, -0.2498726630279822,
                             0.19890721656114616, -0.16105604036513643, 0.12418253892124197, -0.08243936946666693,
                             0.041476321195630134, -0.01340667821529276, 0.0020300783110416263};
#else /* 2^-59 */
static const real LOG1P[] = {1.0,                   -0.49999999999999853, 0.33333333333309166,   -0.24999999998420297,
                             0.1999999994508789,    -0.16666665492145904, 0.142856974125208,     -0.1249982748765962,
                             0.11109803789939602,   -0.0999243504526011,  0.09056722192399203,   -0.08210546633892214,
                             0.07336803608730313, -0.06302893851182704, 0.05027962651726113,   -0.03575694462543045,
                             0.02170712640617036,   -0.01074335342733342, 0.004109583467081894,  -0.0011298461907093464,
                             0.00019748724198315459, -1.6416563340669906e-05};
#endif

/* log(m) / s with s = (m - 1) / (m + 1), as a polynomial in s^2, on [sqrt 1/2, sqrt 2] */
#ifdef HALF /* 2^-30 */
static const real LOG[] = {1.9999999986158393, 0.66666816411035, 0.3997474287206099, 0.29927062666107293};
#elif defined FLOAT32 /* 2^-38 */
static const real LOG[] = {2.0000000000084666, 0.6666666523466631, 0.400003870482771, 0.285349111585139,
                           0.23618917007176793};
#else /* 2^-67 */
static const real LOG[] = {2.0, 0.6666666666666666, 0.40000000000007585, 0.2857142856879211, 0.22222222680730475,
                           0.18181773448446913, 0.15387173116888922, 0.13248496439028236, 0.13264468208441573};
#endif

/* Even and odd powers apart: two chains of dependent products, each half as long as Horner's, for one product more. */
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

/* e^-z of z >= 0: 2^-k e^r with r = k ln 2 - z. Adding `magic` rounds to an integer and leaves it in the low bits. */
INLINE real exp_of_minus_with(real z, int exact) {
#ifdef HALF
    const real magic = 12582912.0f - 32, most = 104.0f, high = 0.693359375f, low = -2.1219444005469058e-4f;
#else
    const real magic = 6755399441055744.0, most = 700.0, high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
#endif
    real bounded = at_most(z, most);
    real shifted = bounded * (real)1.4426950408889634 + magic;
    real k = shifted - magic;
#ifdef FLOAT32
    real r = k * (high + low) - bounded; /* k <= 150 where it matters: off by 2^-46 */
#else
    real r = (k * high - bounded) + k * low;
#endif
    real power = (r * r) * (exact ? exact_exp_tail(r) : exp_tail(r)) + r + 1;
#ifdef HALF
    /* 2^(32 - k), then the rest: two steps reach the subnormal numbers */
    return from_bits((int32_t)((uint32_t)bits_of(power) - ((uint32_t)bits_of(shifted) << 23))) * 0x1p-32f;
#else
    real result = from_bits((int64_t)((uint64_t)bits_of(power) - ((uint64_t)bits_of(shifted) << 52)));
    #ifdef FLOAT64
    return z > most ? 0 : z == z ? result : z; /* what a NaN carries must not become an exponent */
#else
    return result; /* float32 rounds it to 0 */
#endif
#endif
}

INLINE real exp_of_minus(real z) { return exp_of_minus_with(z, 0); }

/* log q of a normal q > 0: k ln 2 + log m */
INLINE real log_of(real q) {
#ifdef HALF
    int32_t offset = bits_of(q) - 0x3F3504F3;
    real k = (real)(offset >> 23);
    real m = from_bits((offset & 0x7FFFFF) + 0x3F3504F3);
#else
    /* the exponent without a conversion from 64-bit integers, which older processors lack */
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

/* Asks for large pages for a large output: fresh memory comes a page at a time, and 5,000 small ones take longer than
   the loss of 67,200 x 80 logits. */
INLINE void large_pages(void *start, long bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 1 << 21, first = ((uintptr_t)start + page - 1) & -page;
    const uintptr_t last = ((uintptr_t)start + (uintptr_t)bytes) & -page;
    if (start && first < last) madvise((void *)first, last - first, MADV_HUGEPAGE); /* where refused, small ones */
#else
    (void)start, (void)bytes;
#endif
}

/* A sum that does not depend on who made its parts. */
INLINE double in_order(double *sums, long count) {
    double total = 0;
    for (long i = 0; i < count; i++) total += sums[i];
    free(sums);
    return total;
}
