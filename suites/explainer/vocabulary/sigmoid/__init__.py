"""The vocabulary of the sigmoid losses: focal, quality focal, varifocal and their cross entropies.

The functions are only right where float64 is comfortable (|logit| up to about 10).
"""

from __future__ import annotations

from collections.abc import Iterable

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.option import Vocabulary
from focalbench_suite.suites.explainer.vocabulary.parameters import distinct
from focalbench_suite.suites.explainer.vocabulary.sigmoid.contexts import (
    contexts,
    index_contexts,
    smoothed_over_classes,
    smoothing_grid,
)
from focalbench_suite.suites.explainer.vocabulary.sigmoid.entropies import (
    entropies,
    entropy_smoothed,
    entropy_smoothed_over_classes,
)
from focalbench_suite.suites.explainer.vocabulary.sigmoid.modulations import modulations
from focalbench_suite.suites.explainer.vocabulary.sigmoid.weights import weights
from focalbench_suite.suites.explainer.vocabulary.sigmoid.wholes import complete, joint, weighted, wholes

__all__ = ["smoothing_grid", "vocabulary"]


def vocabulary(
    loss: Canonical,
    accepts: set[str],
    smoothing: Iterable[tuple[float, float]] = (),
    labels: str = "dense",
) -> Vocabulary:
    """All options of a loss for a function that takes the parameters `accepts`.

    `smoothing` are the label pairs to try (what 1 becomes, what 0 becomes); `labels` says whether the function takes
    targets (``dense``) or class indices (``index``), which may be read in ways of their own.
    """
    smoothing = list(smoothing)
    over_classes = [zero for one, zero in smoothing if one == 1.0]  # e/C of one class is what the other label gets
    return Vocabulary(
        distinct(weights(loss, accepts)),
        distinct(modulations(loss, accepts)),
        [
            *distinct(entropies(loss, accepts)),
            *(entropy_smoothed(*pair) for pair in smoothing),
            *(entropy_smoothed_over_classes(e) for e in over_classes),
        ],
        [
            *contexts(loss, accepts, smoothing),
            *(smoothed_over_classes(e) for e in over_classes),
            *(index_contexts() if labels == "index" else ()),
        ],
        distinct(wholes(loss, accepts)),
        distinct(joint(loss, accepts)),
        distinct(weighted(loss, accepts)),
        distinct(complete(loss, accepts)),
    )
