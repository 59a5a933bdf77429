"""The ways to read a printed formula: what "log", "1 - x" and a rounded step can stand for.

A number that does not come out is recomputed under every reading, fewest departures from the plain one first, so the
condition that a verdict `reproduced_if` names was found, not typed in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from focalbench_suite.suites.claims import own

BASES = {math.e: "", 10.0: "log is to base 10", 2.0: "log is to base 2"}
SIGNS = {1: "", -1: "the sign is turned"}
DECIMALS = {None: ""} | {n: f"the logarithm is rounded to {n} decimals before it is multiplied" for n in (5, 4, 3)}


@dataclass(frozen=True)
class Interpretation:
    """One way to read a formula; the default is what a mathematician reads."""

    base: float = math.e
    sign: int = 1
    decimals: int | None = None

    @property
    def departures(self) -> tuple[str, ...]:
        """What this reading takes differently from the plain one."""
        words = (BASES[self.base], SIGNS[self.sign], DECIMALS[self.decimals])
        return tuple(word for word in words if word)

    @property
    def condition(self) -> str:
        """The departures as they complete the sentence "it comes out if …"."""
        return " and ".join(self.departures)

    def log(self, x: float) -> float:
        """The logarithm in this reading's base, rounded where it says so."""
        return self._round(math.log(x) / math.log(self.base))

    def signed(self, value: Any) -> Any:
        """A printed expression whose sign may be a slip of the pen."""
        return self.sign * value

    def loss(self, name: str, p: float, target: float = 1.0, **parameters: Any) -> float:
        """Our own loss `name` of one prediction with probability `p`, its cross entropy in this reading's logarithm."""
        value = own.value(name, p, target, **parameters)
        if self.base == math.e and self.decimals is None:
            return value
        cross_entropy = own.value("cross_entropy", p, target)
        return value / cross_entropy * self._round(cross_entropy / math.log(self.base))

    def _round(self, x: float) -> float:
        return x if self.decimals is None else round(x, self.decimals)


PLAIN = Interpretation()


@cache
def other_readings() -> tuple[Interpretation, ...]:
    """Every reading but the plain one, fewest departures first."""
    return tuple(sorted(_all_readings(), key=lambda reading: len(reading.departures)))[1:]


def _all_readings() -> Iterator[Interpretation]:
    return itertools.starmap(Interpretation, itertools.product(BASES, SIGNS, DECIMALS))
