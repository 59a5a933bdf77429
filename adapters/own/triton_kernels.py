"""The sigmoid losses on a GPU: Triton kernels that read each logit once and give the loss and its gradient together.

A program is one warp that takes tile after tile. Almost all targets are background, where every sigmoid loss is the
same short formula, and so it is at hard labels with the sign of the logit turned: only a tile with a soft label takes
the long path of any target. Labels are looked at row by row, and element by element only in a tile that has a
positive.

Arithmetic is float32. For float32 logits what would lose digits is kept as two numbers, a result `hi` and its rounding
error `lo`, so that losses and gradients are within 4 ULP for |logit| <= 80 and γ <= 2; half precision needs no `lo`.
Sums are taken in a fixed order, so that they repeat bit by bit on one card: each program writes one partial sum, and
the last to do so adds them in float64.
"""

# Compile-time names are capitals in Triton, which knows no `in`.
# ruff: noqa: N803, N806, SIM109
from __future__ import annotations

import triton
import triton.language as tl

from .triton_arithmetic import (
    DEEPEST,
    LEAST_DIVISOR,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    NAN,
    ROUNDER,
    SMALLEST,
    exp2_ratio,
    exp_of_minus,
    exp_parts,
    log1p_bend,
    log1p_ratio,
    log_2,
    log_parts,
    power_of_2,
    power_of_log,
    reciprocal,
    two_sum,
)

# What a kernel is asked for.
TOTAL: tl.constexpr = tl.constexpr(0)  # a partial sum a program
TOTAL_AND_GRADIENT: tl.constexpr = tl.constexpr(1)  # and the gradient, times `scale`
EACH: tl.constexpr = tl.constexpr(2)  # the loss per element or row
GRADIENT: tl.constexpr = tl.constexpr(3)  # the gradient, times `scale` and the incoming gradient

FOCAL: tl.constexpr = tl.constexpr(0)
QUALITY_FOCAL: tl.constexpr = tl.constexpr(1)
VARIFOCAL: tl.constexpr = tl.constexpr(2)

PARTIALS: tl.constexpr = tl.constexpr(512)  # partial sums that the last program reads at once
OUTSIDE: tl.constexpr = tl.constexpr(-1000.0)  # a logit whose loss at label 0 is 0


@triton.jit
def _background_float32(x, gamma, steepness, steepness_lo, POWER: tl.constexpr):
    """m, B and i of a logit x with target 0 and weight 1, whose loss is m B and whose derivative m i.

    FL = σ^γ B, FL' = σ^γ (γ (1 - σ) B + σ), and QFL and VFL are the same there. B = max(x, 0) + log(1 + e) with
    e = e^-|x|, whose error `lo` goes into the logarithm and into σ = n / (1 + e), where n is e or 1: the remainder of
    that division, n - σ - σ e, is exact.
    """
    below = x < 0
    minus_z = tl.maximum(-tl.abs(x), DEEPEST, propagate_nan=NAN)
    t, power = exp_parts(minus_z, 0.0)
    one_and_t = 1.0 + t
    e = one_and_t * power
    inverse = reciprocal(1.0 + e)
    lo = (t - (one_and_t - 1.0)) * power * inverse
    n = tl.where(below, e, 1.0)
    quotient = n * inverse
    lost = (tl.fma(-quotient, e, n - quotient) + tl.where(below, lo, -lo)) * inverse
    s = quotient + lost
    log = e + tl.fma(-(e * e), log1p_bend(e), lo)
    b = tl.maximum(x, 0.0) + log
    rest = tl.fma(-lost, b, tl.fma(-quotient, b, b))  # (1 - σ) B
    if POWER == 0:
        m = tl.full(x.shape, 1.0, tl.float32)
    elif POWER == 2:
        m = quotient * tl.fma(lost, 2.0, quotient)  # rounded once less than s²
    else:  # σ^γ = 2^(γ' (least - log)) with γ' = γ / ln 2, whose product with `least` is large and must be exact
        least = tl.where(below, minus_z, 0.0)
        k = (tl.fma(-steepness, log, steepness * least) + ROUNDER) - ROUNDER
        f = tl.fma(-steepness, log, tl.fma(steepness, least, -k))
        f = tl.fma(steepness_lo, least, f)
        power = power_of_2(k)
        m = tl.fma(f * exp2_ratio(f), power, power)
    return m, b, tl.fma(gamma, rest, s)


@triton.jit
def _background_half(x, gamma, POWER: tl.constexpr):
    """As `_background_float32`, with the digits of half precision."""
    e = power_of_2(tl.abs(x) * -LOG2_E)
    one_and_e = 1.0 + e
    s = tl.where(x < 0, e, 1.0) * reciprocal(one_and_e)
    b = tl.fma(e, log1p_ratio(e), tl.maximum(x, 0.0))
    if POWER == 0:
        m = tl.full(x.shape, 1.0, tl.float32)
    elif POWER == 2:
        m = s * s
    else:
        m = power_of_2(gamma * tl.fma(tl.minimum(x, 0.0), LOG2_E, -log_2(one_and_e)))
    return m, b, tl.fma(gamma * (1.0 - s), b, s)


@triton.jit
def _background(x, gamma, steepness, steepness_lo, POWER: tl.constexpr, HALF: tl.constexpr):
    """`_background_float32` or, where the logits have its digits, `_background_half`."""
    if HALF:
        m, b, inner = _background_half(x, gamma, POWER)
    else:
        m, b, inner = _background_float32(x, gamma, steepness, steepness_lo, POWER)
    return m, b, inner


@triton.jit
def _hard(x, hit, gamma, steepness, steepness_lo, positive, negative, POWER: tl.constexpr, HALF: tl.constexpr):
    """Loss and derivative of a logit x whose target is 1 where `hit`, else 0: at 1, FL and QFL are those of -x at 0."""
    m, b, inner = _background(tl.where(hit, -x, x), gamma, steepness, steepness_lo, POWER, HALF)
    weighted = m * tl.where(hit, positive, negative)
    return weighted * b, tl.where(hit, -weighted, weighted) * inner


@triton.jit
def _soft(x, y, gamma, gamma_lo, positive, negative, LOSS: tl.constexpr, POWER: tl.constexpr):
    """Loss and derivative of a logit x with target y. POWER is the exponent γ (or β) where it is 0 or 2, else -1.

    s = σ(x), r = σ(-x); q = 1 - p_t = (1 - y) s + y r; gap = y - s = y r - (1 - y) s; B = CE.
    FL = a q^γ B,   FL' = a q^(γ-1) (γ s r (1 - 2y) B - q gap);
    QFL = |gap|^β B,   QFL' = -sign(gap) |gap|^(β-1) (β s r B + gap²).
    """
    z = tl.abs(x)
    e_hi, e_lo = exp_of_minus(z)
    d_hi = 1.0 + e_hi
    d_lo = (e_hi - (d_hi - 1.0)) + e_lo
    large_hi = reciprocal(d_hi)
    large_lo = large_hi * tl.fma(-d_lo, large_hi, tl.fma(-d_hi, large_hi, 1.0))
    small_hi = e_hi * large_hi
    small_lo = tl.fma(e_lo, large_hi, tl.fma(e_hi, large_lo, tl.fma(e_hi, large_hi, -small_hi)))
    bend = e_hi * e_hi * log1p_bend(e_hi)
    log_hi = e_hi - bend
    log_lo = tl.fma(e_lo, large_hi, (e_hi - log_hi) - bend)

    not_y = 1.0 - y
    below = x < 0
    s_hi, s_lo = tl.where(below, small_hi, large_hi), tl.where(below, small_lo, large_lo)
    r_hi, r_lo = tl.where(below, large_hi, small_hi), tl.where(below, large_lo, small_lo)
    sr = tl.fma(s_hi, r_hi, tl.fma(s_hi, r_lo, s_lo * r_hi))
    miss_hi = not_y * s_hi  # (1 - y) s
    miss_lo = tl.fma(not_y, s_lo, tl.fma(not_y, s_hi, -miss_hi))
    miss_lo = tl.fma((1.0 - not_y) - y, s_hi, miss_lo)
    straight = tl.fma(not_y, tl.where(below, 0.0, x), y * tl.where(x > 0, 0.0, -x))
    b_hi, b_lo = two_sum(straight, log_hi)
    b_lo += log_lo
    if LOSS == VARIFOCAL:  # the negatives are FL at y = 0; the positives are replaced below
        q_hi, q_lo = s_hi, s_lo
        c_hi, c_lo = two_sum(tl.where(below, 0.0, x), log_hi)
        c_lo += log_lo
    else:
        q_hi = tl.fma(y, r_hi, miss_hi)
        q_lo = tl.fma(y, r_lo, miss_lo)
    gap_hi = tl.fma(y, r_hi, -miss_hi)
    gap_lo = tl.fma(y, r_lo, -miss_lo)

    if POWER == -1:  # log q or log |gap|, which at a hard label is -z - log(1 + e^-z), also where σ rounds to 0
        hard = ((y == 0.0) & below) | ((y == 1.0) & (x > 0))
        less_hi, less_lo = log_hi, log_lo
        if LOSS == FOCAL:
            scaled = tl.fma(not_y, tl.where(below, e_hi, 1.0), y * tl.where(below, 1.0, e_hi))  # q (1 + e^-z)
        elif LOSS == QUALITY_FOCAL:
            scaled = tl.abs(gap_hi + gap_lo)
            less_hi, less_lo = tl.where(hard, log_hi, 0.0), tl.where(hard, log_lo, 0.0)
        else:
            hard = below
            scaled = tl.where(below, e_hi, 1.0)
        k, fraction = log_parts(tl.maximum(scaled, SMALLEST))
        whole = tl.where(hard, -z, k * LN2_HIGH)
        fraction = tl.where(hard, 0.0, tl.fma(k, LN2_LOW, fraction))
        rest_hi, rest_lo = two_sum(fraction, -less_hi)
        power_hi, power_lo = two_sum(whole, rest_hi)
        m = power_of_log(power_hi, power_lo + rest_lo - less_lo, gamma, gamma_lo)

    if LOSS == QUALITY_FOCAL:
        square = tl.fma(gap_hi, gap_hi, 2.0 * gap_hi * gap_lo)
        if POWER == 0:
            loss = b_hi + b_lo
            slope = -(gap_hi + gap_lo)
        elif POWER == 2:
            loss = tl.fma(square, b_hi, square * b_lo)
            inner = tl.fma(2.0 * sr, b_lo, tl.fma(2.0 * sr, b_hi, square))
            slope = -tl.fma(gap_hi, inner, gap_lo * inner)
        else:
            size = tl.abs(gap_hi + gap_lo)
            m = tl.where(size == 0.0, 0.0, m)
            loss = m * (b_hi + b_lo)
            slope = m * tl.fma(gamma * (sr / tl.maximum(size, SMALLEST)), b_hi + b_lo, size)
            slope = tl.where(gap_hi > 0, -slope, slope)
        return loss, slope

    if LOSS == VARIFOCAL:
        weight = negative
    else:
        weight = tl.fma(positive, y, negative * not_y)
        c_hi, c_lo = b_hi, b_lo
    if POWER == 0:
        loss = weight * (c_hi + c_lo)
        slope = weight * (s_hi + s_lo) if LOSS == VARIFOCAL else -weight * (gap_hi + gap_lo)
    elif POWER == 2:
        square = tl.fma(q_hi, q_hi, 2.0 * q_hi * q_lo)
        loss = weight * tl.fma(square, c_hi, square * c_lo)
        if LOSS == VARIFOCAL:
            inner = tl.fma(2.0 * r_hi, c_hi, s_hi) + tl.fma(2.0, tl.fma(r_hi, c_lo, r_lo * c_hi), s_lo)
            slope = weight * (square * inner)
        else:
            steep = sr * (2.0 - 4.0 * y)
            cross = tl.fma(q_hi, gap_lo, q_lo * gap_hi)
            inner = tl.fma(-q_hi, gap_hi, steep * c_hi) + tl.fma(steep, c_lo, -cross)
            slope = weight * tl.fma(q_hi, inner, q_lo * inner)
    else:
        loss = weight * (m * (c_hi + c_lo))
        if LOSS == VARIFOCAL:
            cross = tl.fma(r_hi, c_lo, r_lo * c_hi)
            slope = weight * (m * (tl.fma(gamma * r_hi, c_hi, s_hi) + tl.fma(gamma, cross, s_lo)))
        else:
            steep = sr * (1.0 - 2.0 * y) / tl.maximum(q_hi, SMALLEST)
            slope = weight * (m * (tl.fma(gamma * steep, c_hi, -gap_hi) + tl.fma(gamma * steep, c_lo, -gap_lo)))
    if LOSS == VARIFOCAL:
        positive_label = y > 0
        loss = tl.where(positive_label, tl.fma(y, b_hi, y * b_lo), loss)
        slope = tl.where(positive_label, -y * (gap_hi + gap_lo), slope)
    return loss, slope


@triton.jit
def _soft_half(x, y, gamma, positive, negative, LOSS: tl.constexpr, POWER: tl.constexpr):
    """As `_soft`, with the digits of half precision and half the instructions.

    Changing the sign of a logit x and y into 1 - y changes only the derivative's sign, so the formulas are in z = |x|,
    the label t of z, and o = 1 - t, with s = σ(z) and r = 1 - s.
    """
    z = tl.abs(x)
    below = x < 0
    e = power_of_2(z * -LOG2_E)
    s = reciprocal(1.0 + e)
    r = e * s
    log_sum = e * log1p_ratio(e)
    not_y = 1.0 - y
    t = tl.where(below, not_y, y)
    o = tl.where(below, y, not_y)
    b = tl.fma(o, z, log_sum)
    gap = tl.fma(t, r, -(o * s))
    weight = 1.0
    cross = b
    if LOSS == QUALITY_FOCAL:
        q = tl.abs(gap)
        scaled = tl.abs(tl.fma(t, e, -o))
        hard = o == 0.0
    elif LOSS == VARIFOCAL:
        weight = negative
        q = tl.where(below, r, s)
        cross = tl.where(below, 0.0, z) + log_sum
        scaled = tl.where(below, e, 1.0)
        hard = below
    else:
        weight = tl.fma(positive, y, negative * not_y)
        q = tl.fma(t, r, o * s)
        scaled = tl.fma(t, e, o)
        hard = o == 0.0

    if POWER == 0:
        m = tl.where(x == x, 1.0, 1.0)
    elif POWER == 2:
        m = q * q
    else:
        log_q = tl.where(hard, z * -LOG2_E, log_2(tl.maximum(scaled, SMALLEST)))
        m = power_of_2(gamma * tl.fma(-log_sum, LOG2_E, log_q))
        if LOSS == QUALITY_FOCAL:
            m = tl.where(scaled == 0.0, 0.0, m)
    loss = weight * (m * cross)

    if LOSS == VARIFOCAL:
        slope = weight * (m * tl.fma(gamma * tl.where(below, s, r), cross, q))
        slope = tl.where(y > 0, -y * tl.where(below, -gap, gap), slope)
        return tl.where(y > 0, y * b, loss), slope
    if LOSS == QUALITY_FOCAL:
        if POWER == 0:
            slope = -gap
        elif POWER == 2:
            slope = -gap * tl.fma(2.0 * (s * r), b, m)
        else:
            size = m * tl.fma(gamma * (s * r / tl.maximum(q, SMALLEST)), b, q)
            slope = tl.where(gap > 0, -size, size)
    elif POWER == 2:
        slope = weight * (q * tl.fma(2.0 * (s * r) * (o - t), b, -(q * gap)))
    else:
        slope = weight * (m * tl.fma(gamma * (s * r / tl.maximum(q, SMALLEST)) * (o - t), b, -gap))
    return loss, tl.where(below, -slope, slope)


@triton.jit
def _or(a, b):
    return a | b


@triton.jit
def _any(number):
    """Whether any of these numbers is not 0."""
    return tl.reduce(number.to(tl.int32, bitcast=True), 0, _or) != 0


@triton.jit
def sigmoid_kernel(
    logits,
    targets,  # dense: the logits' shape; else the score of each row, or nothing
    labels,  # class index of each row, or nothing
    incoming,  # the incoming gradient: one number, or one an element
    divisor,  # the number that the sum is divided by, on the device, or nothing
    out,  # loss per element, or the total
    gradient,
    partial,  # the sum of each program
    done,  # how many programs have written theirs: 0
    elements,
    classes,
    gamma,
    gamma_lo,
    steepness,  # γ / ln 2, and what it lost in rounding
    steepness_lo,
    positive,
    negative,
    scale,
    LOSS: tl.constexpr,
    POWER: tl.constexpr,
    WANT: tl.constexpr,
    LABELLED: tl.constexpr,
    SCORED: tl.constexpr,
    DIVIDED: tl.constexpr,
    INCOMING_EACH: tl.constexpr,
    LONG: tl.constexpr,  # whether places need 64 bits
    TILE: tl.constexpr,  # elements
    NEAR: tl.constexpr,  # at least the rows that a tile touches
):
    HALF: tl.constexpr = logits.dtype.element_ty != tl.float32
    scale = scale_of_all(scale, divisor, incoming, WANT, DIVIDED, INCOMING_EACH)
    total = tl.zeros((TILE,), tl.float32)
    program = tl.program_id(0).to(tl.int64) if LONG else tl.program_id(0)
    step = tl.num_programs(0) * TILE
    at = program * TILE + tl.arange(0, TILE)
    x = tl.load(logits + at, mask=at < elements, other=OUTSIDE)
    if LABELLED:  # a tile's first row and column are carried along: a division costs as much as a loss
        row = program * TILE // classes
        column = (program * TILE - row * classes).to(tl.int32)
        near = tl.arange(0, NEAR)
        nearby = _near(labels, row, column, near, classes, elements - program * TILE, TILE)
    else:
        target = tl.load(targets + at, mask=at < elements, other=0.0)
    for _ in range(program * TILE, elements, step):
        later = at + step  # of the next tile, which is read before this one is done
        next_x = tl.load(logits + later, mask=later < elements, other=OUTSIDE)
        x = x.to(tl.float32)
        if LABELLED:
            over = column + step % classes >= classes
            next_row = row + step // classes + over.to(tl.int32)
            next_column = column + step % classes - tl.where(over, classes, 0)
            left = elements - next_row * classes - next_column
            next_nearby = _near(labels, next_row, next_column, near, classes, left, TILE)
            found = tl.reduce(((nearby >= 0) & (nearby < classes)).to(tl.int32), 0, _or) != 0
        else:
            next_target = tl.load(targets + later, mask=later < elements, other=0.0)
            y = target.to(tl.float32)
            found = _any(y) if LOSS == VARIFOCAL else _any(tl.fma(-y, y, y))  # whether one is neither 0 nor 1
        if found:
            if LABELLED:
                own = (column + tl.arange(0, TILE)) // classes
                label = tl.load(labels + row + own, mask=at < elements, other=-1).to(tl.int32)
                hit = label == column + tl.arange(0, TILE) - own * classes
                if SCORED:
                    score = tl.load(targets + row + own, mask=at < elements, other=0.0).to(tl.float32)
                    y = tl.where(hit, score, 0.0)
                else:
                    y = hit.to(tl.float32)
            if LABELLED and LOSS != VARIFOCAL and not SCORED:
                loss, slope = _hard(x, hit, gamma, steepness, steepness_lo, positive, negative, POWER, HALF)
            elif HALF:
                loss, slope = _soft_half(x, y, gamma, positive, negative, LOSS, POWER)
            else:
                loss, slope = _soft(x, y, gamma, gamma_lo, positive, negative, LOSS, POWER)
        elif LABELLED or LOSS == VARIFOCAL:
            m, b, inner = _background(x, gamma, steepness, steepness_lo, POWER, HALF)
            loss = m * negative * b
            slope = m * negative * inner
        else:
            loss, slope = _hard(x, y > 0, gamma, steepness, steepness_lo, positive, negative, POWER, HALF)
        if WANT == EACH:
            tl.store(out + at, loss.to(out.dtype.element_ty), mask=at < elements)
        else:
            total += loss
        if WANT == GRADIENT and INCOMING_EACH:
            slope *= tl.load(incoming + at, mask=at < elements, other=0.0).to(tl.float32)
        if WANT == GRADIENT or WANT == TOTAL_AND_GRADIENT:
            tl.store(gradient + at, (slope * scale).to(gradient.dtype.element_ty), mask=at < elements)
        at = later
        x = next_x
        if LABELLED:
            row = next_row
            column = next_column
            nearby = next_nearby
        else:
            target = next_target
    if WANT == TOTAL or WANT == TOTAL_AND_GRADIENT:
        add_up(tl.sum(total), partial, done, out, scale)


@triton.jit
def scale_of_all(
    scale, divisor, incoming, WANT: tl.constexpr, DIVIDED: tl.constexpr, INCOMING_EACH: tl.constexpr
):  # fmt: skip
    """What losses and derivatives are multiplied by: `scale` over the divisor, times one incoming gradient for all."""
    if DIVIDED:
        scale = scale / tl.maximum(tl.load(divisor).to(tl.float32), LEAST_DIVISOR)
    if WANT == GRADIENT and not INCOMING_EACH:
        scale *= tl.load(incoming).to(tl.float32)
    return scale


@triton.jit
def add_up(part, partial, done, out, scale):
    """Writes a program's partial sum; the last program to get here adds all of them, in their order, times `scale`.

    `done` counts the programs that got here, and is left at 0 for the next launch.
    """
    tl.store(partial + tl.program_id(0), part)
    if tl.atomic_add(done, 1, sem="acq_rel") == tl.num_programs(0) - 1:
        sums = tl.zeros((PARTIALS,), tl.float64)
        for start in range(0, tl.num_programs(0), PARTIALS):
            number = start + tl.arange(0, PARTIALS)
            parts = tl.load(partial + number, mask=number < tl.num_programs(0), other=0.0, cache_modifier=".cg")
            sums += parts.to(tl.float64)
        total = tl.sum(sums) * scale
        tl.store(out, total.to(out.dtype.element_ty))
        tl.store(done, 0)


@triton.jit
def _near(labels, row, column, near, classes, left, TILE: tl.constexpr):
    """The labels of the rows that a tile touches, of which `left` elements from its first on are there."""
    is_near = near * classes < tl.minimum(left, TILE).to(tl.int32) + column
    return tl.load(labels + row + near, mask=is_near, other=-1).to(tl.int32)


@triton.jit
def scale_kernel(gradient, incoming, elements, LONG: tl.constexpr, BLOCK: tl.constexpr):
    """Multiplies the gradient by the incoming one, in place; most often that is 1, and no memory is touched."""
    factor = tl.load(incoming).to(tl.float32)
    if factor != 1.0:
        program = tl.program_id(0).to(tl.int64) if LONG else tl.program_id(0)
        for start in range(program * BLOCK, elements, tl.num_programs(0) * BLOCK):
            at = start + tl.arange(0, BLOCK)
            value = tl.load(gradient + at, mask=at < elements).to(tl.float32) * factor
            tl.store(gradient + at, value.to(gradient.dtype.element_ty), mask=at < elements)
