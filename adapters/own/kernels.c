/* The fused losses on a CPU: one pass over the logits yields the loss and its gradient.

   Compiled once per dtype of the logits: -DFLOAT32, -DFLOAT64, -DBFLOAT16 or -DFLOAT16. float32 is computed in double,
   where nothing has to be compensated and results are correctly rounded but for rare ties; half precision in float. The
   polynomials are minimax fits of the accuracy that the result needs, in relative terms. Loops are plain, without
   branches and without calls to the mathematical library, so that the compiler can vectorise them. Work is cut into
   blocks of a fixed size whose sums are added in order, in double: the result does not depend on the number of threads.
   Nearly all targets of a detector are zero: what is named otherwise is computed apart, and the rest as background. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

enum { BLOCK = 1024, PIECE = 128, MOST = 128, LANES = 16 };
enum { FOCAL, QUALITY_FOCAL, VARIFOCAL };
enum { NONE, SQUARE, ANY };   /* the power that modulates: 0, 2, any other */
enum { VALUE, SLOPE, CHAINED }; /* what is written: losses, derivatives, or these times an incoming number each */

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
#elif defined FLOAT32 /* 2^-38 */
static const real EXP[] = {0.5000000000020848,    0.16666666718793623,   0.04166666640592175,   0.008333298548245347,
                           0.0013888923573826997, 0.0001989923355500042, 2.4820983893238277e-05};
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
    real r = (k * high - bounded) + k * low;
    real power = (r * r) * (exact ? exact_exp_tail(r) : exp_tail(r)) + r + 1;
#ifdef HALF
    /* 2^(32 - k), then the rest: two steps reach the subnormal numbers */
    return from_bits((int32_t)((uint32_t)bits_of(power) - ((uint32_t)bits_of(shifted) << 23))) * 0x1p-32f;
#else
    real result = from_bits((int64_t)((uint64_t)bits_of(power) - ((uint64_t)bits_of(shifted) << 52)));
    #ifdef FLOAT64
    return z > most ? 0 : result;
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
INLINE real element(int loss, int power, int derive, real x, real e, real y, Parameters given, real *derivative) {
    const real g = given.power;
    const int below = x < 0;
    real z = size_of(x), s = 1 / (1 + e), r = e * s, log_sum = e * log1p_ratio(e);
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
        real scaled = loss == QUALITY_FOCAL ? size_of(t * e - o) : t * e + o, log_scaled = -at_most(z, FAR);
        if (loss == VARIFOCAL)
            log_scaled = below ? log_scaled : 0;
        else
            log_scaled = o == 0 ? log_scaled : log_of(at_least(scaled, SMALLEST));
        real log_q = log_scaled - log_sum, exponent = -g * log_q;
        m = exp_of_minus(exponent);
#ifdef FLOAT64 /* what the difference and the product rounded away */
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

/* The sum of the losses of some elements, and what is written of each. The background's targets are 0 and not read; QFL
   and FL are there what VFL is. */
typedef double Loop(const stored *x, const number *y, const stored *incoming, long count, Parameters given, stored *each);

#define LOOP(name, loss, power, target, what)                                                                          \
    static double name(const stored *restrict x, const number *restrict y, const stored *restrict incoming,            \
                       long count, Parameters given, stored *restrict each) {                                          \
        real sum = 0, e[BLOCK]; /* a loop of its own: the processor overlaps more elements of a shorter one */         \
        (void)y, (void)incoming;                                                                                       \
        SIMD for (long i = 0; i < count; i++) e[i] = exp_of_minus(size_of(load(x[i])));                                \
        _Pragma("omp simd reduction(+ : sum)") for (long i = 0; i < count; i++) {                                      \
            real slope, value = element(loss, power, what != VALUE, load(x[i]), e[i], target, given, &slope);                \
            sum += value;                                                                                              \
            if (what != VALUE) value = slope * (real)given.scale;                                                      \
            if (what == CHAINED) value *= load(incoming[i]);                                                           \
            each[i] = store(value);                                                                                    \
        }                                                                                                              \
        return sum;                                                                                                    \
    }
#define LOOPS(name, loss, power, target)                                                                               \
    LOOP(name##_value, loss, power, target, VALUE)                                                                     \
    LOOP(name##_slope, loss, power, target, SLOPE)                                                                     \
    LOOP(name##_chained, loss, power, target, CHAINED)                                                                 \
    static Loop *const name[] = {name##_value, name##_slope, name##_chained};
LOOPS(focal_none, FOCAL, NONE, y[i])
LOOPS(focal_square, FOCAL, SQUARE, y[i])
LOOPS(focal_any, FOCAL, ANY, y[i])
LOOPS(quality_none, QUALITY_FOCAL, NONE, y[i])
LOOPS(quality_square, QUALITY_FOCAL, SQUARE, y[i])
LOOPS(quality_any, QUALITY_FOCAL, ANY, y[i])
LOOPS(varifocal_none, VARIFOCAL, NONE, y[i])
LOOPS(varifocal_square, VARIFOCAL, SQUARE, y[i])
LOOPS(varifocal_any, VARIFOCAL, ANY, y[i])
LOOPS(background_none, VARIFOCAL, NONE, 0)
LOOPS(background_square, VARIFOCAL, SQUARE, 0)
LOOPS(background_any, VARIFOCAL, ANY, 0)

static Loop *const *const NAMED[3][3] = {{focal_none, focal_square, focal_any},
                                         {quality_none, quality_square, quality_any},
                                         {varifocal_none, varifocal_square, varifocal_any}};
static Loop *const *const BACKGROUND[3] = {background_none, background_square, background_any};

static int power_case(double power) { return power == 0 ? NONE : power == 2 ? SQUARE : ANY; }

/* A sum that does not depend on who made its parts. */
static double in_order(double *sums, long count) {
    double total = 0;
    for (long i = 0; i < count; i++) total += sums[i];
    free(sums);
    return total;
}

/* The elements of a block whose target is not 0; no more than MOST are worth to be told apart. */
typedef struct {
    long count;
    int place[MOST];
    number target[MOST];
} Named;

static int name(Named *named, long place, number target) {
    if (named->count == MOST) return 0;
    named->place[named->count] = (int)place;
    named->target[named->count++] = target;
    return 1;
}

/* The class that the target of a row names, as a place in a block, or -1. */
INLINE long place_of(const int64_t *labels, long row, long classes, long first, long count) {
    long place = row * classes + labels[row] - first;
    return labels[row] >= 0 && labels[row] < classes && place >= 0 && place < count ? place : -1;
}

/* From a class index (and a score) for each row; whether there was room. */
static int name_labels(const int64_t *labels, const number *scores, long first, long count, long classes, Named *named) {
    for (long row = first / classes; row * classes < first + count; row++) {
        long place = place_of(labels, row, classes, first, count);
        if (place >= 0 && !name(named, place, scores ? scores[row] : 1)) return 0;
    }
    return 1;
}

static int all_zero(const unsigned char *bytes, long count) {
    unsigned char seen = 0;
    _Pragma("omp simd reduction(| : seen)") for (long i = 0; i < count; i++) seen |= bytes[i];
    return seen == 0;
}

INLINE number dense_target(const void *targets, int wide, long i) {
    return wide ? ((const number *)targets)[i] : (number)load(((const stored *)targets)[i]);
}

/* From dense targets, in the logits' format or `wide`; whether there was room. */
static int name_dense(const void *targets, int wide, long first, long count, Named *named) {
    long width = wide ? sizeof(number) : sizeof(stored);
    for (long start = 0; start < count; start += PIECE) {
        long end = start + PIECE < count ? start + PIECE : count;
        if (all_zero((const unsigned char *)targets + (first + start) * width, (end - start) * width)) continue;
        for (long i = start; i < end; i++) {
            number target = dense_target(targets, wide, first + i);
            if (target != 0 && !name(named, i, target)) return 0;
        }
    }
    return 1;
}

/* What is computed of which elements, as in `sigmoid_losses`. */
typedef struct {
    Loop *named, *background;
    const stored *logits, *incoming;
    const void *targets;
    const int64_t *labels;
    long classes;
    int wide;
    stored *each;
    Parameters given;
} Work;

/* A block in which many elements are named: all are computed alike. */
static double dense_block(const Work *work, long first, long count) {
    number targets[BLOCK] = {0};
    stored unused[BLOCK];
    if (work->labels) {
        const number *scores = work->targets;
        for (long row = first / work->classes; row * work->classes < first + count; row++) {
            long place = place_of(work->labels, row, work->classes, first, count);
            if (place >= 0) targets[place] = scores ? scores[row] : 1;
        }
    } else {
        for (long i = 0; i < count; i++) targets[i] = dense_target(work->targets, work->wide, first + i);
    }
    return work->named(work->logits + first, targets, work->incoming ? work->incoming + first : 0, count, work->given,
                       work->each ? work->each + first : unused);
}

/* A block in which few are: they are taken out of the background, where a logit far below 0 adds nothing. */
static double sparse_block(const Work *work, const Named *named, long first, long count) {
    stored logits[BLOCK], unused[BLOCK], taken[MOST], incoming[MOST], each[MOST];
    const stored *x = work->logits + first;
    stored *out = work->each ? work->each + first : unused;
    if (named->count) {
        memcpy(logits, x, (size_t)count * sizeof *x);
        x = logits;
    }
    for (long i = 0; i < named->count; i++) {
        taken[i] = logits[named->place[i]];
        logits[named->place[i]] = store(-60000);
        if (work->incoming) incoming[i] = work->incoming[first + named->place[i]];
    }
    double sum = work->background(x, 0, work->incoming ? work->incoming + first : 0, count, work->given, out);
    sum += work->named(taken, named->target, incoming, named->count, work->given, each);
    for (long i = 0; i < named->count; i++) out[named->place[i]] = each[i];
    return sum;
}

/* The sum of the losses. `each` is filled with the losses, or with `slopes` with the derivatives, times `scale` and,
   where there is one, `incoming`, one number an element. With `labels`, `targets` are scores (none: 1); `wide` dense ones
   are not of the logits' format. */
double sigmoid_losses(int loss, const stored *logits, const void *targets, int wide, const int64_t *labels, long elements,
                      long classes, double power, double positive, double negative, double scale,
                      const stored *incoming, int slopes, stored *each, int threads) {
    int what = !slopes ? VALUE : incoming ? CHAINED : SLOPE, which = power_case(power);
    Work work = {NAMED[loss][which][what], BACKGROUND[which][what], logits, incoming, targets, labels, classes, wide, each,
                 {power, positive, negative, scale}};
    long blocks = (elements + BLOCK - 1) / BLOCK;
    double *sums = malloc((size_t)blocks * sizeof *sums);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long block = 0; block < blocks; block++) {
        long first = block * BLOCK, count = elements - first < BLOCK ? elements - first : BLOCK;
        Named named;
        named.count = 0;
        int few = labels ? name_labels(labels, targets, first, count, classes, &named)
                         : name_dense(targets, wide, first, count, &named);
        sums[block] = few ? sparse_block(&work, &named, first, count) : dense_block(&work, first, count);
    }
    return in_order(sums, blocks);
}

/* ---- softmax losses, one loss a row ---- */

/* LANES rows at a time, laid side by side: values[c * LANES + lane]. Missing rows repeat the last. */
static void gather(const stored *logits, long rows, long classes, number *restrict values) {
    for (long lane = 0; lane < LANES; lane++) {
        const stored *row = logits + (lane < rows ? lane : rows - 1) * classes;
        for (long c = 0; c < classes; c++) values[c * LANES + lane] = load(row[c]);
    }
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

/* Of the logits of LANES rows, e^(x - max); `neither` sums those that the target does not name. */
static void exponentials(const number *restrict values, long classes, const Targets *restrict at, real *restrict powers,
                         real *restrict neither, real own[2][LANES], real depth[2][LANES]) {
    number top[LANES];
    for (int lane = 0; lane < LANES; lane++) top[lane] = values[lane], neither[lane] = 0;
    for (long c = 1; c < classes; c++) {
        SIMD for (int lane = 0; lane < LANES; lane++) {
            number x = values[c * LANES + lane];
            top[lane] = x > top[lane] ? x : top[lane]; /* a NaN that is passed over is met again below */
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        depth[0][lane] = (real)top[lane] - values[(long)at->first[lane] * LANES + lane];
        depth[1][lane] = (real)top[lane] - values[(long)at->last[lane] * LANES + lane];
    }
    for (long c = 0; c < classes; c++) {
        const real here = c;
        SIMD for (int lane = 0; lane < LANES; lane++) {
            real x = values[c * LANES + lane], gap = top[lane] - x;
            real e = exp_of_minus_with(gap, 1); /* p less the target's share may be all that is left of it */
#ifdef FLOAT64 /* what the difference rounded away */
            real back = gap + x;
            e -= e * ((top[lane] - back) - (x - (back - gap)));
#endif
            powers[c * LANES + lane] = e;
            neither[lane] += here < at->first[lane] || here > at->last[lane] ? e : 0;
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        own[0][lane] = powers[(long)at->first[lane] * LANES + lane];
        own[1][lane] = powers[(long)at->last[lane] * LANES + lane];
    }
}

/* The gradient of LANES rows, from their exponentials, by way of `values` to where it belongs. */
static void write_slopes(const real *restrict powers, long rows, long classes, const Targets *restrict at,
                         const Outcome *restrict result, const real *restrict scale, number *restrict values,
                         stored *restrict out) {
    real spread[LANES];
    for (int lane = 0; lane < LANES; lane++) spread[lane] = result->spread[lane] * scale[lane];
    for (long c = 0; c < classes; c++) {
        SIMD for (int lane = 0; lane < LANES; lane++)
            values[c * LANES + lane] = (number)(powers[c * LANES + lane] * spread[lane]);
    }
    for (int lane = 0; lane < LANES; lane++) {
        values[(long)at->first[lane] * LANES + lane] = (number)(result->first[lane] * scale[lane]);
        values[(long)at->last[lane] * LANES + lane] = (number)(result->last[lane] * scale[lane]);
    }
    for (long lane = 0; lane < rows; lane++) {
        stored *row = out + lane * classes;
        for (long c = 0; c < classes; c++) row[c] = store(values[c * LANES + lane]);
    }
}

/* As `sigmoid_losses`, for softmax FL (`bins` 0, targets are classes) and DFL (`bins` 1, targets are coordinates); a loss
   and an incoming number a row. `weights` are one a class or one a row. */
double row_losses(int bins, const stored *logits, const void *targets, const number *weights, long rows, long classes,
                  double power, double scale, const stored *incoming, int slopes, stored *each, int threads) {
    long blocks = (rows + LANES - 1) / LANES;
    double *sums = malloc((size_t)blocks * sizeof *sums);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        number *values = malloc((size_t)classes * LANES * sizeof *values);
        real *powers = malloc((size_t)classes * LANES * sizeof *powers);
#pragma omp for schedule(static)
        for (long block = 0; block < blocks; block++) {
            long start = block * LANES, count = rows - start < LANES ? rows - start : LANES;
            Targets at;
            Outcome result;
            real neither[LANES], own[2][LANES], depth[2][LANES], factors[LANES];
            read_targets(bins, targets, weights, start, count, classes, &at);
            gather(logits + start * classes, count, classes, values);
            exponentials(values, classes, &at, powers, neither, own, depth);
            if (bins)
                bin_rows(neither, own[0], own[1], depth[0], depth[1], &at, &result);
            else
                softmax_rows(neither, own[0], depth[0], power, &at, &result);
            sums[block] = 0;
            for (long lane = 0; lane < count; lane++) sums[block] += result.value[lane];
            if (!each) continue;
            if (!slopes) {
                for (long lane = 0; lane < count; lane++) each[start + lane] = store(result.value[lane]);
                continue;
            }
            for (long lane = 0; lane < LANES; lane++)
                factors[lane] = scale * (incoming && lane < count ? load(incoming[start + lane]) : 1);
            write_slopes(powers, count, classes, &at, &result, factors, values, each + start * classes);
        }
        free(values);
        free(powers);
    }
    return in_order(sums, blocks);
}
