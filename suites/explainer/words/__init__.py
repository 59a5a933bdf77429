"""The one place where codes become sentences. Nothing reads a sentence back."""

from __future__ import annotations

from typing import Any

from focalbench_suite.suites.explainer.vocabulary.option import Change
from focalbench_suite.suites.explainer.words.boxes import BOX_MISTAKES, BOXES
from focalbench_suite.suites.explainer.words.options import (
    ACTIVATION,
    ALPHA,
    CALL,
    CROSS_ENTROPY,
    GAMMA,
    LABEL_SMOOTHING,
    LABELS,
    NAMED,
    PRECISION,
    SOFT_LABELS,
    TARGET_RANGE,
)
from focalbench_suite.suites.explainer.words.reductions import NORMALISER, REDUCTION
from focalbench_suite.suites.explainer.words.releases import RELEASES
from focalbench_suite.suites.explainer.words.stages import STAGES
from focalbench_suite.suites.explainer.words.template import Template

__all__ = ["BOXES", "BOX_MISTAKES", "RELEASES", "STAGES", "TEMPLATES", "sentence"]

TEMPLATES: dict[str, Template] = {}
for _table in (
    ALPHA, GAMMA, SOFT_LABELS, CROSS_ENTROPY, ACTIVATION, PRECISION, LABEL_SMOOTHING, TARGET_RANGE, LABELS, CALL,
    NORMALISER, REDUCTION, STAGES, RELEASES, BOXES,
):  # fmt: skip
    for _code, _template in _table.items():
        if _code in TEMPLATES:
            raise ValueError(f"{_code} has two templates")
        TEMPLATES[_code] = _template


def sentence(change: Change) -> str:
    """What a change does, for people."""
    template, values = TEMPLATES[change.code], dict(change.values)
    if callable(template):
        return template(values)
    return template.format(**{name: _told(value) for name, value in values.items()})


def _told(value: Any) -> Any:
    """A value in words: a change within a change as its sentence, a name as what people call it."""
    if isinstance(value, Change):
        return sentence(value)
    return NAMED.get(value, value) if isinstance(value, str) else value
