"""The vocabulary of the sigmoid losses: focal, quality focal, varifocal and their cross entropies.

Every factor is written for hard labels as a pair (on a positive, on a negative) and then read with a rule that says
what it does between 0 and 1. The functions are only right where float64 is comfortable (|logit| up to about 10).
"""

from __future__ import annotations

from collections.abc import Iterable

from focalbench_suite.suites.explainer.vocabulary.option import Vocabulary
from focalbench_suite.suites.explainer.vocabulary.sigmoid import contexts, entropies, modulations, weights


def vocabulary(
    loss: str,
    parameters: set[str],
    smoothing: Iterable[tuple[float, float]] = (),
    epsilons: Iterable[float] = entropies.EPSILONS,
) -> Vocabulary:
    """All options of `loss` for a function that takes `parameters`; `smoothing` are label pairs (of 1, of 0) to try."""
    power = "beta" if loss == "quality_focal" else "gamma"
    free = power in parameters
    return Vocabulary(
        weights.weights(loss, "alpha" in parameters),
        modulations.modulations(loss, free, power),
        entropies.entropies(epsilons),
        contexts.contexts(loss, smoothing, free and "alpha" in parameters, power),
        [modulations.star()] if loss == "focal" and free else [],
    )
