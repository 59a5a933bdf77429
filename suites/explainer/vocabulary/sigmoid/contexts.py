"""What may happen to logits, targets and parameters before any factor sees them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from focalbench_suite.adapters.canon import Canonical
from focalbench_suite.suites.explainer.vocabulary.option import Change, Context, Points, change, context
from focalbench_suite.suites.explainer.vocabulary.sigmoid.quantities import RULES, SIGMOID

# (kind, code): what the logit is before anything else
LOGITS: dict[tuple[str, str], str] = {
    ("activation", "sigmoid_twice"): "sigmoid(x)",
    ("activation", "logits_for_probabilities"): "logit(x)",
    ("activation", "probabilities_by_range"): "where(inside, logit(where(inside, x, 0.5)), x)",
    ("activation", "tanh_rescaled_for_sigmoid"): "2*x",
    ("activation", "logits_halved"): "x/2",
    ("activation", "logits_negated"): "-x",
    ("activation", "tanh_for_sigmoid"): "logit(tanh(x))",
    ("activation", "negative_logits_cut"): "relu(x)",
    ("activation", "softmax_for_sigmoid"): "logit(softmax(x))",  # undefined for one class: its probability is 1
}
# changes of the logit that people make together with changes of the target; pairs of all would be hundreds
COMBINED = ("logits_for_probabilities", "probabilities_by_range", "sigmoid_twice", "softmax_for_sigmoid")
# what people read in place of the logit's expression, which takes the inverse of the sigmoid
WHERE = {
    "logits_for_probabilities": "p = logit",
    "probabilities_by_range": "p = (logit if all of them lie in [0, 1] else sigmoid(logit))",
    "tanh_for_sigmoid": "p = tanh(logit)",
    "softmax_for_sigmoid": "p = softmax(logits)",
}
# (kind, code): what the target is, or how much the element counts
TARGETS: dict[tuple[str, str], tuple[str, str]] = {
    ("cross_entropy", "labels_inverted"): ("y", "1 - y"),
    ("soft_labels", "between_hard_labels_nothing"): ("share", "(y == 0) | (y == 1)"),
}
# code: the target, where alpha is an amount of smoothing, and weighs nothing
SMOOTHED_BY_ALPHA: dict[str, str] = {
    "alpha_smooths_labels": "(1 - alpha)*y + alpha/2",
    "alpha_takes_from_both_labels": "(1 - alpha)*y + alpha*(1 - y)",
    "alpha_takes_from_positives": "(1 - alpha)*y",
}
LOGIT_LIMITS = (1.0, 2.0, 3.0, 4.0)  # smaller than what numerics need, so another function
PROBABILITY_LIMITS = (0.01, 0.05, 0.1)
# code: how class labels became 0 and 1; which of several it is, batches of labels will tell
INDEX = {
    "label_zero_is_background": ("y", "1 - y"),
    "background_is_a_class": ("y", "1 + 0*y"),
    "background_left_out": ("share", "y"),
    "no_label_is_a_class": ("y", "0*y"),
    "label_zero_left_out": ("share", "1 - y"),
}


def contexts(loss: Canonical, accepts: set[str], smoothing: Iterable[tuple[float, float]]) -> list[Context]:
    """Nothing first; then what people do to logits, to targets, to both, and to the order of arguments."""
    smoothing = list(smoothing)
    logits = [context(SIGMOID, {"x": text}, change(*told), where=WHERE.get(told[1])) for told, text in LOGITS.items()]
    logits += [_limited(limit) for limit in LOGIT_LIMITS] + [_clipped(e) for e in PROBABILITY_LIMITS]
    smoothed = [one for pair in smoothing for one in (_smoothed(*pair), _clamped(*pair))]
    soft = [_read_as_hard(rule) for rule in RULES] + _raised(loss, accepts) + _two_sided(loss, smoothing)
    targets = [context(SIGMOID, {name: text}, change(*told)) for told, (name, text) in TARGETS.items()]
    order = [_exchanged(), *_parameters_exchanged(loss, accepts)]
    smoothed += _smoothed_by_alpha() if "alpha" in accepts else []
    both = [
        _after(one, other) for one in logits if one.changes[0].code in COMBINED for other in soft if other.cost == 1
    ]
    return [context(SIGMOID, {}), *smoothed, *logits, *targets, *soft, *order, *both]


def _two_sided(loss: Canonical, smoothing: list[tuple[float, float]]) -> list[Context]:
    """Both sides blended, unless the loss has a rule of its own for soft labels."""
    if "where" in loss.made_of.weight:
        return []
    return [two_sided(), *(two_sided(*pair) for pair in smoothing)]


def _after(logit: Context, target: Context) -> Context:
    """A change of the logit and one of the target."""
    return Context(logit.changes + target.changes, f"{logit.where}, {target.where}", Chain((logit.apply, target.apply)))


def _raised(loss: Canonical, accepts: set[str]) -> list[Context]:
    """Targets to the power of the loss's own exponent."""
    power = loss.of_role("power")
    if power is None or power.name not in accepts:
        return []
    told = change("soft_labels", "targets_raised_to_gamma", parameter=power.name)
    text = f"where(y == 0, 0, y**{power.name})"  # 0^0 is 1, and a negative stays one
    return [context(SIGMOID, {"y": text}, told, where=f"y = target^{power.name}")]


def _parameters_exchanged(loss: Canonical, accepts: set[str]) -> list[Context]:
    """Each pair of parameters, given in the other order."""
    own = [parameter.name for parameter in loss.parameters if parameter.name in accepts]
    return [
        Context(
            (change("call", "parameters_exchanged", one=one, other=other),),
            f"{one} and {other} are exchanged",
            Exchanged(one, other),
        )
        for one, other in itertools.combinations(own, 2)
    ]


@dataclass(frozen=True)
class Exchanged:
    """Points with two parameters in each other's place."""

    one: str
    other: str

    def __call__(self, points: Points) -> Points:
        given = points.parameters
        if given[self.one] is None or given[self.other] is None:
            return points
        return replace(points, parameters={**given, self.one: given[self.other], self.other: given[self.one]})


@dataclass(frozen=True)
class ArgumentsExchanged:
    """Points with the logits in the targets' place."""

    def __call__(self, points: Points) -> Points:
        return replace(points, x=points.y, y=points.x)


def _exchanged() -> Context:
    return Context((change("call", "arguments_exchanged"),), "x = target, y = logit", ArgumentsExchanged())


@dataclass(frozen=True)
class TwoSided:
    """Each element twice: as a positive with weight y and as a negative with weight 1-y."""

    def __call__(self, points: Points) -> Points:
        ones, share = torch.ones_like(points.y), 1.0 if points.share is None else points.share
        return replace(
            points,
            x=torch.cat((points.x, points.x), -1),
            y=torch.cat((ones, 0 * ones), -1),
            share=torch.cat((points.y * share, (1 - points.y) * share), -1),
        )


@dataclass(frozen=True)
class Chain:
    """One view after another."""

    views: tuple

    def __call__(self, points: Points) -> Points:
        for view in self.views:
            points = view(points)
        return points


def two_sided(one: float = 1.0, zero: float = 0.0) -> Context:
    """The whole loss of a positive and that of a negative, blended by the target, which may be smoothed before."""
    blended = change("soft_labels", "sides_blended")
    where = "loss = y loss(y=1) + (1-y) loss(y=0)"
    if (one, zero) == (1.0, 0.0):
        return Context((blended,), where, TwoSided())
    smoothed = _smoothed(one, zero)
    return Context((*smoothed.changes, blended), f"{where} with {smoothed.where}", Chain((smoothed.apply, TwoSided())))


def index_contexts() -> list[Context]:
    """What class labels may have become on the way to 0 and 1; which one it is, batches of labels will tell."""
    return [context(SIGMOID, {name: text}, change("background_index", code)) for code, (name, text) in INDEX.items()]


def _read_as_hard(rule: str) -> Context:
    told = change("soft_labels", "soft_labels_read_as_hard", rule=rule)
    return context(SIGMOID, {"y": f"where({rule}, 1, 0)"}, told)


def _limited(limit: float) -> Context:
    return context(SIGMOID, {"x": f"clamp(x, {-limit!r}, {limit!r})"}, change("precision", "logits_cut", limit=limit))


def _clipped(e: float) -> Context:
    """p between e and 1-e, written for the logit, which keeps 1-p exact."""
    limit = math.log(1 / e - 1)
    told: Change = change("precision", "p_clipped", epsilon=e)
    text = f"clamp(x, {-limit!r}, {limit!r})"
    return context(SIGMOID, {"x": text}, told, where=f"p = sigmoid(x) clipped to [{e:g}, {1 - e:g}]")


def _smoothed(one: float, zero: float) -> Context:
    told = change("label_smoothing", "labels_smoothed", one=one, zero=zero)
    return context(SIGMOID, {"y": f"{zero!r} + {one - zero!r}*y"}, told)


@dataclass(frozen=True)
class Without:
    """Points with a parameter turned off."""

    name: str

    def __call__(self, points: Points) -> Points:
        return points.without(self.name)


def _smoothed_by_alpha() -> list[Context]:
    """Labels smoothed by what should weigh the sides."""
    found = []
    for code, text in SMOOTHED_BY_ALPHA.items():
        made = context(SIGMOID, {"y": text}, change("label_smoothing", code))
        found.append(replace(made, apply=Chain((made.apply, Without("alpha"))), off="alpha"))
    return found


def smoothed_over_classes(e: float) -> Context:
    """Labels smoothed as torch's cross entropy smooths them: e/C to every class."""
    told = change("label_smoothing", "labels_smoothed_over_classes", epsilon=e)
    return context(SIGMOID, {"y": f"{1 - e!r}*y + {e!r}/C"}, told)


def _clamped(one: float, zero: float) -> Context:
    told = change("target_range", "targets_clamped", one=one, zero=zero)
    return context(SIGMOID, {"y": f"clamp(y, {zero!r}, {one!r})"}, told)


def smoothing_grid() -> list[tuple[float, float]]:
    """The usual smoothings, for a function whose labels cannot be read off."""
    pairs = [((1 - e / 2, e / 2), (1 - e, e), (1 - e, 0.0)) for e in (0.01, 0.05, 0.1, 0.2)]
    return list(itertools.chain.from_iterable(pairs))
