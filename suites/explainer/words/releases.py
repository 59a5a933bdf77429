"""One release of a library against the one before it."""

from __future__ import annotations

from focalbench_suite.suites.explainer.words.template import Template, Values


def _more(values: Values) -> str:
    """How many more there are of what is said once."""
    return f" (and {values['more']} more like it)" if values["more"] else ""


def _release_formula(values: Values) -> str:
    before, after = (values[name] or "what no formula was found for" for name in ("before", "after"))
    return f"computes {after}; before, {before}"


RELEASES: dict[str, Template] = {
    "release_value": "returns {after} where {before} was returned ({dtype}), in {times} of {of} calls",
    "release_gradient": "the gradient is {after} where it was {before} ({dtype}), in {times} of {of} calls",
    "release_rounding": "returns {after} where {before} was returned ({dtype}), a difference of float32's rounding",
    "release_nonfinite": "the {quantity} is {after} where it was {before} ({dtype}), in {times} of {of} calls",
    "release_finite": "the {quantity} is {after} where it was {before} ({dtype}), in {times} of {of} calls",
    "release_shape": "returns the shape {after} in place of {before}, in {times} of {of} calls",
    "release_dtype": "returns {after} for {given} logits where it returned {before}, in {times} of {of} calls",
    "release_raises": "raises {after} where {before} was returned ({dtype}), in {times} of {of} calls",
    "release_answers": "returns {after} where it raised {before} ({dtype}), in {times} of {of} calls",
    "release_formula": _release_formula,
    "release_finding_came": lambda values: f"{values['statement']}{_more(values)}",
    "release_finding_went": lambda values: f"no longer: {values['statement']}{_more(values)}",
    "release_default": "the default {parameter} of its {place} is {after}, was {before}",
    "release_parameter_gone": "its {place} no longer takes {parameters}",
    "release_parameter_needed": "its {place} cannot do without {parameters}",
    "release_order": "its {place} takes its arguments in another order: {after}; before, {before}",
    "release_lacks": "is gone: {reason}",
    "release_has": "is there; {version} had no such loss",
    "release_cannot_be_called": "can no longer be called: {reason}",
    "release_can_be_called": "can be called; before, {reason}",
}
