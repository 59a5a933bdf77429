"""The papers' figures as data, computed with our own losses, for the report to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from focalbench_suite.suites.claims import own
from focalbench_suite.suites.claims.sources import focal_loss, generalized_focal_loss

Figure = dict[str, Any]

PROBABILITIES = tuple(i / 100 for i in range(1, 100))
LOGITS = tuple(i / 4 for i in range(-24, 25))
BINS = 17
SIDE = 6.3  # the box side, in bins, of the distributions that are drawn


def figures(source: str, loss: str) -> list[Figure]:
    """The figures of a source that show `loss`: title, axes, and series of x and y by name."""
    return [draw() for draw in FIGURES.get((source, loss), ())]


def focal_curves() -> Figure:
    """Figure 1 of the Focal Loss paper."""
    curve = {g: [own.value("focal", p, gamma=g, alpha=None) for p in PROBABILITIES] for g in (0.0, 0.5, 1.0, 2.0, 5.0)}
    series = [_series(f"gamma {gamma:g}", PROBABILITIES, losses) for gamma, losses in curve.items()]
    return _figure("Focal Loss paper, figure 1: focal loss over p_t", "p_t", "loss", series)


def focal_gradients() -> Figure:
    """Figure 6 of the Focal Loss paper, with the losses of its figure 1."""
    curve = {g: [own.gradient("focal", x, gamma=g, alpha=None) for x in LOGITS] for g in (0.0, 0.5, 1.0, 2.0, 5.0)}
    series = [_series(f"gamma {gamma:g}", LOGITS, slopes) for gamma, slopes in curve.items()]
    return _figure("Focal Loss paper, figure 6: derivative over x_t", "x_t", "derivative of the loss", series)


def quality_curves() -> Figure:
    """Figure 5a of the GFL paper: QFL of a box of quality 0.5."""
    curve = {b: [own.value("quality_focal", p, 0.5, beta=b) for p in PROBABILITIES] for b in (0.0, 0.5, 1.0, 2.0, 4.0)}
    series = [_series(f"beta {beta:g}", PROBABILITIES, losses) for beta, losses in curve.items()]
    return _figure("GFL paper, figure 5a: QFL at y = 0.5", "estimated quality", "loss", series)


def distributions() -> Figure:
    """What DFL tells apart and the integral does not: distributions over the bins with one and the same expectation."""
    low, share = math.floor(SIDE), SIDE - math.floor(SIDE)
    two_bins = [{low: 1 - share, low + 1: share}.get(n, 1e-9) for n in range(BINS)]
    normal = [math.exp(-((n - SIDE) ** 2) / 2 / 1.5**2) for n in range(BINS)]
    far = [{0: 1 - SIDE / (BINS - 1), BINS - 1: SIDE / (BINS - 1)}.get(n, 1e-9) for n in range(BINS)]
    series = [
        _series(f"{name}: {_told(p)}", range(BINS), p)
        for name, p in (("two bins", _normalised(two_bins)), ("bell", _normalised(normal)), ("ends", _normalised(far)))
    ]
    return _figure(f"GFL paper, DFL and the integral: distributions of a box side {SIDE}", "bin", "probability", series)


def _told(probabilities: list[float]) -> str:
    loss = own.of_distribution("distribution_focal", probabilities, SIDE)
    return f"integral {own.expectation(probabilities):.3g}, DFL {loss:.3g}"


def _normalised(weights: list[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _series(name: str, x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    return {"name": name, "x": list(x), "y": [float(f"{value:.6g}") for value in y]}


def _figure(title: str, x: str, y: str, series: list[dict[str, Any]]) -> Figure:
    return {"title": title, "x": x, "y": y, "series": series}


FIGURES: dict[tuple[str, str], tuple[Callable[[], Figure], ...]] = {
    (focal_loss.NAME, "focal"): (focal_curves, focal_gradients),
    (generalized_focal_loss.NAME, "quality_focal"): (quality_curves,),
    (generalized_focal_loss.NAME, "distribution_focal"): (distributions,),
}
