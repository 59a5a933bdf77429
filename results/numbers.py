"""Numbers as people read them: no more digits than an interval supports, and none invented where there is none.

The rule is the Particle Data Group's in spirit: an uncertainty is given to two significant digits and the value to the
same decimal place (Review of Particle Physics, Introduction, "Rounding").
"""

from __future__ import annotations

import math
from numbers import Real

DIGITS = 3  # significant digits of a number that comes without an interval


def is_number(value: object) -> bool:
    """Whether `value` is a real number, which a truth value is not here."""
    return isinstance(value, Real) and not isinstance(value, bool)


def plain(value: object) -> str:
    """A number with three significant digits (every digit of its integer part), anything else as text."""
    if value is None or value != value:
        return ""
    if not is_number(value):
        return str(value)
    if isinstance(value, int) or value == int_or_none(value):
        return f"{int(value)}" if abs(value) < 1e15 else f"{value:.2e}"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:.{max(0, DIGITS - 1 - math.floor(math.log10(abs(value))))}f}"


def int_or_none(value: float) -> int | None:
    """The integer that `value` is, if it is one."""
    return int(value) if math.isfinite(value) and value == int(value) else None


def with_interval(value: float, low: float, high: float) -> tuple[str, str] | None:
    """`value` and its half width, both rounded to what the interval [low, high] supports.

    The half width is the larger of the two sides, so that an asymmetric interval is never understated. None where there
    is no finite interval of some width.
    """
    if not all(is_number(number) and math.isfinite(number) for number in (value, low, high)):
        return None
    half = max(value - low, high - value)
    if half <= 0:
        return None
    decimals = 1 - math.floor(math.log10(float(f"{half:.1e}")))  # 0.0099999 is 0.010
    return _fixed(value, decimals), _fixed(half, decimals)


def _fixed(value: float, decimals: int) -> str:
    return f"{round(value, decimals):.{max(0, decimals)}f}"


def siunitx(value: str, half: str) -> str:
    """`\\num{0.412(15)}` of "0.412" and "0.015": the uncertainty in units of the value's last digit."""
    return rf"\num{{{value}({half.replace('.', '').lstrip('0')})}}"
