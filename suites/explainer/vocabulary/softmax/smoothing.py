"""Labels that are smoothed inside one factor alone; smoothed for all factors they are a context."""

from __future__ import annotations

from collections.abc import Mapping

from focalbench_suite.suites.explainer.vocabulary.expression import put
from focalbench_suite.suites.explainer.vocabulary.option import Option, change, option
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import SMOOTHED, SMOOTHING, SOFTMAX


def smoothed(forms: Mapping[str, str], g: str) -> list[Option]:
    """Each form (code: expression of the smoothed labels t and the power g) with every epsilon that people use."""
    return [
        option(
            put(text, t=put(SMOOTHED[how], e=repr(e)), g=g),
            SOFTMAX,
            change("label_smoothing", code, epsilon=e, how=how),
            shown=put(text, t="smoothed(hot)", g=g),
        )
        for code, text in forms.items()
        for how in ("smoothed_over_classes", "smoothed_over_others")
        for e in SMOOTHING
    ]
