"""Makes the tables of polynomial coefficients in `kernels.h` and `triton_arithmetic.py`:

    python -m adapters.own.polynomials

Each is the minimax polynomial of its degree, the one whose largest error is smallest, found by Remez' exchange
algorithm (E. Ya. Remez, 1934) in 50 digits. The error is relative to the function that the kernel computes with the
polynomial, and not to the polynomial itself; each `Approximation` says how. What is printed is the text of the sources,
and a test checks that they agree. The wheel leaves this file out: it needs mpmath, and no loss needs it.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
from mpmath import mpf

DIGITS = 50
GRID = 60  # places an extremum is looked for at, for each that there is
STEPS = 40  # halvings by golden section: the place of an extremum to 8 digits, its height to 16
WIDTH = 120  # characters in a line of the sources
SETTLED = 1e-12  # the largest error is this close, relatively, to the least that it can be

Function = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Approximation:
    """A polynomial for `function` on [low, high] whose error is weighted by `weight`."""

    function: Function
    weight: Function
    low: mpf
    high: mpf

    def error(self, coefficients: list[mpf], x: mpf) -> mpf:
        """The weighted error of a polynomial, coefficients from the constant up."""
        return self.weight(x) * (self.function(x) - _value(coefficients, x))


def _value(coefficients: list[mpf], x: mpf) -> mpf:
    """A polynomial, coefficients from the constant up, at x."""
    total = mpf(0)
    for each in reversed(coefficients):
        total = total * x + each
    return total


def _series(x: mpf, coefficient: Function) -> mpf:
    """A power series at x below 1e-9, where six terms are all 50 digits; a formula loses half of them there."""
    return sum((coefficient(mpf(k)) * x**k for k in range(6)), mpf(0))


def exp_tail(r: mpf) -> mpf:
    """(e^r - 1 - r) / r²."""
    if abs(r) < 1e-9:
        return _series(r, lambda k: 1 / mpmath.factorial(k + 2))
    return (mpmath.exp(r) - 1 - r) / r**2


def exp2_ratio(f: mpf) -> mpf:
    """(2^f - 1) / f."""
    return mpmath.expm1(f * mpmath.log(2)) / f if f else mpmath.log(2)


def log1p_ratio(e: mpf) -> mpf:
    """log(1 + e) / e."""
    return mpmath.log1p(e) / e if e else mpf(1)


def log1p_bend(e: mpf) -> mpf:
    """(e - log(1 + e)) / e²."""
    if abs(e) < 1e-9:
        return _series(e, lambda k: (-1) ** int(k) / (k + 2))
    return (e - mpmath.log1p(e)) / e**2


def log_ratio(t: mpf) -> mpf:
    """log(m) / s with s = (m - 1) / (m + 1) and t = s²."""
    root = mpmath.sqrt(t)
    return 2 * mpmath.atanh(root) / root if t else mpf(2)


with mpmath.workdps(DIGITS):
    HALF_LOG_2 = mpmath.log(2) / 2
    ROOT_2 = mpmath.sqrt(2)
    # e^r = 1 + r + r² tail, so that an error of the tail counts r² / e^r times in e^r.
    EXP = Approximation(exp_tail, lambda r: r**2 / mpmath.exp(r), -HALF_LOG_2, HALF_LOG_2)
    # 2^f = 1 + f ratio
    EXP2 = Approximation(exp2_ratio, lambda f: f / mpf(2) ** f, mpf(-1) / 2, mpf(1) / 2)
    # log(1 + e) = e ratio
    LOG1P = Approximation(log1p_ratio, lambda e: 1 / log1p_ratio(e), mpf(0), mpf(1))
    # log(1 + e) = e - e² bend
    LOG1P_BEND = Approximation(log1p_bend, lambda e: e**2 / mpmath.log1p(e) if e else mpf(0), mpf(0), mpf(1))
    # log m = s ratio, and m in [1/√2, √2] has s² up to ((√2 - 1) / (√2 + 1))²
    LOG = Approximation(log_ratio, lambda t: 1 / log_ratio(t), mpf(0), ((ROOT_2 - 1) / (ROOT_2 + 1)) ** 2)


@functools.cache
def minimax(fit: Approximation, degree: int) -> tuple[list[mpf], mpf]:
    """The coefficients, from the constant up, and the largest error."""
    with mpmath.workdps(DIGITS):
        count = degree + 2
        middle, radius = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
        places = [middle - radius * mpmath.cos(mpmath.pi * (2 * k + 1) / (2 * count)) for k in range(count)]
        while True:
            coefficients, level = _levelled(fit, places)
            places, largest = _exchanged(fit, coefficients, count)
            if largest <= abs(level) * (1 + SETTLED):
                return coefficients, largest


@functools.cache
def rounded(fit: Approximation, degree: int, bits: int) -> tuple[list[float], mpf]:
    """The coefficients in a format of so many bits, and the largest error that is left.

    From the constant up, each coefficient is rounded and the higher ones make up for it as well as they can, in least
    squares: rounded each by itself, they would lose up to 6 bits.
    """
    with mpmath.workdps(DIGITS):
        coefficients = list(minimax(fit, degree)[0])
        grid = _chebyshev(fit, 4 * degree)
        for power, exact in enumerate(coefficients):
            with mpmath.workprec(bits):
                coefficients[power] = +exact
            off, higher = coefficients[power] - exact, range(power + 1, degree + 1)
            if higher:
                rows = [[fit.weight(x) * x**each for each in higher] for x in grid]
                right = [-off * fit.weight(x) * x**power for x in grid]
                for each, change in zip(
                    higher, mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(right)), strict=True
                ):
                    coefficients[each] += change
        largest = max(abs(fit.error(coefficients, x)) for x in _chebyshev(fit, GRID * degree))
        return [float(each) for each in coefficients], largest


def _chebyshev(fit: Approximation, count: int) -> list[mpf]:
    """Places in the range, both ends among them, that lie closer together towards its ends."""
    middle, radius = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
    return [middle - radius * mpmath.cos(mpmath.pi * k / count) for k in range(count + 1)]


def _levelled(fit: Approximation, places: list[mpf]) -> tuple[list[mpf], mpf]:
    """The polynomial whose error is the same at all places, with alternating sign, and that error."""
    rows = []
    for index, x in enumerate(places):
        weight = fit.weight(x)
        rows.append([weight * x**power for power in range(len(places) - 1)] + [mpf(-1) ** index])
    right = [fit.weight(x) * fit.function(x) for x in places]
    *coefficients, level = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix(right))
    return coefficients, level


def _exchanged(fit: Approximation, coefficients: list[mpf], count: int) -> tuple[list[mpf], mpf]:
    """The places where the error is largest and alternates in sign, and the largest error."""
    last = GRID * count
    grid = _chebyshev(fit, last)
    errors = [fit.error(coefficients, x) for x in grid]
    found: list[tuple[mpf, mpf]] = []
    for k, error in enumerate(errors):
        around = errors[max(k - 1, 0) : k + 2]
        if error == 0 or any(abs(other) > abs(error) for other in around if other * error > 0):
            continue
        x = _extremum(fit, coefficients, grid[max(k - 1, 0)], grid[min(k + 1, last)])
        peak = (x, fit.error(coefficients, x))
        if found and found[-1][1] * peak[1] > 0:
            found[-1] = max(found[-1], peak, key=lambda each: abs(each[1]))
        else:
            found.append(peak)
    while len(found) > count:
        found.pop(0 if abs(found[0][1]) < abs(found[-1][1]) else -1)
    return [x for x, _ in found], max(abs(error) for _, error in found)


def _extremum(fit: Approximation, coefficients: list[mpf], low: mpf, high: mpf) -> mpf:
    """Where the error between two places is largest, by golden section; at an end of the range that may be the end."""
    ends = [x for x in (low, high) if x in (fit.low, fit.high)]
    golden = (mpmath.sqrt(5) - 1) / 2
    for _ in range(STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if abs(fit.error(coefficients, left)) > abs(fit.error(coefficients, right)):
            high = right
        else:
            low = left
    return max([*ends, (low + high) / 2], key=lambda x: abs(fit.error(coefficients, x)))


FLOAT, DOUBLE = 24, 53  # bits of the formats that the kernels compute in
# The tables of `kernels.h` for each precision: name, fit, degree, bits.
HEADER_TABLES = {
    "HALF": (("EXP", EXP, 3, FLOAT), ("LOG1P", LOG1P, 6, FLOAT), ("LOG", LOG, 3, FLOAT)),
    "FLOAT32": (("EXP", EXP, 5, DOUBLE), ("LOG1P", LOG1P, 10, DOUBLE), ("LOG", LOG, 4, DOUBLE)),
    "FLOAT64": (("EXACT_EXP", EXP, 9, DOUBLE), ("LOG1P", LOG1P, 21, DOUBLE), ("LOG", LOG, 8, DOUBLE)),
}
# The Horner schemes of `triton_arithmetic.py`: function, variable, fit, degree.
TRITON_SCHEMES = (
    ("exp_tail", "r", EXP, 4),
    ("exp2_ratio", "f", EXP2, 5),
    ("log1p_bend", "e", LOG1P_BEND, 8),
    ("log1p_ratio", "e", LOG1P, 4),
    ("log_ratio", "t", LOG, 3),
)


def header_table(name: str, fit: Approximation, degree: int, bits: int) -> str:
    """A table as it stands in `kernels.h`, below its largest error."""
    coefficients, largest = rounded(fit, degree, bits)
    start = f"static const real {name}[] = {{"
    table = textwrap.fill(start + ", ".join(map(repr, coefficients)) + "};", WIDTH, subsequent_indent=" " * len(start))
    return f"/* largest error 2^{_exponent(largest)} */\n{table}"


def triton_scheme(variable: str, fit: Approximation, degree: int) -> str:
    """A Horner scheme as it stands in `triton_arithmetic.py`."""
    *rest, last = rounded(fit, degree, FLOAT)[0]
    lines = [f"    p = {last!r}"]
    for number in reversed(rest):
        lines.append(f"    p = tl.fma(p, {variable}, {number!r})")
    return "\n".join(lines)


def _exponent(error: mpf) -> int:
    """The next power of 2 that the error does not exceed."""
    return int(mpmath.ceil(mpmath.log(error, 2)))


def main() -> None:
    """Prints all tables."""
    for precision, tables in HEADER_TABLES.items():
        print(f"kernels.h, {precision}:")
        for table in tables:
            print(header_table(*table))
    for function, variable, fit, degree in TRITON_SCHEMES:
        print(f"triton_arithmetic.py, {function}, largest error 2^{_exponent(rounded(fit, degree, FLOAT)[1])}:")
        print(triton_scheme(variable, fit, degree))


if __name__ == "__main__":
    main()
