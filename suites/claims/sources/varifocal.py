"""VarifocalNet, arXiv:2008.13367: the varifocal loss and what is said of it."""

from __future__ import annotations

import math

from focalbench_suite.suites.claims import own
from focalbench_suite.suites.claims.checks import PROBABILITIES, agree, least_at
from focalbench_suite.suites.claims.claim import Claim, Shown, Source

NAME = "VarifocalNet, arXiv:2008.13367"
GRID = [0.01 * i for i in range(1, 100)]


def vfl(p: float, q: float) -> float:
    """Our varifocal loss with the paper's parameters."""
    return own.value("varifocal", p, q, gamma=2, alpha=0.75)


def printed(p: float, q: float) -> float:
    """Equation 2."""
    if q > 0:
        return -q * (q * math.log(p) + (1 - q) * math.log(1 - p))
    return -0.75 * p**2 * math.log(1 - p)


def positive_minimum() -> Shown:
    found = [least_at(lambda p, q=q: vfl(p, q), q, GRID) for q in (0.1, 0.3, 0.5, 0.73, 0.9)]
    return next((shown for shown in found if not shown.holds), found[2])


def clamped(p: float) -> float:
    """The share of the cross entropy of a negative that the varifocal loss keeps."""
    return vfl(p, 0.0) / own.value("cross_entropy", p, 0.0)


CLAIMS = (
    Claim(
        "eq. 2",
        "the varifocal loss, alpha 0.75, gamma 2",
        "-q (q log p + (1 - q) log(1 - p)) if q > 0, -alpha p^gamma log(1 - p) otherwise",
        lambda read: agree(printed, vfl, [(p, q) for p in PROBABILITIES for q in (0.0, 0.1, 0.5, 0.73, 1.0)]),
        loss="varifocal",
    ),
    Claim(
        "section 3.2",
        "positives are not scaled down: a positive of quality 1 keeps its cross entropy",
        "1",
        lambda read: max(vfl(p, 1.0) / own.value("cross_entropy", p, 1.0) for p in PROBABILITIES),
        tolerance=1e-12,
        loss="varifocal",
    ),
    Claim(
        "section 3.2",
        "negatives are scaled down",
        "alpha p^gamma",
        lambda read: agree(lambda p: 0.75 * p**2, clamped, PROBABILITIES),
        loss="varifocal",
    ),
    Claim(
        "section 3.2",
        "a positive with a higher quality contributes more: loss of p 0.5 at q 0.9 over that at q 0.3",
        "larger than 1",
        lambda read: vfl(0.5, 0.9) / vfl(0.5, 0.3),
        relation=">=",
        tolerance=0.0,
        loss="varifocal",
    ),
    Claim(
        "section 3.2",
        "the minimum for a positive is where the score is the quality",
        "p = q",
        lambda read: positive_minimum(),
        loss="varifocal",
    ),
)

SOURCES = (Source(NAME, "own", CLAIMS),)
