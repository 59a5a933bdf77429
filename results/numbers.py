"""Numbers as people read them: no more digits than an interval supports, and none invented where there is none.

The rule is the Particle Data Group's in spirit: an uncertainty is given to two significant digits and the value to the
same decimal place (Review of Particle Physics, Introduction, "Rounding").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeGuard

DIGITS = 3  # significant digits of a number that comes without an interval
UNEQUAL = 1.5  # how often the longer side of an interval may hold the shorter one and still be called ±


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a real number, which a truth value is not here."""
    return isinstance(value, Real) and not isinstance(value, bool)


def plain(value: Any) -> str:
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


@dataclass(frozen=True)
class Measured:
    """A value and its interval, rounded to what that supports; `half` is None where its sides are too unequal."""

    value: str
    half: str | None
    low: str
    high: str

    def __str__(self) -> str:
        return f"{self.value} ± {self.half}" if self.half else f"{self.value} ({self.low} to {self.high})"

    @property
    def latex(self) -> str:
        """For siunitx; the uncertainty stands in units of the value's last digit."""
        if self.half:
            return rf"\num{{{self.value}({self.half.replace('.', '').lstrip('0')})}}"
        return rf"\num{{{self.value}}} [\num{{{self.low}}}, \num{{{self.high}}}]"


def measured(value: Any, low: Any, high: Any) -> Measured | None:
    """`value` with the interval [low, high]; None where there is no finite interval of some width.

    Sides that differ by more than half are not folded into one ±, which would promise a symmetry that is not there.
    """
    if not all(is_number(number) and math.isfinite(number) for number in (value, low, high)) or low >= high:
        return None
    sides = (value - low, high - value)
    if min(sides) > 0 and max(sides) <= UNEQUAL * min(sides):
        decimals = _decimals(max(sides))
        half = _fixed(max(sides), decimals)
    else:
        decimals = _decimals(min(sides) or (high - low) / 2)
        half = None
    return Measured(_fixed(value, decimals), half, _fixed(low, decimals), _fixed(high, decimals))


def _decimals(half: float) -> int:
    """The decimal place of the second significant digit; 0.0099999 is 0.010."""
    return 1 - math.floor(math.log10(float(f"{half:.1e}")))


def _fixed(value: float, decimals: int) -> str:
    return f"{round(value, decimals):.{max(0, decimals)}f}"
