"""Generalized Focal Loss, arXiv:2006.04388: QFL, DFL, GFL, the integral, their minima and gradients, figure 5."""

from __future__ import annotations

import math
from collections.abc import Sequence

from focalbench_suite.suites.claims import own
from focalbench_suite.suites.claims.checks import PROBABILITIES, agree, falling_to_zero, least_at
from focalbench_suite.suites.claims.claim import Claim, Shown, Source

NAME = "Generalized Focal Loss, arXiv:2006.04388"
GRID = [0.01 * i for i in range(1, 100)]
QUALITIES = (0.0, 0.1, 0.5, 0.73, 1.0)
BOX = (0.05, 0.1, 0.15, 0.3, 0.2, 0.1, 0.06, 0.04)  # a distribution over the bins 0 … 7
SIDES = (0.0, 0.3, 2.5, 3.0, 6.9, 7.0)
TINY = 1e-12


def entropy(p: float, y: float) -> float:
    """The complete binary cross entropy of probability p and soft label y."""
    return -y * math.log(p) - (1 - y) * math.log(1 - p)


def printed_dfl(bins: Sequence[float], y: float) -> float:
    """Equation 6 as it is printed, for a distribution over bins 0 … K-1."""
    left = min(int(y), len(bins) - 2)
    return -((left + 1 - y) * math.log(bins[left]) + (y - left) * math.log(bins[left + 1]))


def printed_gfl(p_left: float, p_right: float, y_left: float, y_right: float, y: float, beta: float) -> float:
    """Equation 7 as it is printed."""
    logarithms = (y_right - y) * math.log(p_left) + (y - y_left) * math.log(p_right)
    return -(abs(y - (y_left * p_left + y_right * p_right)) ** beta) * logarithms


def two_bins(p: float, y: float, beta: float) -> float:
    """Our GFL with y_l = 0, y_r = 1: bins (1 - p, p)."""
    return own.of_distribution("generalized_focal", (1 - p, p), y, beta=beta)


def best_pair(y: float, bins: int = 8) -> list[float]:
    """The distribution that the paper calls DFL's optimum: weight on the two bins beside y alone."""
    left = min(int(y), bins - 2)
    optimum = [TINY] * bins
    optimum[left] = max(left + 1 - y, TINY)
    optimum[left + 1] = max(y - left, TINY)
    total = sum(optimum)
    return [p / total for p in optimum]


def qfl_minimum(beta: float) -> Shown:
    """Whether QFL is smallest where the estimate is the quality, for qualities 0.1 … 0.9."""
    found = [
        least_at(lambda p, y=y: own.value("quality_focal", p, y, beta=beta), y, GRID)
        for y in (0.1, 0.3, 0.5, 0.73, 0.9)
    ]
    return next((shown for shown in found if not shown.holds), found[2])


def qfl_flat() -> float:
    """The largest gradient of QFL where the estimate is the quality."""
    return max(abs(own.gradient("quality_focal", own.logit(y), y, beta=2)) for y in (0.1, 0.3, 0.5, 0.73, 0.9))


def qfl_gradient() -> Shown:
    def printed(p: float, y: float) -> float:
        return abs(y - p) ** 2 * (p - y) + 2 * (p - y) * p * (1 - p) * entropy(p, y)

    def ours(p: float, y: float) -> float:
        return own.gradient("quality_focal", own.logit(p), y, beta=2)

    return agree(printed, ours, [(p, y) for p in (0.1, 0.4, 0.6, 0.9) for y in QUALITIES])


def dfl_minimum() -> Shown:
    """The loss at the stated optimum, and at distributions nearby that move weight to each other bin."""
    rises = []
    for y in (0.3, 2.5, 6.9):
        best = best_pair(y)
        bottom = own.of_distribution("distribution_focal", best, y)
        for bin_ in range(len(best)):
            moved = [0.99 * p + (0.01 if i == bin_ else 0.0) for i, p in enumerate(best)]
            rises.append(own.of_distribution("distribution_focal", moved, y) - bottom)
    return Shown(min(rises) > 0, f"moving 1 % of the weight raises the loss by {min(rises):.2g} or more")


def dfl_gradient_at_minimum() -> float:
    optima = [own.gradient_of_distribution("distribution_focal", best_pair(y), y) for y in (0.3, 2.5, 6.9)]
    return max(abs(slope) for slopes in optima for slope in slopes)


def dfl_gradient() -> Shown:
    def printed(y: float, i: int) -> float:
        left = min(int(y), len(BOX) - 2)
        return BOX[i] - {left: left + 1 - y, left + 1: y - left}.get(i, 0.0)

    def ours(y: float, i: int) -> float:
        return own.gradient_of_distribution("distribution_focal", BOX, y)[i]

    return agree(printed, ours, [(y, i) for y in (0.3, 2.5, 6.9) for i in range(len(BOX))])


def gfl_minimum() -> Shown:
    """GFL of two bins against the probability of the right one: the minimum is at p_r = (y - y_l)/(y_r - y_l)."""
    found = [least_at(lambda p, y=y: two_bins(p, y, 2.0), y, GRID) for y in (0.1, 0.25, 0.5, 0.73)]
    return next((shown for shown in found if not shown.holds), found[1])


def integral_of_optimum() -> float:
    return max(abs(own.expectation(best_pair(y)) - y) for y in SIDES)


def same_integral() -> Shown:
    """Two different distributions with one integral, and their losses for it."""
    flat = (0.25, 0.25, 0.25, 0.25)
    sharp = tuple(p / (1 + 2 * TINY) for p in (TINY, 0.5, 0.5, TINY))
    side = own.expectation(flat)
    losses = [own.of_distribution("distribution_focal", bins, 1.5) for bins in (sharp, flat)]
    return Shown(
        abs(own.expectation(sharp) - side) < 1e-9 and losses[0] < losses[1],
        f"both decode to {side:g}; DFL is {losses[0]:.3f} for the sharp one, {losses[1]:.3f} for the flat one",
    )


def qfl_curve(beta: float) -> Claim:
    return Claim(
        "figure 5a",
        f"the curve of QFL for y = 0.5, beta {beta:g}: loss over the estimate",
        f"|0.5 - s|^{beta:g} × cross entropy of s and 0.5",
        lambda read: agree(
            lambda p: abs(0.5 - p) ** beta * entropy(p, 0.5),
            lambda p: own.value("quality_focal", p, 0.5, beta=beta),
            GRID,
        ),
        loss="quality_focal",
    )


QFL = (
    Claim(
        "eq. 2",
        "Quality Focal Loss, beta 2",
        "-|y - s|^beta ((1 - y) log(1 - s) + y log s)",
        lambda read: agree(
            lambda p, y: abs(y - p) ** 2 * entropy(p, y),
            lambda p, y: own.value("quality_focal", p, y, beta=2),
            [(p, y) for p in PROBABILITIES for y in QUALITIES],
        ),
        loss="quality_focal",
    ),
    *(qfl_curve(beta) for beta in (0, 0.5, 1, 2, 4)),
    *(
        Claim(
            "section 3, QFL",
            f"the global minimum of QFL is where the estimate is the quality, beta {beta:g}",
            "s = y",
            lambda read, beta=beta: qfl_minimum(beta),
            loss="quality_focal",
        )
        for beta in (0, 1, 2, 4)
    ),
    Claim(
        "section 3, QFL",
        "QFL at its minimum, beta 2, y 0.3",
        "0",
        lambda read: own.value("quality_focal", 0.3, 0.3, beta=2),
        tolerance=1e-12,
        loss="quality_focal",
    ),
    Claim(
        "section 3, QFL",
        "the gradient of QFL vanishes at its minimum, beta 2",
        "0",
        lambda read: qfl_flat(),
        tolerance=1e-12,
        loss="quality_focal",
    ),
    Claim(
        "section 3, QFL",
        "the gradient of QFL to the logit, beta 2, derived from eq. 2",
        "d QFL / d logit",
        lambda read: qfl_gradient(),
        loss="quality_focal",
    ),
    Claim(
        "section 3, QFL",
        "QFL is never negative",
        "0",
        lambda read: min(own.value("quality_focal", p, y, beta=2) for p in GRID for y in QUALITIES),
        relation=">=",
        loss="quality_focal",
    ),
    Claim(
        "section 3, QFL",
        "the modulating factor goes to 0 as the estimate becomes accurate, y 0.5, beta 2",
        "goes to 0",
        lambda read: falling_to_zero(
            [own.value("quality_focal", p, 0.5, beta=2) / entropy(p, 0.5) for p in (0.9, 0.8, 0.7, 0.6, 0.51, 0.501)]
        ),
        loss="quality_focal",
    ),
    Claim(
        "section 3, QFL",
        "for y in {0, 1} QFL is FL with gamma = beta",
        "QFL = FL",
        lambda read: agree(
            lambda p, y: own.value("focal", p, y, gamma=2, alpha=None),
            lambda p, y: own.value("quality_focal", p, y, beta=2),
            [(p, y) for p in PROBABILITIES for y in (0.0, 1.0)],
        ),
        loss="quality_focal",
    ),
)

DFL = (
    Claim(
        "eq. 3",
        "a Dirac delta at y decodes to y (a distribution with all its weight on one bin)",
        "y",
        lambda read: max(abs(own.expectation([1.0 if i == y else 1e-300 for i in range(8)]) - y) for y in range(8)),
        expected=0.0,
        tolerance=1e-12,
        loss="distribution_focal",
    ),
    Claim(
        "eq. 5",
        "the estimate is the sum of the bins weighted with their probabilities",
        "sum of P(y_i) y_i",
        lambda read: agree(
            lambda shift: sum(i * p for i, p in enumerate(BOX[shift:] + BOX[:shift])),
            lambda shift: own.expectation(BOX[shift:] + BOX[:shift]),
            range(8),
        ),
        loss="distribution_focal",
    ),
    Claim(
        "section 3, DFL",
        "infinitely many distributions have one integral; DFL prefers those with weight close to the label",
        "infinite combinations",
        lambda read: same_integral(),
        loss="distribution_focal",
    ),
    Claim(
        "eq. 6",
        "Distribution Focal Loss",
        "-((y_r - y) log S_l + (y - y_l) log S_r)",
        lambda read: agree(
            lambda y: printed_dfl(BOX, y), lambda y: own.of_distribution("distribution_focal", BOX, y), SIDES
        ),
        loss="distribution_focal",
    ),
    Claim(
        "section 3, DFL",
        "the global minimum of DFL",
        "S_l = (y_r - y) / (y_r - y_l), S_r = (y - y_l) / (y_r - y_l)",
        lambda read: dfl_minimum(),
        loss="distribution_focal",
        note="the loss there is the entropy of the two bins: 0 only where the label is a bin",
    ),
    Claim(
        "section 3, DFL",
        "the gradient of DFL vanishes at that minimum",
        "0",
        lambda read: dfl_gradient_at_minimum(),
        tolerance=1e-9,
        loss="distribution_focal",
    ),
    Claim(
        "section 3, DFL",
        "the gradient of DFL to the logits of the bins, derived from eq. 6",
        "S_i - (y_r - y) at the left bin, S_i - (y - y_l) at the right, S_i elsewhere",
        lambda read: dfl_gradient(),
        loss="distribution_focal",
    ),
    Claim(
        "section 3, DFL",
        "at that minimum the estimate is the label (the integral of the optimum, largest distance over six sides)",
        "0",
        lambda read: integral_of_optimum(),
        tolerance=1e-9,
        loss="distribution_focal",
    ),
)

GFL = (
    *(
        Claim(
            "eq. 7",
            f"Generalized Focal Loss of a whole distribution, beta {beta:g}",
            "-|y - (y_l p_l + y_r p_r)|^beta ((y_r - y) log p_l + (y - y_l) log p_r)",
            lambda read, beta=beta: agree(
                lambda y: printed_gfl(BOX[int(y)], BOX[int(y) + 1], int(y), int(y) + 1, y, beta),
                lambda y: own.of_distribution("generalized_focal", BOX, y, beta=beta),
                (0.3, 2.5, 3.0, 6.9),
            ),
            loss="generalized_focal",
        )
        for beta in (0, 1, 2)
    ),
    Claim(
        "section 3, GFL",
        "FL is GFL with beta = gamma, y_l = 0, y_r = 1, y in {0, 1}",
        "GFL = FL",
        lambda read: agree(
            lambda p, y, beta: own.value("focal", p, y, gamma=beta, alpha=None),
            two_bins,
            [(p, y, beta) for p in PROBABILITIES for y in (0.0, 1.0) for beta in (0.0, 1.0, 2.0)],
        ),
        loss="generalized_focal",
    ),
    Claim(
        "section 3, GFL",
        "QFL is GFL with y_l = 0, y_r = 1",
        "GFL = QFL",
        lambda read: agree(
            lambda p, y, beta: own.value("quality_focal", p, y, beta=beta),
            two_bins,
            [(p, y, beta) for p in PROBABILITIES for y in QUALITIES for beta in (0.0, 1.0, 2.0)],
        ),
        loss="generalized_focal",
    ),
    Claim(
        "section 3, GFL",
        "DFL is GFL with beta = 0",
        "GFL = DFL",
        lambda read: agree(
            lambda y: own.of_distribution("distribution_focal", BOX, y),
            lambda y: own.of_distribution("generalized_focal", BOX, y, beta=0.0),
            SIDES,
        ),
        loss="generalized_focal",
    ),
    Claim(
        "section 3, GFL",
        "the global minimum of GFL, two bins, beta 2",
        "p_l = (y_r - y) / (y_r - y_l), p_r = (y - y_l) / (y_r - y_l)",
        lambda read: gfl_minimum(),
        loss="generalized_focal",
    ),
    Claim(
        "section 3, GFL",
        "GFL at its minimum, two bins, y 0.3, beta 2",
        "0",
        lambda read: two_bins(0.3, 0.3, 2.0),
        tolerance=1e-12,
        loss="generalized_focal",
    ),
)

SOURCES = (Source(NAME, "own", (*QFL, *DFL, *GFL)),)
