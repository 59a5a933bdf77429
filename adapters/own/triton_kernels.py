"""The losses on a GPU: Triton kernels that read each logit once and compute the loss and its gradient together.

Arithmetic is float32, except for what is computed once a row, which is float64. For float32 logits the exponential,
the logarithm and the probabilities are kept as two float32 numbers each, a result `hi` and its rounding error `lo`, so
that losses and gradients are within 4 ULP; half precision needs no `lo`. Sums are taken in a fixed order, so that they
repeat bit by bit: each program writes one partial sum, and a last program adds these in float64.

The coefficients of the polynomials come from `polynomials.py`.
"""

# ruff: noqa: N803 — compile-time arguments are capitals in Triton
from __future__ import annotations

import triton
import triton.language as tl

# What a kernel is asked for.
TOTAL: tl.constexpr = tl.constexpr(0)  # a partial sum a program
TOTAL_AND_GRADIENT: tl.constexpr = tl.constexpr(1)  # and the gradient, times `scale`
EACH: tl.constexpr = tl.constexpr(2)  # the loss per element or row
GRADIENT: tl.constexpr = tl.constexpr(3)  # the gradient, times `scale` and the incoming gradient

FOCAL: tl.constexpr = tl.constexpr(0)
QUALITY_FOCAL: tl.constexpr = tl.constexpr(1)
VARIFOCAL: tl.constexpr = tl.constexpr(2)

SMALLEST: tl.constexpr = tl.constexpr(1.1754943508222875e-38)  # the smallest normal float32
LAST_EXPONENT: tl.constexpr = tl.constexpr(104.0)  # e^-104 rounds to 0 in float32
LEAST_DIVISOR: tl.constexpr = tl.constexpr(1.1920928955078125e-07)  # 2^-23, float32's eps, as on every device


@triton.jit
def _exp_of_minus(z):
    """e^-z of z >= 0 as hi + lo, and NaN of NaN: e^-z = 2^-k e^r with r = k ln 2 - z.

    1.4426950408889634 is 1 / ln 2. 0.693359375 is ln 2 to 9 bits, so that its product with k is exact, and
    -2.1219444005469058e-4 is the rest of ln 2.
    """
    z = tl.where(z > LAST_EXPONENT, LAST_EXPONENT, z)
    k = tl.floor(z * 1.4426950408889634 + 0.5)
    r = (k * 0.693359375 - z) - k * 2.1219444005469058e-4
    p = 0.0013821336906403303
    p = p * r + 0.008368670009076595
    p = p * r + 0.04166825860738754
    p = p * r + 0.1666652113199234
    p = p * r + 0.4999999403953552
    tail = r * r * p
    t = r + tail
    hi = 1.0 + t
    lo = (t - (hi - 1.0)) + (tail - (t - r))
    exponent = k.to(tl.int32)
    half = exponent >> 1  # two steps, so that small results are subnormal instead of 0
    first = ((127 - half) << 23).to(tl.float32, bitcast=True)
    second = ((127 - (exponent - half)) << 23).to(tl.float32, bitcast=True)
    return hi * first * second, lo * first * second


@triton.jit
def _log1p(e_hi, e_lo, inverse):
    """log(1 + e) of e in [0, 1] as hi + lo; `inverse` is 1 / (1 + e)."""
    p = 0.0033127551432698965
    p = p * e_hi - 0.02017768658697605
    p = p * e_hi + 0.05761134997010231
    p = p * e_hi - 0.1067485436797142
    p = p * e_hi + 0.15351788699626923
    p = p * e_hi - 0.19694040715694427
    p = p * e_hi + 0.2495829463005066
    p = p * e_hi - 0.3333047926425934
    p = p * e_hi + 0.4999993145465851
    bend = e_hi * e_hi * p
    hi = e_hi - bend
    return hi, ((e_hi - hi) - bend) + e_lo * inverse


@triton.jit
def _log(q):
    """log q of a normal q > 0 in two parts, an exact and a rounded one: k ln 2 + log m, where q = 2^k m.

    0x3F3504F3 are the bits of √½, so that m lies in [√½, √2). ln 2 is split as in `_exp_of_minus`.
    """
    bits = q.to(tl.int32, bitcast=True) - 0x3F3504F3
    k = (bits >> 23).to(tl.float32)
    m = ((bits & 0x7FFFFF) + 0x3F3504F3).to(tl.float32, bitcast=True)
    s = (m - 1.0) / (m + 1.0)
    t = s * s
    p = 0.29871371388435364
    p = p * t + 0.3997757136821747
    p = p * t + 0.6666677594184875
    p = p * t + 2.0
    return k * 0.693359375, s * p - k * 2.1219444005469058e-4


@triton.jit
def _two_sum(a, b):
    """a + b and, exactly, what it lost in rounding  (Knuth, The Art of Computer Programming, section 4.2.2)."""
    total = a + b
    share = total - a
    return total, (a - (total - share)) + (b - share)


@triton.jit
def _power_of_log(log_hi, log_lo, gamma, gamma_lo):
    """e^(γ log) of log <= 0 as hi + lo: at log = -80, half an ULP of the exponent is 40 ULP of the power."""
    product = gamma * log_hi
    rest = tl.fma(gamma, log_hi, -product) + gamma * log_lo + gamma_lo * log_hi
    hi, lo = _exp_of_minus(-product)
    return hi + (lo + hi * rest)


@triton.jit
def _sigmoid_loss(x, y, gamma, gamma_lo, positive, negative, LOSS: tl.constexpr, POWER: tl.constexpr):
    """Loss and derivative of a logit x with target y. POWER is the exponent γ (or β) where it is 0 or 2, else -1.

    s = σ(x), r = σ(-x); q = 1 - p_t = (1 - y) s + y r; gap = y - s = y r - (1 - y) s; B = CE.
    FL = a q^γ B,   FL' = a q^(γ-1) (γ s r (1 - 2y) B - q gap);
    QFL = |gap|^β B,   QFL' = -sign(gap) |gap|^(β-1) (β s r B + gap²).
    """
    z = tl.abs(x)
    e_hi, e_lo = _exp_of_minus(z)
    d_hi = 1.0 + e_hi
    d_lo = (e_hi - (d_hi - 1.0)) + e_lo
    large_hi = 1.0 / d_hi
    large_lo = large_hi * (tl.fma(-d_hi, large_hi, 1.0) - d_lo * large_hi)
    small_hi = e_hi * large_hi
    small_lo = tl.fma(e_hi, large_hi, -small_hi) + e_hi * large_lo + e_lo * large_hi
    log_hi, log_lo = _log1p(e_hi, e_lo, large_hi)

    not_y = 1.0 - y
    below = x < 0
    s_hi, s_lo = tl.where(below, small_hi, large_hi), tl.where(below, small_lo, large_lo)
    r_hi, r_lo = tl.where(below, large_hi, small_hi), tl.where(below, large_lo, small_lo)
    sr = s_hi * r_hi + (s_hi * r_lo + s_lo * r_hi)
    miss_hi = not_y * s_hi  # (1 - y) s
    miss_lo = tl.fma(not_y, s_hi, -miss_hi) + not_y * s_lo + ((1.0 - not_y) - y) * s_hi
    straight = not_y * tl.where(below, 0.0, x) + y * tl.where(x > 0, 0.0, -x)
    b_hi, b_lo = _two_sum(straight, log_hi)
    b_lo += log_lo
    if LOSS == VARIFOCAL:  # the negatives are FL at y = 0; the positives are replaced below
        q_hi, q_lo = s_hi, s_lo
        c_hi, c_lo = _two_sum(tl.where(below, 0.0, x), log_hi)
        c_lo += log_lo
    else:
        q_hi = tl.fma(y, r_hi, miss_hi)
        q_lo = y * r_lo + miss_lo
    gap_hi = tl.fma(y, r_hi, -miss_hi)
    gap_lo = y * r_lo - miss_lo

    if (
        POWER == -1
    ):  # the logarithm of q or |gap|, which at a hard label is -z - log(1 + e^-z), also where σ rounds to 0
        hard = ((y == 0.0) & below) | ((y == 1.0) & (x > 0))
        less_hi, less_lo = log_hi, log_lo
        if LOSS == FOCAL:
            scaled = not_y * tl.where(below, e_hi, 1.0) + y * tl.where(below, 1.0, e_hi)  # q (1 + e^-z)
        elif LOSS == QUALITY_FOCAL:
            scaled = tl.abs(gap_hi + gap_lo)
            less_hi, less_lo = tl.where(hard, log_hi, 0.0), tl.where(hard, log_lo, 0.0)
        else:
            hard = below
            scaled = tl.where(below, e_hi, 1.0)
        whole, fraction = _log(tl.maximum(scaled, SMALLEST))
        whole = tl.where(hard, -z, whole)
        fraction = tl.where(hard, 0.0, fraction)
        rest_hi, rest_lo = _two_sum(fraction, -less_hi)
        power_hi, power_lo = _two_sum(whole, rest_hi)
        m = _power_of_log(power_hi, power_lo + rest_lo - less_lo, gamma, gamma_lo)

    if LOSS == QUALITY_FOCAL:
        square = tl.fma(gap_hi, gap_hi, 2.0 * gap_hi * gap_lo)
        if POWER == 0:
            loss = b_hi + b_lo
            slope = -(gap_hi + gap_lo)
        elif POWER == 2:
            loss = tl.fma(square, b_hi, square * b_lo)
            inner = tl.fma(2.0 * sr, b_hi, square) + 2.0 * sr * b_lo
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
        weight = positive * y + negative * not_y
        c_hi, c_lo = b_hi, b_lo
    if POWER == 0:
        loss = weight * (c_hi + c_lo)
        slope = weight * (s_hi + s_lo) if LOSS == VARIFOCAL else -weight * (gap_hi + gap_lo)
    elif POWER == 2:
        square = tl.fma(q_hi, q_hi, 2.0 * q_hi * q_lo)
        loss = weight * tl.fma(square, c_hi, square * c_lo)
        if LOSS == VARIFOCAL:
            inner = tl.fma(2.0 * r_hi, c_hi, s_hi) + (s_lo + 2.0 * (r_hi * c_lo + r_lo * c_hi))
            slope = weight * (square * inner)
        else:
            steep = sr * (2.0 - 4.0 * y)
            inner = tl.fma(-q_hi, gap_hi, steep * c_hi) + (steep * c_lo - (q_hi * gap_lo + q_lo * gap_hi))
            slope = weight * tl.fma(q_hi, inner, q_lo * inner)
    else:
        loss = weight * (m * (c_hi + c_lo))
        if LOSS == VARIFOCAL:
            slope = weight * (m * (tl.fma(gamma * r_hi, c_hi, s_hi) + (s_lo + gamma * (r_hi * c_lo + r_lo * c_hi))))
        else:
            steep = sr * (1.0 - 2.0 * y) / tl.maximum(q_hi, SMALLEST)
            slope = weight * (m * (tl.fma(gamma * steep, c_hi, -gap_hi) + (gamma * steep * c_lo - gap_lo)))
    if LOSS == VARIFOCAL:
        positive_label = y > 0
        loss = tl.where(positive_label, tl.fma(y, b_hi, y * b_lo), loss)
        slope = tl.where(positive_label, -y * (gap_hi + gap_lo), slope)
    return loss, slope


@triton.jit
def _sigmoid_loss_half(x, y, gamma, positive, negative, LOSS: tl.constexpr, POWER: tl.constexpr):
    """As `_sigmoid_loss`, with the digits of half precision and half the instructions.

    Changing the sign of a logit x and y into 1 - y changes only the derivative's sign, so the formulas are in z = |x|,
    the label t of z, and o = 1 - t, with s = σ(z) and r = 1 - s. 1.4426950408889634 is 1 / ln 2.
    """
    z = tl.abs(x)
    below = x < 0
    e = tl.exp2(z * -1.4426950408889634)
    s = 1.0 / (1.0 + e)
    r = e * s
    p = 0.014145231805741787
    p = p * e - 0.06641574949026108
    p = p * e + 0.14924171566963196
    p = p * e - 0.23504960536956787
    p = p * e + 0.331097811460495
    p = p * e - 0.49987009167671204
    p = p * e + 0.9999987483024597
    log_sum = e * p
    not_y = 1.0 - y
    t = tl.where(below, not_y, y)
    o = tl.where(below, y, not_y)
    b = o * z + log_sum
    gap = t * r - o * s
    weight = 1.0
    cross = b
    if LOSS == QUALITY_FOCAL:
        q = tl.abs(gap)
        scaled = tl.abs(t * e - o)
        hard = o == 0.0
    elif LOSS == VARIFOCAL:
        weight = negative
        q = tl.where(below, r, s)
        cross = tl.where(below, 0.0, z) + log_sum
        scaled = tl.where(below, e, 1.0)
        hard = below
    else:
        weight = positive * y + negative * not_y
        q = t * r + o * s
        scaled = t * e + o
        hard = o == 0.0

    if POWER == 0:
        m = tl.where(x == x, 1.0, 1.0)
    elif POWER == 2:
        m = q * q
    else:
        log_q = tl.where(hard, z * -1.4426950408889634, tl.log2(tl.maximum(scaled, SMALLEST)))
        m = tl.exp2(gamma * (log_q - log_sum * 1.4426950408889634))
        if LOSS == QUALITY_FOCAL:
            m = tl.where(scaled == 0.0, 0.0, m)
    loss = weight * (m * cross)

    if LOSS == VARIFOCAL:
        slope = weight * (m * (gamma * tl.where(below, s, r) * cross + q))
        slope = tl.where(y > 0, -y * tl.where(below, -gap, gap), slope)
        return tl.where(y > 0, y * b, loss), slope
    if LOSS == QUALITY_FOCAL:
        if POWER == 0:
            slope = -gap
        elif POWER == 2:
            slope = -gap * (2.0 * (s * r) * b + m)
        else:
            size = m * (gamma * (s * r / tl.maximum(q, SMALLEST)) * b + q)
            slope = tl.where(gap > 0, -size, size)
    elif POWER == 2:
        slope = weight * (q * (2.0 * (s * r) * (o - t) * b - q * gap))
    else:
        slope = weight * (m * (gamma * (s * r / tl.maximum(q, SMALLEST)) * (o - t) * b - gap))
    return loss, tl.where(below, -slope, slope)


@triton.jit
def sigmoid_kernel(
    logits,
    targets,  # dense: the logits' shape; else the score of each row, or nothing
    labels,  # class index of each row, or nothing
    incoming,  # the incoming gradient: one number, or one an element
    divisor,  # the number that the sum is divided by, on the device, or nothing
    out,  # loss per element, or partial sums
    gradient,
    elements,
    classes,
    gamma,
    gamma_lo,
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
    BLOCK: tl.constexpr,
):
    program = tl.program_id(0)
    at = program.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < elements
    x = tl.load(logits + at, mask=inside, other=0.0).to(tl.float32)
    if LABELLED:
        first = program.to(tl.int64) * BLOCK
        first_row = first // classes
        local = (first - first_row * classes).to(tl.int32) + tl.arange(0, BLOCK)
        row = local // classes
        label = tl.load(labels + first_row + row, mask=inside, other=-1).to(tl.int32)
        hit = label == local - row * classes
        if SCORED:
            score = tl.load(targets + first_row + row, mask=inside, other=0.0).to(tl.float32)
            y = tl.where(hit, score, 0.0)
        else:
            y = hit.to(tl.float32)
    else:
        y = tl.load(targets + at, mask=inside, other=0.0).to(tl.float32)

    if logits.dtype.element_ty == tl.float32:
        loss, slope = _sigmoid_loss(x, y, gamma, gamma_lo, positive, negative, LOSS, POWER)
    else:
        loss, slope = _sigmoid_loss_half(x, y, gamma, positive, negative, LOSS, POWER)
    if DIVIDED:
        scale = scale / tl.maximum(tl.load(divisor).to(tl.float32), LEAST_DIVISOR)
    if WANT == EACH:
        tl.store(out + at, loss.to(out.dtype.element_ty), mask=inside)
    elif WANT == GRADIENT:
        if INCOMING_EACH:
            factor = tl.load(incoming + at, mask=inside, other=0.0).to(tl.float32)
        else:
            factor = tl.load(incoming).to(tl.float32)
        tl.store(gradient + at, (slope * scale * factor).to(gradient.dtype.element_ty), mask=inside)
    else:
        tl.store(out + program, tl.sum(tl.where(inside, loss, 0.0)))
        if WANT == TOTAL_AND_GRADIENT:
            tl.store(gradient + at, (slope * scale).to(gradient.dtype.element_ty), mask=inside)


@triton.jit
def _surprise(others, own, depth, total):
    """-log p of a class whose e^(x - max) is `own`, p = own / (own + others), in float64; `depth` is max - x."""
    ratio = others / tl.maximum(own, 1e-300)  # a quotient of 0 by 0 must not arise; own is 0 or above 1e-46
    shifted = 1.0 + ratio
    rounded = shifted - 1.0
    near = tl.log(shifted) * tl.where(rounded == 0.0, 1.0, ratio / tl.where(rounded == 0.0, 1.0, rounded))
    near = tl.where(rounded == 0.0, ratio, near)  # log(1 + ratio): the quotient makes up for the rounding of 1 + ratio
    return tl.where(others < own, near, tl.log(total) + depth)


@triton.jit
def _named(logits, at, known, top):
    """Of the class that the target of each row names, e^(x - max) and max - x, in float64."""
    depth, depth_lo = _two_sum(top, -tl.load(logits + at, mask=known, other=0.0).to(tl.float32))
    e_hi, e_lo = _exp_of_minus(depth)
    return e_hi.to(tl.float64) + (e_lo - e_hi * depth_lo), depth.to(tl.float64) + depth_lo


@triton.jit
def row_kernel(
    logits,
    targets,  # class index (softmax FL) or bin coordinate (DFL) of each row
    weights,  # weight of each class (softmax FL) or of each row (DFL), or nothing
    incoming,
    divisor,
    out,
    gradient,
    rows,
    classes,
    gamma,
    gamma_lo,
    scale,
    BINS: tl.constexpr,  # DFL; else softmax FL
    POWER: tl.constexpr,
    WANT: tl.constexpr,
    WEIGHTED: tl.constexpr,
    DIVIDED: tl.constexpr,
    INCOMING_EACH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    program = tl.program_id(0)
    row = program.to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, COLUMNS)
    is_row = row < rows
    inside = is_row[:, None] & (column < classes)[None, :]
    at = row[:, None] * classes + column[None, :]
    x = tl.load(logits + at, mask=inside, other=-float("inf")).to(tl.float32)
    top = tl.max(x, axis=1)
    top = tl.where(is_row, top, 0.0)
    depth, depth_lo = _two_sum(top[:, None], -x)
    e_hi, e_lo = _exp_of_minus(depth)
    e = tl.where(inside, e_hi + (e_lo - e_hi * depth_lo), 0.0)
    if BINS:
        target = tl.load(targets + row, mask=is_row, other=0.0).to(tl.float32)
        left = tl.minimum(tl.maximum(tl.floor(target), 0.0), classes - 2.0)
        share = target - left
        first = left.to(tl.int32)
        last = first + 1
    else:
        first = tl.load(targets + row, mask=is_row, other=0).to(tl.int32)
        last = first
    known = is_row & (first >= 0) & (last < classes)
    first_own, first_depth = _named(logits, row * classes + first, known, top)
    is_first = column[None, :] == first[:, None]
    is_last = column[None, :] == last[:, None]
    others = tl.sum(tl.where(is_first | is_last, 0.0, e).to(tl.float64), axis=1)

    if BINS:
        last_own, last_depth = _named(logits, row * classes + last, known, top)
        total = others + first_own + last_own
        not_first = others + last_own
        not_last = others + first_own
        first_loss = _surprise(not_first, first_own, first_depth, total)
        last_loss = _surprise(not_last, last_own, last_depth, total)
        loss = (1.0 - share) * first_loss + share * last_loss
        first_slope = (share * first_own - (1.0 - share) * not_first) / total
        last_slope = ((1.0 - share) * last_own - share * not_last) / total
        slope = e * (1.0 / total).to(tl.float32)[:, None]
        slope = tl.where(is_first, first_slope.to(tl.float32)[:, None], slope)
        slope = tl.where(is_last, last_slope.to(tl.float32)[:, None], slope)
        if WEIGHTED:
            weight = tl.load(weights + row, mask=is_row, other=0.0).to(tl.float32)
            loss *= weight
            slope *= weight[:, None]
    else:
        total = others + first_own
        surprise = _surprise(others, first_own, first_depth, total)
        p = first_own / total
        q = others / total
        if POWER == 0:
            m = tl.full(q.shape, 1.0, tl.float64)
        elif POWER == 2:
            m = q * q
        else:
            log_q = tl.log(tl.maximum(q, 1e-300))  # where q is 0, m is set to 0 below
            m = tl.exp(gamma * log_q + gamma_lo * log_q)
            m = tl.where(q == 0.0, 0.0, m)
        if WEIGHTED:
            m *= tl.load(weights + first, mask=known, other=0.0).to(tl.float32)
        m = tl.where(known, m, float("nan"))
        loss = m * surprise
        pull = m * (gamma * p * surprise + q)
        slope = e * (pull / tl.maximum(others, SMALLEST)).to(tl.float32)[:, None]
        slope = tl.where(is_first, -pull.to(tl.float32)[:, None], slope)

    if DIVIDED:
        scale = scale / tl.maximum(tl.load(divisor).to(tl.float32), LEAST_DIVISOR)
    if WANT == EACH:
        tl.store(out + row, loss.to(out.dtype.element_ty), mask=is_row)
    elif WANT == GRADIENT:
        if INCOMING_EACH:
            factor = tl.load(incoming + row, mask=is_row, other=0.0).to(tl.float32)[:, None]
        else:
            factor = tl.load(incoming).to(tl.float32)
        tl.store(gradient + at, (slope * scale * factor).to(gradient.dtype.element_ty), mask=inside)
    else:
        tl.store(out + program, tl.sum(tl.where(is_row, loss, 0.0)))
        if WANT == TOTAL_AND_GRADIENT:
            tl.store(gradient + at, (slope * scale).to(gradient.dtype.element_ty), mask=inside)


@triton.jit
def total_kernel(partial, divisor, out, count, scale, DIVIDED: tl.constexpr, BLOCK: tl.constexpr):
    """The sum of the partial sums, in one program and one order."""
    total = tl.zeros((BLOCK,), tl.float64)
    for start in range(0, count, BLOCK):
        at = start + tl.arange(0, BLOCK)
        total += tl.load(partial + at, mask=at < count, other=0.0).to(tl.float64)
    result = tl.sum(total) * scale
    if DIVIDED:
        result = result / tl.maximum(tl.load(divisor).to(tl.float32), LEAST_DIVISOR)
    tl.store(out, result.to(out.dtype.element_ty))


@triton.jit
def scale_kernel(gradient, incoming, elements, BLOCK: tl.constexpr):
    """Multiplies the gradient by the incoming one, in place; most often that is 1, and no memory is touched."""
    factor = tl.load(incoming).to(tl.float32)
    if factor != 1.0:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        value = tl.load(gradient + at, mask=at < elements).to(tl.float32) * factor
        tl.store(gradient + at, value.to(gradient.dtype.element_ty), mask=at < elements)
