/* FL over softmax and DFL, one loss a row. */

#include "kernels.h"

enum { LANES = 16 };

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
    if (slopes) large_pages(each, rows * classes * (long)sizeof *each);
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
