"""Labels that are smoothed inside one factor alone; smoothed for all factors they are a context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from focalbench_suite.suites.explainer.vocabulary.expression import Expression, put
from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, change, option
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import SMOOTHED, SMOOTHING, SOFTMAX


def smoothed(forms: Mapping[str, str | tuple[str, str]], g: str) -> list[Option]:
    """Each form (code: expression of the smoothed labels t and the power g) with every epsilon that people use.

    Of a pair the first is the modulating factor and the second the cross entropy, of which one may be detached.
    """
    return [
        _written(form, put(SMOOTHED[how], e=repr(e)), g, change("label_smoothing", code, epsilon=e, how=how))
        for code, form in forms.items()
        for how in ("smoothed_over_classes", "smoothed_over_others")
        for e in SMOOTHING
    ]


def _written(form: str | tuple[str, str], labels: str, g: str, told: Change) -> Option:
    text = form if isinstance(form, str) else f"({form[0]})*({form[1]})"
    whole = option(put(text, t=labels, g=g), SOFTMAX, told, shown=put(text, t="smoothed(hot)", g=g))
    if isinstance(form, str):
        return whole
    factor, entropy = (Expression(put(part, t=labels, g=g), SOFTMAX) for part in form)
    return replace(whole, parts=(factor, entropy))
