"""The arithmetic of the GPU's kernels: exponential and logarithm in float32, with their rounding errors where needed.

Three instructions of NVIDIA's special-function unit are written in assembly, since Triton's own words for them add
code for numbers that do not occur here. Their largest errors are in the PTX manual: 1 ULP for the reciprocal, 2 ULP and
a little more for 2^x, 2^-22 for log2 x of x in [0.5, 2]. float32 results are corrected afterwards, half precision
needs no more.

Every multiply-add that is to be rounded once says so (`tl.fma`), and the kernels are compiled without fusing any other:
`n - a * b` with a rounded product is not what it is with an exact one, and what runs in Triton's interpreter is then,
digit by digit, what runs on a GPU.

The coefficients of the polynomials come from `polynomials.py`.
"""

from __future__ import annotations

import triton
import triton.language as tl

SMALLEST: tl.constexpr = tl.constexpr(1.1754943508222875e-38)  # the smallest normal float32
LAST_EXPONENT: tl.constexpr = tl.constexpr(104.0)  # e^-104 rounds to 0 in float32
LEAST_DIVISOR: tl.constexpr = tl.constexpr(1.1920928955078125e-07)  # 2^-23, float32's eps, as on every device
LOG2_E: tl.constexpr = tl.constexpr(1.4426950408889634)
LN2_HIGH: tl.constexpr = tl.constexpr(0.693359375)  # ln 2 to 9 bits, so that its product with an exponent is exact
LN2_LOW: tl.constexpr = tl.constexpr(-2.1219444005469058e-4)  # the rest of ln 2
ROUNDER: tl.constexpr = tl.constexpr(12582912.0)  # 1.5 * 2^23: added, it leaves the nearest integer in the last bits
DEEPEST: tl.constexpr = tl.constexpr(-88.0)  # e^-88 is below the smallest normal float32
NAN: tl.constexpr = tl.constexpr(tl.PropagateNan.ALL)


@triton.jit
def reciprocal(x):
    """1 / x to 1 ULP."""
    return tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=f,f", [x], tl.float32, is_pure=True, pack=1)


@triton.jit
def power_of_2(x):
    """2^x to about 2 ULP, 0 below the normal numbers.

    Not called pure, so that the compiler does not compute it a second time in another layout instead of moving it.
    """
    return tl.inline_asm_elementwise("ex2.approx.ftz.f32 $0, $1;", "=f,f", [x], tl.float32, is_pure=False, pack=1)


@triton.jit
def log_2(x):
    """log2 x of a normal x to an absolute 2^-22."""
    return tl.inline_asm_elementwise("lg2.approx.ftz.f32 $0, $1;", "=f,f", [x], tl.float32, is_pure=True, pack=1)


@triton.jit
def two_sum(a, b):
    """a + b and, exactly, what it lost in rounding  (Knuth, The Art of Computer Programming, section 4.2.2)."""
    total = a + b
    share = total - a
    return total, (a - (total - share)) + (b - share)


@triton.jit
def exp_tail(r):
    """(e^r - 1 - r) / r² of |r| <= ln 2 / 2."""
    p = 0.0013821336906403303
    p = tl.fma(p, r, 0.008368670009076595)
    p = tl.fma(p, r, 0.04166825860738754)
    p = tl.fma(p, r, 0.1666652113199234)
    p = tl.fma(p, r, 0.4999999403953552)
    return p


@triton.jit
def exp_parts(a, rest):
    """t and 2^k of e^(a + rest) = (1 + t) 2^k, for a in [-88, 0] and a small `rest`; 2^k is 0 at -88.

    e^a = 2^k e^r with r = a - k ln 2.
    """
    shifted = tl.fma(a, LOG2_E, ROUNDER)
    k = shifted - ROUNDER
    r = tl.fma(k, -LN2_HIGH, a)
    r = tl.fma(k, -LN2_LOW, r) + rest
    t = tl.fma(r * r, exp_tail(r), r)
    return t, ((shifted.to(tl.int32, bitcast=True) << 23) + 0x3F800000).to(tl.float32, bitcast=True)


@triton.jit
def exp2_ratio(f):
    """(2^f - 1) / f of |f| <= 1/2."""
    p = 0.00015732512110844254
    p = tl.fma(p, f, 0.0013416550355032086)
    p = tl.fma(p, f, 0.009617202915251255)
    p = tl.fma(p, f, 0.0555027574300766)
    p = tl.fma(p, f, 0.24022656679153442)
    p = tl.fma(p, f, 0.6931472420692444)
    return p


@triton.jit
def exp_of_minus(z):
    """e^-z of z >= 0 as hi + lo, and NaN of NaN; small results are subnormal."""
    z = tl.where(z > LAST_EXPONENT, LAST_EXPONENT, z)
    k = tl.floor(tl.fma(z, LOG2_E, 0.5))
    r = tl.fma(k, LN2_LOW, tl.fma(k, LN2_HIGH, -z))
    tail = r * r * exp_tail(r)
    t = r + tail
    hi = 1.0 + t
    lo = (t - (hi - 1.0)) + (tail - (t - r))
    exponent = k.to(tl.int32)
    half = exponent >> 1  # two steps, so that small results are subnormal instead of 0
    first = ((127 - half) << 23).to(tl.float32, bitcast=True)
    second = ((127 - (exponent - half)) << 23).to(tl.float32, bitcast=True)
    return hi * first * second, lo * first * second


@triton.jit
def log1p_bend(e):
    """(e - log(1 + e)) / e² of e in [0, 1]."""
    p = 0.0033127551432698965
    p = tl.fma(p, e, -0.02017768658697605)
    p = tl.fma(p, e, 0.05761134997010231)
    p = tl.fma(p, e, -0.1067485436797142)
    p = tl.fma(p, e, 0.15351788699626923)
    p = tl.fma(p, e, -0.19694040715694427)
    p = tl.fma(p, e, 0.2495829463005066)
    p = tl.fma(p, e, -0.3333047926425934)
    p = tl.fma(p, e, 0.4999993145465851)
    return p


@triton.jit
def log1p_ratio(e):
    """log(1 + e) / e of e in [0, 1], with the digits of half precision."""
    p = 0.04134679213166237
    p = tl.fma(p, e, -0.15742602944374084)
    p = tl.fma(p, e, 0.30630001425743103)
    p = tl.fma(p, e, -0.4969775378704071)
    p = tl.fma(p, e, 0.9999432563781738)
    return p


@triton.jit
def log_ratio(t):
    """log(m) / s of s = (m - 1) / (m + 1), t = s², for m in [√½, √2]."""
    p = 0.29871371388435364
    p = tl.fma(p, t, 0.3997757136821747)
    p = tl.fma(p, t, 0.6666677594184875)
    p = tl.fma(p, t, 2.0)
    return p


@triton.jit
def log_parts(q):
    """k and log m of a normal q = 2^k m with m in [√½, √2); 0x3F3504F3 are the bits of √½."""
    bits = q.to(tl.int32, bitcast=True) - 0x3F3504F3
    k = (bits >> 23).to(tl.float32)
    m = ((bits & 0x7FFFFF) + 0x3F3504F3).to(tl.float32, bitcast=True)
    above = m - 1.0
    inverse = reciprocal(m + 1.0)
    s = above * inverse
    s = tl.fma(tl.fma(-s, m + 1.0, above), inverse, s)
    return k, s * log_ratio(s * s)


@triton.jit
def power_of_log(log_hi, log_lo, gamma, gamma_lo):
    """e^(γ log) of log <= 0 as hi + lo: at log = -80, half an ULP of the exponent is 40 ULP of the power."""
    product = gamma * log_hi
    rest = tl.fma(gamma_lo, log_hi, tl.fma(gamma, log_lo, tl.fma(gamma, log_hi, -product)))
    hi, lo = exp_of_minus(-product)
    return hi + tl.fma(hi, rest, lo)
