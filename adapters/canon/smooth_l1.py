"""The smooth L1 loss of a box: x²/2 where |x| < 1, else |x| - 1/2, of its coordinates' differences x."""

from __future__ import annotations

from mpmath import mp, mpf

from focalbench_suite.adapters.canon.definition import Canonical


def exact(box: list[mpf], target: tuple[float, ...]) -> tuple[mpf, tuple[mpf, ...]]:
    """Value and derivatives of one pair."""
    differences = [a - mpf(b) for a, b in zip(box, target, strict=True)]
    values = [x**2 / 2 if abs(x) < 1 else abs(x) - mpf(1) / 2 for x in differences]
    return mp.fsum(values), tuple(x if abs(x) < 1 else mp.sign(x) for x in differences)


LOSS = Canonical("smooth_l1", "boxes", "arXiv:1504.08083 eq. 2 and 3", exact=exact, order=19)
