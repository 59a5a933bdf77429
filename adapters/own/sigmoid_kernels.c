/* FL, QFL and VFL over sigmoid, one loss an element.

   Nearly all targets of a detector are 0. Elements whose target is not 0 take the full formula; all others take a
   cheaper loop with target 0. The former are called named here, the latter background. */

#include "kernels.h"

enum {
    BLOCK = 1024, /* elements in a block: 8 KiB of doubles, which a first-level cache holds */
    PIECE = 128,  /* dense targets that are compared with 0 at once */
    MOST = 128    /* named elements that are computed apart; with more, a block takes the full formula throughout */
};
enum { FOCAL, QUALITY_FOCAL, VARIFOCAL, BACKGROUND };
enum { VALUE, SLOPE, CHAINED }; /* what is written: losses, derivatives, or derivatives times incoming gradients */

typedef struct {
    double power, positive, negative; /* gamma or beta; the weights of labels 1 and 0 */
    double scale;                     /* factor of all that is written */
} Parameters;

/* Loss of a logit x with target y and, with `derive`, its derivative.

   Changing the sign of a logit x and y into 1 - y changes only the derivative's sign, so the formulas are in
   z = |x|, the label t of z, and o = 1 - t, with s = sigmoid(z) and r = 1 - s:
   b = CE = o z + log(1 + e^-z), q = 1 - p_t = t r + o s, gap = t - s = t r - o s;
   FL = a q^g b, FL' = a q^g (g s r (o - t) b / q - gap);
   QFL = |gap|^g b, QFL' = -sign(gap) |gap|^g (g s r b / |gap| + |gap|);
   VFL = y b, VFL' = -y gap where y > 0, else FL at y = 0. All three losses at y = 0 are that FL times a weight; without
   the weight it is BACKGROUND. */
INLINE real element(int loss, int power, int derive, real x, real e, real y, Parameters given, real *derivative) {
    const real g = power == SQUARE ? 2 : given.power;
    const int below = x < 0, at_zero = loss == VARIFOCAL || loss == BACKGROUND;
    real z = size_of(x), s = 1 / (1 + e), r = e * s, log_sum = e * log1p_ratio(e);
    real not_y = 1 - y, t = below ? not_y : y, o = below ? y : not_y;
    real b = o * z + log_sum, gap = t * r - o * s;
    real q = loss == QUALITY_FOCAL ? size_of(gap) : t * r + o * s, cross = b;
    real weight = loss == FOCAL       ? (real)given.positive * y + (real)given.negative * not_y
                  : loss == VARIFOCAL ? (real)given.negative
                                      : 1;
    if (at_zero) {
        q = below ? r : s;
        cross = at_least(x, 0) + log_sum;
    }

    real m = 1;
    if (power == SQUARE) m = q * q;
    if (power == ANY) { /* log q by q (1 + e^-z); at a hard label, where q = r, it is -z - log(1 + e^-z) */
        real scaled = loss == QUALITY_FOCAL ? size_of(t * e - o) : t * e + o, log_scaled = -at_most(z, FAR);
        if (at_zero)
            log_scaled = below ? log_scaled : 0;
        else
            log_scaled = o == 0 ? log_scaled : log_of(at_least(scaled, SMALLEST));
        real log_q = log_scaled - log_sum, exponent = -g * log_q;
        m = exp_of_minus(exponent);
#ifdef FLOAT64 /* corrects m by what the difference and the product lost in rounding */
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
    if (!at_zero) {
        *derivative = below ? -slope : slope;
    } else {
        real rise = power == NONE ? weight * q : weight * (m * (g * (below ? s : r) * cross + q));
        *derivative = loss == VARIFOCAL && y > 0 ? -y * (below ? -gap : gap) : rise;
    }
    return value;
}

/* Gives the sum of the losses of some elements and writes one number for each. Background loops read no targets. */
typedef double Loop(const stored *x, const number *y, const stored *incoming, long count, Parameters given, stored *each);

#define LOOP(name, loss, power, target, what)                                                                          \
    static double name(const stored *restrict x, const number *restrict y, const stored *restrict incoming,            \
                       long count, Parameters given, stored *restrict each) {                                          \
        real sum = 0, e[BLOCK]; /* two short loops: more of their elements overlap */         \
        (void)y, (void)incoming;                                                                                       \
        SIMD for (long i = 0; i < count; i++) e[i] = exp_of_minus(size_of(load(x[i])));                                \
        _Pragma("omp simd reduction(+ : sum)") for (long i = 0; i < count; i++) {                                      \
            real slope, value = element(loss, power, what != VALUE, load(x[i]), e[i], target, given, &slope);                \
            sum += value;                                                                                              \
            value = (what == VALUE ? value : slope) * (real)given.scale;                                               \
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
LOOPS(background_none, BACKGROUND, NONE, 0)
LOOPS(background_square, BACKGROUND, SQUARE, 0)
LOOPS(background_any, BACKGROUND, ANY, 0)

static Loop *const *const NAMED_LOOPS[3][3] = {{focal_none, focal_square, focal_any},
                                               {quality_none, quality_square, quality_any},
                                               {varifocal_none, varifocal_square, varifocal_any}};
static Loop *const *const BACKGROUND_LOOPS[3] = {background_none, background_square, background_any};

/* The elements of a block whose target is not 0, up to MOST of them: their places in the block and their targets. */
typedef struct {
    long count;
    int place[MOST];
    number target[MOST];
} Named;

/* Adds an element; false where there is no room. */
static int name(Named *named, long place, number target) {
    if (named->count == MOST) return 0;
    named->place[named->count] = (int)place;
    named->target[named->count++] = target;
    return 1;
}

/* The place in a block of the element that a row's label names, or -1 where it lies in another block or is
   background. */
INLINE long place_of(const int64_t *labels, long row, long classes, long first, long count) {
    if (labels[row] < 0 || labels[row] >= classes) return -1;
    long place = row * classes + labels[row] - first;
    return place >= 0 && place < count ? place : -1;
}

/* Names elements by a class index (and a score) for each row; false where there was no room. */
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

/* Names elements by dense targets, `wide` or in the logits' format; false where there was no room. */
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

/* The arguments of `sigmoid_losses`, with the loops they choose. */
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

/* A block with many named elements: all elements take the full formula. */
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

/* A block with few named elements: each is computed apart, and in the background a logit far below 0 takes its place,
   which adds nothing. -60000 is such a logit in every format; float16 ends at -65504. */
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
    Parameters weighed = work->given;
    weighed.scale *= weighed.negative; /* every background element has this weight */
    double rest = work->background(x, 0, work->incoming ? work->incoming + first : 0, count, weighed, out);
    rest = weighed.negative == 0 && rest > 0 ? 0 : rest * weighed.negative; /* 0 also where `rest` overflowed */
    double sum = rest + work->named(taken, named->target, incoming, named->count, work->given, each);
    for (long i = 0; i < named->count; i++) out[named->place[i]] = each[i];
    return sum;
}

/* Gives the sum of the losses, and fills `each`, where it is not null, with the loss of each element, or with `slopes`
   its derivative, times `scale`. Derivatives are also multiplied by `incoming`, where that is not null, one number an
   element.

   With `labels`, a class index a row, `targets` are scores, one a row, or null for 1. Without, `targets` are dense,
   and `wide` says that they are of type `number` in place of the logits' type. */
double sigmoid_losses(int loss, const stored *logits, const void *targets, int wide, const int64_t *labels, long elements,
                      long classes, double power, double positive, double negative, double scale,
                      const stored *incoming, int slopes, stored *each, int threads) {
    int what = !slopes ? VALUE : incoming ? CHAINED : SLOPE, which = power_case(power);
    Loop *named_loop = NAMED_LOOPS[loss][which][what], *background_loop = BACKGROUND_LOOPS[which][what];
    Work work = {named_loop, background_loop, logits, incoming, targets, labels, classes, wide, each,
                 {power, positive, negative, scale}};
    long blocks = (elements + BLOCK - 1) / BLOCK;
    large_pages(each, elements * (long)sizeof *each);
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
