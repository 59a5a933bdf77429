"""Softmax FL and DFL on a GPU: Triton kernels that read each row once and give its loss and gradient together.

`narrow_kernel` gives each thread a row, whose columns are a tuple of vectors, one a column: no number is in two
threads, so that what is computed once a row is computed once. A tile of whole rows is read and written as it lies in
memory and turned in shared memory. `wide_kernel` gives each program a row.

A row's largest logit is `top`, the others lie `depth` below it, and S = Σ e^-depth = 1 + `others`, where `others`
leaves out one column at the top and so keeps its digits where S rounds to 1. Both losses are sums of numbers that are
not negative, -log p = log(1 + others) + depth, as are the probabilities of all classes but one. float32 logits get the
rounding error of `depth`, too.
"""

# Compile-time names are capitals in Triton, which knows no `(*a, b)` and no `in`.
# ruff: noqa: N803, N806, RUF005, SIM109
# mypy: disable-error-code="assignment, attr-defined, misc, var-annotated"
from __future__ import annotations

import triton
import triton.language as tl

from .triton_arithmetic import (
    DEEPEST,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    NAN,
    SMALLEST,
    exp_parts,
    log_parts,
    power_of_2,
    power_of_log,
    reciprocal,
    two_sum,
)
from .triton_kernels import EACH, GRADIENT, TOTAL, TOTAL_AND_GRADIENT, add_up, scale_of_all

WIDEST: tl.constexpr = tl.constexpr(64)  # columns of the largest tile that is turned at once
TILES: tl.constexpr = tl.constexpr(7)  # of 64, 32, 16, 8, 4, 2 and 1 columns: one for each bit of a row's length
MOST_COLUMNS: tl.constexpr = tl.constexpr(16384)  # a program holds a whole row in registers
BITS: tl.constexpr = tl.constexpr(15)  # of it


@triton.jit
def _exp_of_minus_depth(x, top, HALF: tl.constexpr):
    """How far x lies below the top, and e^-depth, which is 0 beyond 88, as hi + lo."""
    depth = top - x
    if HALF:
        e = power_of_2(depth * -LOG2_E)
        e_lo = 0.0
    else:
        near, lost = two_sum(top, -tl.maximum(x, top + DEEPEST, propagate_nan=NAN))
        t, power = exp_parts(-near, -lost)
        e = tl.fma(t, power, power)
        e_lo = tl.fma(t, power, power - e)
    return depth, e, e_lo


@triton.jit
def _log1p(others, others_lo):
    """S = 1 + others as hi + lo, 1 / S, and log S as a large part, a multiple of a part of ln 2, and a small one."""
    total = 1.0 + others
    total_lo = (others - (total - 1.0)) + others_lo
    inverse = reciprocal(total)
    inverse = tl.fma(tl.fma(-total, inverse, 1.0) - total_lo * inverse, inverse, inverse)
    k, fraction = log_parts(total)
    return total, total_lo, inverse, k * LN2_HIGH, fraction + tl.fma(k, LN2_LOW, total_lo * inverse)


@triton.jit
def _without(depth, e, e_lo, others, others_lo):
    """Σ e^-depth of all columns but this one, which `others` leaves out already where it is at the top, as hi + lo."""
    left, left_lo = two_sum(others, -e)
    rest, rest_lo = two_sum(left, left * 0.0 + 1.0)
    at_top = depth == 0.0
    return tl.where(at_top, others, rest), tl.where(at_top, others_lo, rest_lo + (left_lo + (others_lo - e_lo)))


@triton.jit
def _distribution_focal(first, second, others, others_lo, share):
    """Loss, 1 / S, and the derivatives of the two bins around the target, of which the second has this share.

    `first` and `second` are what `_exp_of_minus_depth` gives. DFL = log S + (1 - share) depth_1 + share depth_2.
    """
    depth_1, e_1, lo_1 = first
    depth_2, e_2, lo_2 = second
    _, _, inverse, large, small = _log1p(others, others_lo)
    rest_1, rest_lo_1 = _without(depth_1, e_1, lo_1, others, others_lo)
    rest_2, rest_lo_2 = _without(depth_2, e_2, lo_2, others, others_lo)
    other = 1.0 - share
    other_lo = (1.0 - other) - share
    loss = tl.fma(other, depth_1, tl.fma(share, depth_2, large + small))
    slope_1 = _difference(share, e_1, other, rest_1) + (share * lo_1 - (other * rest_lo_1 + other_lo * rest_1))
    slope_2 = _difference(other, e_2, share, rest_2) + (other * lo_2 + other_lo * e_2 - share * rest_lo_2)
    return loss, inverse, slope_1 * inverse, slope_2 * inverse


@triton.jit
def _difference(a, b, c, d):
    """a b - c d to 1.5 ULP, also where they are nearly equal (Jeannerod, Louvet and Muller, Math. Comp. 2013)."""
    product = c * d
    return tl.fma(a, b, -product) + tl.fma(-c, d, product)


@triton.jit
def _softmax_focal(own, others, others_lo, gamma, gamma_lo, POWER: tl.constexpr):
    """Loss, the factor of e^-depth in the derivative of the other classes, and the derivative of the own class.

    q = 1 - p = rest / S; FL = -q^γ log p; the derivative of class j is p_j pull / q, that of the own class -pull, with
    pull = q^γ (q - γ p log p).
    """
    depth, e, e_lo = own
    total, total_lo, inverse, large, small = _log1p(others, others_lo)
    rest, rest_lo = _without(depth, e, e_lo, others, others_lo)
    quotient = rest * inverse
    lost = (tl.fma(-quotient, total, rest) + tl.fma(-quotient, total_lo, rest_lo)) * inverse
    q = quotient + lost
    surprise = large + (small + depth)
    m_lo = 0.0
    if POWER == 0:
        m = q * 0.0 + 1.0
    elif POWER == 2:
        m = quotient * quotient
        m_lo = tl.fma(quotient, quotient, -m) + 2.0 * quotient * lost
    else:
        k, fraction = log_parts(tl.maximum(rest, SMALLEST))
        log_hi, log_lo = two_sum(k * LN2_HIGH - large, tl.fma(k, LN2_LOW, fraction) - small)
        m = tl.where(q == 0.0, 0.0, power_of_log(log_hi, log_lo, gamma, gamma_lo))
    inner = tl.fma(gamma * (e * inverse), surprise, q)
    pull = m * inner
    pull_lo = tl.fma(m, inner, -pull) + m_lo * inner
    rest = tl.maximum(rest, SMALLEST)
    inverse = reciprocal(rest)
    factor = pull * inverse
    factor = tl.fma(tl.fma(-factor, rest, pull) + tl.fma(-factor, rest_lo, pull_lo), inverse, factor)
    return tl.fma(m, surprise, m_lo * surprise), factor, -(pull + pull_lo)


@triton.jit
def _row(
    logits, targets, weights, row, start, is_row, top, others, others_lo, classes, gamma, gamma_lo,
    BINS: tl.constexpr, POWER: tl.constexpr, WEIGHTED: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """A row's loss, the factor of e^-depth in its gradient, and the one or two columns that its target names.

    `start` is the place of the row's first logit. The named columns are read once more, which is from the cache.
    """
    if BINS:
        target = tl.load(targets + row, mask=is_row, other=0.0).to(tl.float32)
        left = tl.minimum(tl.maximum(tl.floor(target), 0.0), classes - 2.0)
        first = left.to(tl.int32)
        last = first + 1
    else:
        first = tl.load(targets + row, mask=is_row, other=0).to(tl.int32)
        last = first
    known = is_row & (first >= 0) & (last < classes)
    own = _exp_of_minus_depth(tl.load(logits + start + first, mask=known, other=0.0).to(tl.float32), top, HALF)
    if BINS:
        x = tl.load(logits + start + last, mask=known, other=0.0).to(tl.float32)
        second = _exp_of_minus_depth(x, top, HALF)
        loss, factor, slope, last_slope = _distribution_focal(own, second, others, others_lo, target - left)
    else:
        loss, factor, slope = _softmax_focal(own, others, others_lo, gamma, gamma_lo, POWER)
        last_slope = slope
    if WEIGHTED:
        weight = tl.load(weights + (row if BINS else first), mask=known, other=0.0).to(tl.float32)
        loss *= weight
        factor *= weight
        slope *= weight
        last_slope *= weight
    if not BINS:  # a class that there is not
        loss = tl.where(known, loss, float("nan"))
        factor = tl.where(known, factor, float("nan"))
    return tl.where(is_row, loss, 0.0), factor, first, slope, last, last_slope


@triton.jit
def _add(a, a_lo, b, b_lo):
    """The sum of two numbers, each as hi + lo."""
    total, lost = two_sum(a, b)
    return total, lost + (a_lo + b_lo)


@triton.jit
def _split(level, COUNT: tl.constexpr):
    """Tiles into their even columns, then their odd ones."""
    even = ()
    odd = ()
    for number in tl.static_range(COUNT):
        left, right = tl.split(level[number])
        even = even + (left,)
        odd = odd + (right,)
    return even + odd


@triton.jit
def _join(level, COUNT: tl.constexpr):
    """The reverse of `_split`."""
    joined = ()
    for number in tl.static_range(COUNT):
        joined = joined + (tl.join(level[number], level[number + COUNT]),)
    return joined


@triton.jit
def _read(logits, start, is_row, FIRST: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """A tuple of so many columns, each a vector over the rows, in float32."""
    at = start[:, None] + (tl.arange(0, WIDTH) + FIRST)[None, :]
    tile = tl.load(logits + at, mask=is_row[:, None], other=0.0)
    if WIDTH == 1:
        level = (tl.reshape(tile, (ROWS,)),)
    elif WIDTH == 2:
        level = (tile,)
    elif WIDTH == 4:
        level = (tl.reshape(tile, (ROWS, 2, 2)),)
    elif WIDTH == 8:
        level = (tl.reshape(tile, (ROWS, 2, 2, 2)),)
    elif WIDTH == 16:
        level = (tl.reshape(tile, (ROWS, 2, 2, 2, 2)),)
    elif WIDTH == 32:
        level = (tl.reshape(tile, (ROWS, 2, 2, 2, 2, 2)),)
    else:
        level = (tl.reshape(tile, (ROWS, 2, 2, 2, 2, 2, 2)),)
    for halving in tl.static_range(6):
        if (1 << halving) < WIDTH:
            level = _split(level, 1 << halving)
    columns = ()
    for number in tl.static_range(WIDTH):
        columns = columns + (level[number].to(tl.float32),)
    return columns


@triton.jit
def _write(gradient, start, is_row, columns, FIRST: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr):
    """Writes so many columns from `FIRST` on."""
    level = columns[FIRST : FIRST + WIDTH]
    for halving in tl.static_range(6):
        if (WIDTH >> (halving + 1)) > 0:
            level = _join(level, WIDTH >> (halving + 1))
    at = start[:, None] + (tl.arange(0, WIDTH) + FIRST)[None, :]
    tl.store(gradient + at, tl.reshape(level[0], (ROWS, WIDTH)), mask=is_row[:, None])


@triton.jit
def narrow_kernel(
    logits,
    targets,  # class index (softmax FL) or bin coordinate (DFL) of each row
    weights,  # weight of each class (softmax FL) or of each row (DFL), or nothing
    incoming,  # the incoming gradient: one number, or one a row
    divisor,  # the number that the sum is divided by, on the device, or nothing
    out,  # loss per row, or the total
    gradient,
    partial,  # the sum of each program
    done,  # how many programs have written theirs: 0
    rows,
    gamma,
    gamma_lo,
    scale,
    CLASSES: tl.constexpr,
    BINS: tl.constexpr,  # DFL; else softmax FL
    POWER: tl.constexpr,
    WANT: tl.constexpr,
    WEIGHTED: tl.constexpr,
    DIVIDED: tl.constexpr,
    INCOMING_EACH: tl.constexpr,
    LONG: tl.constexpr,  # whether places need 64 bits
    ROWS: tl.constexpr,
):
    HALF: tl.constexpr = logits.dtype.element_ty != tl.float32
    scale = scale_of_all(scale, divisor, incoming, WANT, DIVIDED, INCOMING_EACH)
    sum_of_losses = tl.zeros((ROWS,), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(rows, ROWS), tl.num_programs(0)):
        row = block * ROWS + tl.arange(0, ROWS)
        if LONG:
            row = row.to(tl.int64)
        is_row = row < rows
        start = row * CLASSES
        columns = ()
        for bit in tl.static_range(TILES):
            if (WIDEST >> bit) & CLASSES:
                columns = columns + _read(logits, start, is_row, -(2 * WIDEST >> bit) & CLASSES, WIDEST >> bit, ROWS)
        top = columns[0]
        for number in tl.static_range(1, CLASSES):
            top = tl.maximum(top, columns[number], propagate_nan=NAN)
        powers = ()
        at_tops = tl.zeros((ROWS,), tl.float32) - 1.0
        below = tl.zeros((ROWS,), tl.float32)
        below_lo = tl.zeros((ROWS,), tl.float32)
        for number in tl.static_range(CLASSES):
            _, e, e_lo = _exp_of_minus_depth(columns[number], top, HALF)
            at_top = columns[number] == top
            at_tops += tl.where(at_top, 1.0, 0.0)
            if not HALF:
                below, lost = two_sum(below, tl.where(at_top, 0.0, e))
                below_lo += lost + tl.where(at_top, 0.0, e_lo)
            else:
                below += tl.where(at_top, 0.0, e)
            powers = powers + (e,)
        others, lost = two_sum(at_tops, below)
        others, others_lo = two_sum(others, lost + below_lo)
        loss, factor, first, slope, last, last_slope = _row(
            logits, targets, weights, row, start, is_row, top, others, others_lo, CLASSES, gamma, gamma_lo,
            BINS, POWER, WEIGHTED, HALF,
        )  # fmt: skip
        if WANT == EACH:
            tl.store(out + row, loss.to(out.dtype.element_ty), mask=is_row)
        else:
            sum_of_losses += loss
        if WANT == GRADIENT or WANT == TOTAL_AND_GRADIENT:
            factors = scale
            if WANT == GRADIENT and INCOMING_EACH:
                factors = scale * tl.load(incoming + row, mask=is_row, other=0.0).to(tl.float32)
            factor *= factors
            slope *= factors
            last_slope *= factors
            slopes = ()
            for number in tl.static_range(CLASSES):
                each = powers[number] * factor
                if BINS:
                    each = tl.where(last == number, last_slope, each)
                each = tl.where(first == number, slope, each)
                slopes = slopes + (each.to(gradient.dtype.element_ty),)
            for bit in tl.static_range(TILES):
                if (WIDEST >> bit) & CLASSES:
                    _write(gradient, start, is_row, slopes, -(2 * WIDEST >> bit) & CLASSES, WIDEST >> bit, ROWS)
    if WANT == TOTAL or WANT == TOTAL_AND_GRADIENT:
        add_up(tl.sum(sum_of_losses), partial, done, out, scale)


@triton.jit
def wide_kernel(
    logits,  # these arguments are those of `narrow_kernel`
    targets,
    weights,
    incoming,
    divisor,
    out,
    gradient,
    partial,
    done,
    rows,
    gamma,
    gamma_lo,
    scale,
    CLASSES: tl.constexpr,
    BINS: tl.constexpr,
    POWER: tl.constexpr,
    WANT: tl.constexpr,
    WEIGHTED: tl.constexpr,
    DIVIDED: tl.constexpr,
    INCOMING_EACH: tl.constexpr,
    LONG: tl.constexpr,
    LEAST: tl.constexpr,  # columns of the smallest tile, one a thread
):
    HALF: tl.constexpr = logits.dtype.element_ty != tl.float32
    scale = scale_of_all(scale, divisor, incoming, WANT, DIVIDED, INCOMING_EACH)
    PADDED: tl.constexpr = (CLASSES + LEAST - 1) // LEAST * LEAST
    sum_of_losses = 0.0
    for row in range(tl.program_id(0), rows, tl.num_programs(0)):
        start = row.to(tl.int64) * CLASSES if LONG else row * CLASSES
        tiles = ()
        places = ()
        top = -float("inf")
        for bit in tl.static_range(BITS):
            if (MOST_COLUMNS >> bit) & PADDED:
                place = tl.arange(0, MOST_COLUMNS >> bit) + (-(2 * MOST_COLUMNS >> bit) & PADDED)
                x = tl.load(logits + start + place, mask=place < CLASSES, other=-float("inf")).to(tl.float32)
                top = tl.maximum(top, tl.max(x, axis=0))
                tiles = tiles + (x,)
                places = places + (place,)
        powers = ()
        at_tops = -1
        below = 0.0
        below_lo = 0.0
        for number in tl.static_range(len(tiles)):
            _, e, e_lo = _exp_of_minus_depth(tiles[number], top, HALF)
            at_top = tiles[number] == top
            at_tops += tl.sum(at_top.to(tl.int32))
            if not HALF:
                sum_hi, sum_lo = tl.reduce((tl.where(at_top, 0.0, e), tl.where(at_top, 0.0, e_lo)), 0, _add)
                below, lost = two_sum(below, sum_hi)
                below_lo += lost + sum_lo
            else:
                below += tl.sum(tl.where(at_top, 0.0, e))
            powers = powers + (e,)
        others, lost = two_sum(at_tops.to(tl.float32), below)
        others, others_lo = two_sum(others, lost + below_lo)
        loss, factor, first, slope, last, last_slope = _row(
            logits, targets, weights, row, start, row < rows, top, others, others_lo, CLASSES, gamma,
            gamma_lo, BINS, POWER, WEIGHTED, HALF,
        )  # fmt: skip
        if WANT == EACH:
            tl.store(out + row, loss.to(out.dtype.element_ty))
        else:
            sum_of_losses += loss
        if WANT == GRADIENT or WANT == TOTAL_AND_GRADIENT:
            factors = scale
            if WANT == GRADIENT and INCOMING_EACH:
                factors = scale * tl.load(incoming + row).to(tl.float32)
            for number in tl.static_range(len(powers)):
                each = powers[number] * (factor * factors)
                if BINS:
                    each = tl.where(places[number] == last, last_slope * factors, each)
                each = tl.where(places[number] == first, slope * factors, each)
                each = each.to(gradient.dtype.element_ty)
                tl.store(gradient + start + places[number], each, mask=places[number] < CLASSES)
    if WANT == TOTAL or WANT == TOTAL_AND_GRADIENT:
        add_up(sum_of_losses, partial, done, out, scale)
