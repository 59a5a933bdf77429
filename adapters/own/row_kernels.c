/* FL over softmax and DFL, one loss a row. */

#include "kernels.h"

enum {
    ROWS = 64,    /* rows of a block at most */
    PLACES = 2048 /* logits of a block at most, unless one row has more: 16 KiB of doubles */
};

/* Logits down to this far below a block's highest one, `top`, share it: e^(x - top) is then a normal number, and its
   products and quotients with others are, too. A float is normal down to e^-87, a double to e^-708. */
#ifdef HALF
static const real FARTHEST = 32;
#else
static const real FARTHEST = 600;
#endif

typedef struct {
    int bins, slopes;
    const stored *logits, *incoming;
    const void *targets;
    const number *weights;
    long classes;
    double power, scale;
    stored *each;
} Work; /* as in `row_losses` */

typedef struct {
    long first[ROWS], last[ROWS];   /* the classes that the target names: one twice, or its two bins */
    real share[ROWS], weight[ROWS]; /* the target's share of the last bin; the weight of the row */
} Targets;

typedef struct {
    real first[ROWS], last[ROWS];             /* e^(x - top) of the named classes */
    real first_depth[ROWS], last_depth[ROWS]; /* top - x of these */
    real neither[ROWS];                       /* the sum of e^(x - top) over the other classes */
} Powers;

typedef struct {
    real value[ROWS];             /* the loss */
    real spread[ROWS];            /* the gradient of an unnamed class, divided by its e^(x - top) */
    real first[ROWS], last[ROWS]; /* the gradients of the named classes */
} Outcome;

/* -log p of a class whose e^(x - top) is `own`, p = own / (own + others); `depth` is top - x. */
INLINE real surprise(real others, real own, real depth) {
    const int near = depth <= FARTHEST;
    real ratio = others / at_least(own, SMALLEST), small = ratio < 1 ? ratio : 1;
    real large = log_of(near ? ratio + 1 : others + own) + (near ? 0 : depth);
    real unseen = others - others; /* 0, or NaN where `others` is, which `log_of` would turn into a number */
    return (others < own ? small * log1p_ratio(small) : large) + unseen;
}

static void softmax_rows(const Powers *restrict of, double power, long rows, const Targets *restrict at,
                         Outcome *restrict out) {
    const int which = power_case(power);
    const real g = power;
    SIMD for (long row = 0; row < rows; row++) {
        real others = of->neither[row], own = of->first[row], total = others + own, p = own / total, q = others / total;
        real loss = surprise(others, own, of->first_depth[row]), m = 1;
        if (which == SQUARE) m = q * q;
        if (which == ANY) m = q == 0 ? 0 : exp_of_minus(-g * log_of(at_least(q, SMALLEST)));
        m *= at->weight[row];
        real pull = m * (g * p * loss + q);
        out->value[row] = m * loss;
        out->spread[row] = pull / at_least(others, SMALLEST);
        out->first[row] = out->last[row] = -pull;
    }
}

/* A share of a loss; 0 for no share, also of a loss that is infinite, as where one logit is the lowest float there
   is. */
INLINE real share_of(real loss, real share) { return share == 0 ? 0 : share * loss; }

static void bin_rows(const Powers *restrict of, long rows, const Targets *restrict at, Outcome *restrict out) {
    SIMD for (long row = 0; row < rows; row++) {
        real neither = of->neither[row], left = of->first[row], right = of->last[row];
        real not_left = neither + right, not_right = neither + left;
        real share = at->share[row], rest = 1 - share, weight = at->weight[row];
        real per_total = weight / (neither + left + right);
        out->value[row] = weight * (share_of(surprise(not_left, left, of->first_depth[row]), rest) +
                                    share_of(surprise(not_right, right, of->last_depth[row]), share));
        out->spread[row] = per_total;
        out->first[row] = per_total * (share * left - rest * not_left);
        out->last[row] = per_total * (rest * right - share * not_right);
    }
}

/* Finds the classes that the target of each row names: softmax FL's class, or the two bins around DFL's coordinate. */
static void read_targets(const Work *work, long start, long count, Targets *at) {
    const long classes = work->classes;
    for (long row = 0; row < count; row++) {
        long place = start + row;
        if (work->bins) {
            number y = ((const number *)work->targets)[place];
            long label = (long)y;
            label = label > classes - 2 ? classes - 2 : label < 0 ? 0 : label;
            at->first[row] = label;
            at->last[row] = label + 1;
            at->share[row] = (real)y - label;
            at->weight[row] = work->weights ? work->weights[place] : 1;
        } else {
            long label = (long)((const int64_t *)work->targets)[place];
            int missing = label < 0 || label >= classes; /* no such class: the loss is NaN */
            at->first[row] = at->last[row] = missing ? 0 : label;
            at->weight[row] = missing ? (real)__builtin_nan("") : work->weights ? work->weights[label] : 1;
        }
    }
}

static void exponentials(const stored *restrict logits, long count, real top, real *restrict powers) {
    SIMD for (long i = 0; i < count; i++) {
        real x = load(logits[i]), gap = top - x;
        real e = exp_of_minus_with(gap, 1); /* exact: p - target can cancel almost completely */
#ifdef FLOAT64 /* corrects e by what the difference lost in rounding */
        real back = gap + x;
        e -= gap > FARTHEST ? 0 : e * ((top - back) - (x - (back - gap)));
#endif
        powers[i] = e;
    }
}

/* Calls a function with a number of classes known to the compiler, which unrolls its loops then: YOLO has 16 bins,
   GFL 17, PicoDet 8. */
#define OF_LENGTH(function, classes, ...)                                                                              \
    ((classes) == 16   ? function(16, __VA_ARGS__)                                                                     \
     : (classes) == 17 ? function(17, __VA_ARGS__)                                                                     \
     : (classes) == 8  ? function(8, __VA_ARGS__)                                                                      \
                       : function(classes, __VA_ARGS__))

INLINE void sum_rows(long classes, long rows, const real *restrict powers, real *restrict sums) {
    for (long row = 0; row < rows; row++) {
        real sum = 0;
        _Pragma("omp simd reduction(+ : sum)") for (long c = 0; c < classes; c++) sum += powers[row * classes + c];
        sums[row] = sum;
    }
}

INLINE void spread_rows(long classes, long rows, const real *restrict powers, const real *restrict factors,
                        stored *restrict out) {
    for (long row = 0; row < rows; row++) {
        SIMD for (long c = 0; c < classes; c++)
            out[row * classes + c] = store((number)(powers[row * classes + c] * factors[row]));
    }
}

/* Takes the named classes out of the exponentials of some rows and sums the rest. */
static void take_named(const stored *logits, real *powers, long rows, long classes, real top, const Targets *at,
                       Powers *of) {
    for (long row = 0; row < rows; row++) {
        long first = row * classes + at->first[row], last = row * classes + at->last[row];
        of->first[row] = powers[first], of->first_depth[row] = top - load(logits[first]);
        of->last[row] = powers[last], of->last_depth[row] = top - load(logits[last]);
        powers[first] = powers[last] = 0;
    }
    OF_LENGTH(sum_rows, classes, rows, powers, of->neither);
}

static void write_slopes(const Work *work, const real *powers, long start, long rows, const Targets *at,
                         const Outcome *result) {
    const long classes = work->classes;
    real scale[ROWS], factors[ROWS];
    stored *out = work->each + start * classes;
    for (long row = 0; row < rows; row++) {
        scale[row] = work->scale * (work->incoming ? load(work->incoming[start + row]) : 1);
        factors[row] = result->spread[row] * scale[row];
    }
    OF_LENGTH(spread_rows, classes, rows, powers, factors, out);
    for (long row = 0; row < rows; row++) {
        out[row * classes + at->first[row]] = store((number)(result->first[row] * scale[row]));
        out[row * classes + at->last[row]] = store((number)(result->last[row] * scale[row]));
    }
}

/* The highest logit, and in `depth` how far the lowest lies below it. Comparisons pass over a NaN; its power shows
   it. */
static number highest(const stored *logits, long count, real *depth) {
    number top = load(logits[0]), bottom = top;
    _Pragma("omp simd reduction(max : top) reduction(min : bottom)") for (long i = 0; i < count; i++) {
        number x = load(logits[i]);
        top = x > top ? x : top;
        bottom = x < bottom ? x : bottom;
    }
    *depth = (real)top - bottom;
    return top;
}

/* Gives the sum of the losses of some rows and writes what was asked for; `powers` has room for their logits. Rows
   that lie too far apart to share one maximum are done one by one. */
static double some_rows(const Work *work, long start, long rows, real *powers) {
    const long classes = work->classes, count = rows * classes;
    const stored *logits = work->logits + start * classes;
    double sum = 0;
    real depth;
    const number top = highest(logits, count, &depth);
    if (rows > 1 && !(depth <= FARTHEST)) {
        for (long row = start; row < start + rows; row++) sum += some_rows(work, row, 1, powers);
        return sum;
    }
    Targets at;
    Powers of;
    Outcome result;
    read_targets(work, start, rows, &at);
    exponentials(logits, count, top, powers);
    take_named(logits, powers, rows, classes, top, &at, &of);
    if (work->bins)
        bin_rows(&of, rows, &at, &result);
    else
        softmax_rows(&of, work->power, rows, &at, &result);
    for (long row = 0; row < rows; row++) sum += result.value[row];
    if (!work->each) return sum;
    if (work->slopes)
        write_slopes(work, powers, start, rows, &at, &result);
    else
        for (long row = 0; row < rows; row++) work->each[start + row] = store(result.value[row]);
    return sum;
}

/* As `sigmoid_losses`, for softmax FL (`bins` is 0, targets are class indices, weights one a class) and DFL (`bins`
   is 1, targets are coordinates, weights one a row); `weights` may be null. There is a loss, and an incoming
   number, a row. */
double row_losses(int bins, const stored *logits, const void *targets, const number *weights, long rows, long classes,
                  double power, double scale, const stored *incoming, int slopes, stored *each, int threads) {
    const Work work = {bins, slopes, logits, incoming, targets, weights, classes, power, scale, each};
    const long fitting = PLACES / classes, size = fitting < 1 ? 1 : fitting > ROWS ? ROWS : fitting;
    const long blocks = (rows + size - 1) / size;
    if (slopes) large_pages(each, rows * classes * (long)sizeof *each);
    double *sums = malloc((size_t)blocks * sizeof *sums);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        real *powers = malloc((size_t)(size * classes) * sizeof *powers);
#pragma omp for schedule(static)
        for (long block = 0; block < blocks; block++) {
            long start = block * size, count = rows - start < size ? rows - start : size;
            sums[block] = some_rows(&work, start, count, powers);
        }
        free(powers);
    }
    return in_order(sums, blocks);
}
