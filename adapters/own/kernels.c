/* The fused losses on a CPU: one pass over the logits yields the loss and its gradient.

   Compiled once per precision of the logits: -DLOGITS=32, 64 or 16 (bfloat16 and float16). float32 is computed in
   double, where nothing has to be compensated and results are correctly rounded but for rare ties; half precision in
   float. The polynomials are minimax fits of the accuracy that the result needs, in relative terms. Loops are plain,
   without branches and without calls to the mathematical library, so that the compiler can vectorise them. Work is cut
   into blocks of a fixed size whose sums are added in order, in double: the result does not depend on the number of
   threads. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if LOGITS == 16
typedef float real;     /* what is computed in */
typedef float number;   /* what the loops read; half precision is widened block by block */
typedef uint16_t stored; /* what lies in memory */
typedef int32_t integer;
#define SMALLEST 1.1754943508222875e-38f
#else
typedef double real;
typedef int64_t integer;
#define SMALLEST 2.2250738585072014e-308
#if LOGITS == 32
typedef float number;
typedef float stored;
#else
typedef double number;
typedef double stored;
#endif
#endif

#define FAR ((real)1e30) /* every power of e^-z is 0 long before, and its product with a power does not overflow */

enum { BLOCK = 1024, LANES = 16 };
enum { FOCAL, QUALITY_FOCAL, VARIFOCAL };
enum { NONE, SQUARE, ANY };       /* the power that modulates: 0, 2, any other */
enum { BFLOAT16 = 1, FLOAT16 = 2 }; /* format of 16-bit numbers */

#define INLINE static inline __attribute__((always_inline))
#define SIMD _Pragma("omp simd")

/* ---- elementary functions ---- */

/* (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2] */
#if LOGITS == 16 /* error of e^r 2^-21 */
static const real EXP[] = {0.4999975015496972, 0.16666773841215888, 0.04183362978419707, 0.008341300455925879};
#elif LOGITS == 32 /* 2^-38 */
static const real EXP[] = {0.5000000000020848,    0.16666666718793623,   0.04166666640592175,   0.008333298548245347,
                           0.0013888923573826997, 0.0001989923355500042, 2.4820983893238277e-05};
#endif
#if LOGITS == 16
#define EXACT_EXP EXP
#else /* 2^-56 */
static const real EXACT_EXP[] = {0.5000000000000001,    0.16666666666666644,    0.041666666666624316,  0.00833333333335609,
                           0.0013888888917135445, 0.00019841269785012188, 2.4801521400230648e-05, 2.755735510816021e-06,
                           2.762004507102383e-07, 2.506832045586098e-08};
#endif
#if LOGITS == 64
#define EXP EXACT_EXP
#endif

/* log(1 + e) / e on [0, 1] */
#if LOGITS == 16 /* 2^-19 */
static const real LOG1P[] = {0.9999987317431832,  -0.4998696571819028,   0.3310944811406821,  -0.23503856326191968,
                             0.14922382907108443, -0.06640179844698951, 0.014141036584438079};
#elif LOGITS == 32 /* 2^-30 */
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
#if LOGITS == 16 /* 2^-30 */
static const real LOG[] = {1.9999999986158393, 0.66666816411035, 0.3997474287206099, 0.29927062666107293};
#elif LOGITS == 32 /* 2^-38 */
static const real LOG[] = {2.0000000000084666, 0.6666666523466631, 0.400003870482771, 0.285349111585139,
                           0.23618917007176793};
#else /* 2^-67 */
static const real LOG[] = {2.0, 0.6666666666666666, 0.40000000000007585, 0.2857142856879211, 0.22222222680730475,
                           0.18181773448446913, 0.15387173116888922, 0.13248496439028236, 0.13264468208441573};
#endif

/* Four coefficients at a time: a chain of dependent products a quarter as long as Horner's. */
#define POLYNOMIAL(name, table)                                                                                        \
    INLINE real name(real x) {                                                                                         \
        enum { terms = sizeof(table) / sizeof(table[0]), rest = terms % 4 ? terms % 4 : 4 };                           \
        real x2 = x * x, x4 = x2 * x2, p = table[terms - 1];                                                           \
        _Pragma("GCC unroll 4") for (int i = terms - 2; i >= terms - rest; i--) p = p * x + table[i];                  \
        _Pragma("GCC unroll 8") for (int i = terms - rest - 4; i >= 0; i -= 4) p =                                     \
            p * x4 + ((table[i] + table[i + 1] * x) + x2 * (table[i + 2] + table[i + 3] * x));                         \
        return p;                                                                                                      \
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
INLINE real at_least(real x, real least) { return x < least ? least : x; }

/* e^-z of z >= 0: 2^-k e^r with r = k ln 2 - z. Adding `magic` rounds to an integer and leaves it in the low bits. */
INLINE real exp_of_minus_with(real z, int exact) {
#if LOGITS == 16
    const real magic = 12582912.0f, most = 104.0f, high = 0.693359375f, low = -2.1219444005469058e-4f;
#else
    const real magic = 6755399441055744.0, most = 700.0, high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
#endif
    real bounded = z > most ? most : z; /* NaN stays NaN */
    real shifted = bounded * (real)1.4426950408889634 + magic;
    real k = shifted - magic;
    real r = (k * high - bounded) + k * low;
    real power = (r * r) * (exact ? exact_exp_tail(r) : exp_tail(r)) + r + 1;
#if LOGITS == 16
    int32_t whole = bits_of(shifted) - bits_of(magic), half = whole >> 1; /* two steps reach the subnormal numbers */
    return power * from_bits((127 - half) << 23) * from_bits((127 - (whole - half)) << 23);
#else
    real result = from_bits((int64_t)((uint64_t)bits_of(power) - ((uint64_t)bits_of(shifted) << 52)));
    return LOGITS == 64 && z > most ? 0 : result; /* float32 rounds it to 0 */
#endif
}

INLINE real exp_of_minus(real z) { return exp_of_minus_with(z, 0); }

/* log q of a normal q > 0: k ln 2 + log m */
INLINE real log_of(real q) {
#if LOGITS == 16
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

/* ---- sigmoid losses ---- */

typedef struct {
    double power, positive, negative, scale; /* the derivative is multiplied by scale */
} Parameters;

/* Loss of a logit x with target y and, with `derive`, its derivative.

   Flipping the sign of a logit and the label with it changes nothing but the derivative's sign, so all is said of
   z = |x|, its label t and o = 1 - t, with s = sigmoid(z), r = 1 - s:
   b = CE = o z + log(1 + e^-z), q = 1 - p_t = t r + o s, gap = t - s = t r - o s;
   FL = a q^g b, FL' = a q^g (g s r (o - t) b / q - gap);
   QFL = |gap|^g b, QFL' = -sign(gap) |gap|^g (g s r b / |gap| + |gap|);
   VFL = y b, VFL' = -y gap where y > 0, else FL at y = 0. */
INLINE real element(int loss, int power, int derive, real x, real y, Parameters given, real *derivative) {
    const real g = given.power;
    const int below = x < 0;
    real z = size_of(x), e = exp_of_minus(z), s = 1 / (1 + e), r = e * s, log_sum = e * log1p_ratio(e);
    real not_y = 1 - y, t = below ? not_y : y, o = below ? y : not_y;
    real b = o * z + log_sum, gap = t * r - o * s;
    real q = loss == QUALITY_FOCAL ? size_of(gap) : t * r + o * s, cross = b;
    real weight = loss == FOCAL ? (real)given.positive * y + (real)given.negative * not_y : 1;
    if (loss == VARIFOCAL) {
        weight = (real)given.negative;
        q = below ? r : s;
        cross = (below ? 0 : z) + log_sum;
    }

    real m = 1;
    if (power == SQUARE) m = q * q;
    if (power == ANY) { /* q is r at a hard label, where its logarithm is -z - log(1 + e^-z) for every z */
        real scaled = loss == QUALITY_FOCAL ? size_of(t * e - o) : loss == VARIFOCAL ? (below ? e : 1) : t * e + o;
        int hard = loss == VARIFOCAL ? below : o == 0;
        real log_scaled = hard ? -(z > FAR ? FAR : z) : log_of(at_least(scaled, SMALLEST));
        real log_q = log_scaled - log_sum, exponent = -g * log_q;
        m = exp_of_minus(exponent);
#if LOGITS == 64 /* what the difference and the product rounded away */
        real back = log_q + log_sum, lost = (log_scaled - back) - (log_sum - (back - log_q));
        m -= m * (__builtin_fma(g, -log_q, -exponent) - g * lost);
#endif
        if (loss == QUALITY_FOCAL) m = scaled == 0 ? 0 : m;
    }
    real value = weight * (m * cross);
    if (loss == VARIFOCAL) value = y > 0 ? y * b : value;
    if (!derive) return value;

    real slope;
    if (loss == QUALITY_FOCAL) {
        real size = power == ANY ? m * (g * (s * r / at_least(q, SMALLEST)) * b + q) : 0;
        slope = power == NONE ? -gap : power == SQUARE ? -gap * (2 * (s * r) * b + m) : gap > 0 ? -size : size;
    } else if (loss == FOCAL) {
        slope = power == NONE     ? -weight * gap
                : power == SQUARE ? weight * (q * (2 * (s * r) * (o - t) * b - q * gap))
                                  : weight * (m * (g * (s * r / at_least(q, SMALLEST)) * (o - t) * b - gap));
    }
    if (loss != VARIFOCAL) {
        *derivative = below ? -slope : slope;
    } else {
        real rise = power == NONE ? weight * q : weight * (m * (g * (below ? s : r) * cross + q));
        *derivative = y > 0 ? -y * (below ? -gap : gap) : rise;
    }
    return value;
}

/* The sum of the losses of some elements; with each loss, or with each derivative. */
typedef double Loop(const number *x, const number *y, long count, Parameters given, number *each);

#define LOOP(name, loss, power)                                                                                        \
    static double name##_value(const number *restrict x, const number *restrict y, long count, Parameters given,       \
                               number *restrict each) {                                                                \
        real sum = 0;                                                                                                  \
        _Pragma("omp simd reduction(+ : sum)") for (long i = 0; i < count; i++) {                                      \
            real value = element(loss, power, 0, x[i], y[i], given, 0);                                                \
            sum += value;                                                                                              \
            each[i] = (number)value;                                                                                   \
        }                                                                                                              \
        return sum;                                                                                                    \
    }                                                                                                                  \
    static double name##_slope(const number *restrict x, const number *restrict y, long count, Parameters given,       \
                               number *restrict each) {                                                                \
        real sum = 0;                                                                                                  \
        _Pragma("omp simd reduction(+ : sum)") for (long i = 0; i < count; i++) {                                      \
            real slope;                                                                                                \
            sum += element(loss, power, 1, x[i], y[i], given, &slope);                                                 \
            each[i] = (number)(slope * (real)given.scale);                                                             \
        }                                                                                                              \
        return sum;                                                                                                    \
    }
LOOP(focal_none, FOCAL, NONE)
LOOP(focal_square, FOCAL, SQUARE)
LOOP(focal_any, FOCAL, ANY)
LOOP(quality_none, QUALITY_FOCAL, NONE)
LOOP(quality_square, QUALITY_FOCAL, SQUARE)
LOOP(quality_any, QUALITY_FOCAL, ANY)
LOOP(varifocal_none, VARIFOCAL, NONE)
LOOP(varifocal_square, VARIFOCAL, SQUARE)
LOOP(varifocal_any, VARIFOCAL, ANY)

static Loop *const LOOPS[3][3][2] = {
    {{focal_none_value, focal_none_slope}, {focal_square_value, focal_square_slope}, {focal_any_value, focal_any_slope}},
    {{quality_none_value, quality_none_slope},
     {quality_square_value, quality_square_slope},
     {quality_any_value, quality_any_slope}},
    {{varifocal_none_value, varifocal_none_slope},
     {varifocal_square_value, varifocal_square_slope},
     {varifocal_any_value, varifocal_any_slope}},
};

static int power_case(double power) { return power == 0 ? NONE : power == 2 ? SQUARE : ANY; }

/* ---- numbers in memory ---- */

#if LOGITS == 16
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

/* A float16 moved to a float's places is 2^112 too small: one product mends it, and subnormal numbers too. */
INLINE float from_float16(uint16_t half) {
    uint32_t body = (uint32_t)(half & 0x7FFF) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    float x = from_word(body) * 0x1p112f;
    uint32_t special = (half & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
    return from_word(word_of(x) | special | sign);
}

INLINE uint16_t to_bfloat16(float x) {
    uint32_t bits = word_of(x), rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    return x != x ? 0x7FC0 : (uint16_t)rounded;
}

/* Rounds by adding a number whose last place is float16's last place at x (subnormal ones share 2^-24). */
INLINE uint16_t to_float16(float x) {
    uint32_t bits = word_of(x), sign = bits & 0x80000000, body = bits ^ sign;
    uint32_t exponent = body & 0x7F800000, least = 0x38800000;
    float anchor = from_word((exponent < least ? least : exponent) + (13u << 23));
    float rounded = (from_word(body) + anchor) - anchor;
    uint32_t result = word_of(rounded * 0x1p-112f) >> 13;
    result = body >= 0x477FF000 ? 0x7C00 : result; /* from 65520 on it rounds to infinity */
    result = body > 0x7F800000 ? 0x7E00 : result;
    return (uint16_t)(result | sign >> 16);
}
#endif

static const number *widened(const void *source, long count, int format, number *buffer) {
#if LOGITS == 16
    const uint16_t *half = source;
    if (format == BFLOAT16) {
        SIMD for (long i = 0; i < count; i++) buffer[i] = from_word((uint32_t)half[i] << 16);
        return buffer;
    }
    if (format == FLOAT16) {
        SIMD for (long i = 0; i < count; i++) buffer[i] = from_float16(half[i]);
        return buffer;
    }
#endif
    (void)count, (void)format, (void)buffer;
    return source;
}

static void narrow(const number *restrict source, long count, int format, stored *restrict out) {
#if LOGITS == 16
    if (format == BFLOAT16) {
        SIMD for (long i = 0; i < count; i++) out[i] = to_bfloat16(source[i]);
    } else {
        SIMD for (long i = 0; i < count; i++) out[i] = to_float16(source[i]);
    }
#else
    (void)format;
    if (out != source) memcpy(out, source, (size_t)count * sizeof *out);
#endif
}

static double in_order(const double *sums, long count) {
    double total = 0;
    for (long i = 0; i < count; i++) total += sums[i];
    return total;
}

/* The dense targets of a block of elements, from a class index (and a score) for each row. */
static void spread(const int64_t *labels, const number *scores, long first, long count, long classes, number *targets) {
    memset(targets, 0, (size_t)count * sizeof *targets);
    for (long row = first / classes; row * classes < first + count; row++) {
        long place = row * classes + labels[row] - first;
        if (labels[row] >= 0 && labels[row] < classes && place >= 0 && place < count)
            targets[place] = scores ? scores[row] : 1;
    }
}

/* The sum of the losses. `each` is filled with the losses, or with `slopes` with the derivatives, times given.scale and,
   where there is one, `incoming`, one number an element. `sums` has room for one number a block of 1024. */
double sigmoid_losses(int loss, const stored *logits, const void *targets, const int64_t *labels, long elements,
                      long classes, int format, int target_format, Parameters given, const stored *incoming, int slopes,
                      stored *each, double *sums, int threads) {
    Loop *loop = LOOPS[loss][power_case(given.power)][slopes];
    long blocks = (elements + BLOCK - 1) / BLOCK;
    long width = target_format ? 2 : sizeof(number);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long block = 0; block < blocks; block++) {
        number wide_logits[BLOCK], wide_targets[BLOCK], wide_incoming[BLOCK], buffer[BLOCK];
        long first = block * BLOCK, count = elements - first < BLOCK ? elements - first : BLOCK;
        const number *x = widened(logits + first, count, format, wide_logits), *y = wide_targets;
        if (labels)
            spread(labels, targets, first, count, classes, wide_targets);
        else
            y = widened((const char *)targets + first * width, count, target_format, wide_targets);
        number *out = each && !format ? (number *)(each + first) : buffer;
        sums[block] = loop(x, y, count, given, out);
        if (!each) continue;
        if (incoming) {
            const number *factors = widened(incoming + first, count, format, wide_incoming);
            SIMD for (long i = 0; i < count; i++) out[i] *= factors[i];
        }
        narrow(out, count, format, each + first);
    }
    return in_order(sums, blocks);
}

/* ---- softmax losses, one loss a row ---- */

/* LANES rows at a time, laid side by side: values[c * LANES + lane]. Missing rows repeat the last. */
static void gather(const stored *logits, long rows, long classes, int format, real *restrict values) {
    for (long lane = 0; lane < LANES; lane++) {
        const stored *row = logits + (lane < rows ? lane : rows - 1) * classes;
        for (long c = 0; c < classes; c++) {
#if LOGITS == 16
            values[c * LANES + lane] = format == BFLOAT16 ? from_word((uint32_t)row[c] << 16) : from_float16(row[c]);
#else
            values[c * LANES + lane] = row[c];
#endif
        }
    }
    (void)format;
}

/* -log p of the class with weight `own` beside `others`, p = own / (own + others); `depth` is max - logit. */
INLINE real surprise(real others, real own, real depth) {
    real ratio = others / at_least(own, SMALLEST), small = ratio < 1 ? ratio : 1;
    return others < own ? small * log1p_ratio(small) : log_of(others + own) + depth;
}

typedef struct {
    real first[LANES], last[LANES];    /* the classes that the target names: one, or the two bins around it */
    real share[LANES], weight[LANES];  /* of the last; of the row */
} Targets;

typedef struct {
    real value[LANES], spread[LANES], first[LANES], last[LANES]; /* loss; gradient per weight, and of the named classes */
} Outcome;

static void softmax_rows(const real *restrict neither, const real *restrict own, const real *restrict depth, double power,
                         const Targets *restrict at, Outcome *restrict out) {
    const int which = power_case(power);
    const real g = power;
    SIMD for (int lane = 0; lane < LANES; lane++) {
        real others = neither[lane], total = others + own[lane], p = own[lane] / total, q = others / total;
        real loss = surprise(others, own[lane], depth[lane]), m = 1;
        if (which == SQUARE) m = q * q;
        if (which == ANY) m = q == 0 ? 0 : exp_of_minus(-g * log_of(at_least(q, SMALLEST)));
        m *= at->weight[lane];
        real pull = m * (g * p * loss + q);
        out->value[lane] = m * loss;
        out->spread[lane] = pull / at_least(others, SMALLEST);
        out->first[lane] = out->last[lane] = -pull;
    }
}

static void bin_rows(const real *restrict neither, const real *restrict left, const real *restrict right,
                     const real *restrict left_depth, const real *restrict right_depth, const Targets *restrict at,
                     Outcome *restrict out) {
    SIMD for (int lane = 0; lane < LANES; lane++) {
        real not_left = neither[lane] + right[lane], not_right = neither[lane] + left[lane];
        real share = at->share[lane], rest = 1 - share, weight = at->weight[lane];
        real per_total = weight / (neither[lane] + left[lane] + right[lane]);
        out->value[lane] = weight * (rest * surprise(not_left, left[lane], left_depth[lane]) +
                                     share * surprise(not_right, right[lane], right_depth[lane]));
        out->spread[lane] = per_total;
        out->first[lane] = per_total * (share * left[lane] - rest * not_left);
        out->last[lane] = per_total * (rest * right[lane] - share * not_right);
    }
}

/* What the target names in each of LANES rows: softmax FL's class, or the two bins around DFL's coordinate. */
static void read_targets(int bins, const void *targets, const number *weights, long start, long count, long classes,
                         Targets *at) {
    for (long lane = 0; lane < LANES; lane++) {
        long row = start + (lane < count ? lane : count - 1);
        long label = bins ? (long)((const number *)targets)[row] : (long)((const int64_t *)targets)[row];
        int missing = !bins && (label < 0 || label >= classes); /* no such class: the loss is NaN */
        if (bins) label = label > classes - 2 ? classes - 2 : label < 0 ? 0 : label;
        if (missing) label = 0;
        at->first[lane] = label;
        at->last[lane] = label + bins;
        at->share[lane] = bins ? (real)((const number *)targets)[row] - label : 0;
        at->weight[lane] = missing ? (real)__builtin_nan("") : weights ? weights[bins ? row : label] : 1;
    }
}

/* Logits of LANES rows become e^(x - max); `neither` sums those that the target does not name. */
static void exponentials(real *restrict values, long classes, const Targets *restrict at, real *restrict neither,
                         real own[2][LANES], real depth[2][LANES]) {
    real top[LANES];
    for (int lane = 0; lane < LANES; lane++) top[lane] = values[lane], neither[lane] = 0;
    for (long c = 1; c < classes; c++) {
        SIMD for (int lane = 0; lane < LANES; lane++) {
            real x = values[c * LANES + lane];
            top[lane] = x > top[lane] || x != x ? x : top[lane]; /* NaN wins */
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        depth[0][lane] = top[lane] - values[(long)at->first[lane] * LANES + lane];
        depth[1][lane] = top[lane] - values[(long)at->last[lane] * LANES + lane];
    }
    for (long c = 0; c < classes; c++) {
        const real here = c;
        SIMD for (int lane = 0; lane < LANES; lane++) {
            real x = values[c * LANES + lane], gap = top[lane] - x;
            real e = exp_of_minus_with(gap, 1); /* p less the target's share may be all that is left of it */
#if LOGITS == 64 /* what the difference rounded away */
            real back = gap + x;
            e -= e * ((top[lane] - back) - (x - (back - gap)));
#endif
            values[c * LANES + lane] = e;
            neither[lane] += here < at->first[lane] || here > at->last[lane] ? e : 0;
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        own[0][lane] = values[(long)at->first[lane] * LANES + lane];
        own[1][lane] = values[(long)at->last[lane] * LANES + lane];
    }
}

/* The gradient of LANES rows, from their exponentials, to where it belongs. */
static void write_slopes(real *restrict values, long rows, long classes, const Targets *restrict at,
                         const Outcome *restrict result, const real *restrict scale, int format, stored *restrict out) {
    real spread[LANES];
    for (int lane = 0; lane < LANES; lane++) spread[lane] = result->spread[lane] * scale[lane];
    for (long c = 0; c < classes; c++) {
        SIMD for (int lane = 0; lane < LANES; lane++) values[c * LANES + lane] *= spread[lane];
    }
    for (int lane = 0; lane < LANES; lane++) {
        values[(long)at->first[lane] * LANES + lane] = result->first[lane] * scale[lane];
        values[(long)at->last[lane] * LANES + lane] = result->last[lane] * scale[lane];
    }
    for (long lane = 0; lane < rows; lane++) {
        stored *row = out + lane * classes;
        for (long c = 0; c < classes; c++) {
            number value = (number)values[c * LANES + lane];
#if LOGITS == 16
            row[c] = format == BFLOAT16 ? to_bfloat16(value) : to_float16(value);
#else
            row[c] = value;
#endif
        }
    }
    (void)format;
}

/* As `sigmoid_losses`, for softmax FL (`bins` 0, targets are classes) and DFL (`bins` 1, targets are coordinates); a loss
   and an incoming number a row. `weights` are one a class or one a row. `sums` has room for one number per 16 rows. */
double row_losses(int bins, const stored *logits, const void *targets, const number *weights, long rows, long classes,
                  int format, double power, double scale, const stored *incoming, int slopes, stored *each, double *sums,
                  int threads) {
    long blocks = (rows + LANES - 1) / LANES;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        real *values = malloc((size_t)classes * LANES * sizeof(real));
#pragma omp for schedule(static)
        for (long block = 0; block < blocks; block++) {
            long start = block * LANES, count = rows - start < LANES ? rows - start : LANES;
            Targets at;
            Outcome result;
            real neither[LANES], own[2][LANES], depth[2][LANES], factors[LANES];
            number buffer[LANES];
            read_targets(bins, targets, weights, start, count, classes, &at);
            gather(logits + start * classes, count, classes, format, values);
            exponentials(values, classes, &at, neither, own, depth);
            if (bins)
                bin_rows(neither, own[0], own[1], depth[0], depth[1], &at, &result);
            else
                softmax_rows(neither, own[0], depth[0], power, &at, &result);
            sums[block] = 0;
            for (long lane = 0; lane < count; lane++) sums[block] += result.value[lane];
            if (!each) continue;
            if (!slopes) {
                for (long lane = 0; lane < count; lane++) buffer[lane] = (number)result.value[lane];
                narrow(buffer, count, format, each + start);
                continue;
            }
            const number *given = incoming ? widened(incoming + start, count, format, buffer) : 0;
            for (long lane = 0; lane < LANES; lane++) factors[lane] = scale * (given && lane < count ? given[lane] : 1);
            write_slopes(values, count, classes, &at, &result, factors, format, each + start * classes);
        }
        free(values);
    }
    return in_order(sums, blocks);
}
