"""Losses of an overlap: Dice's and Tversky's ratio of sums over a batch, which is no sum of the elements' losses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy

from focalbench_suite.suites.explainer.calls import Call
from focalbench_suite.suites.explainer.examination import Examination
from focalbench_suite.suites.explainer.formula import Elements
from focalbench_suite.suites.explainer.vocabulary.option import Change, change

SMOOTH = (1.0, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 0.1, 0.01, 0.5, 2.0, 0.0)  # what people add to both sums
WEIGHTS = (0.3, 0.5, 0.7, 0.25, 0.75, 0.2, 0.8, 0.4, 0.6, 1.0)  # of false positives and false negatives
POWERS = (1.0, 0.75, 4 / 3, 2.0, 0.5)  # of the focal Tversky loss, for a function that takes no gamma
FEWEST = 8  # calls that a ratio must reproduce
NEAR = 1e-5
# what the sums are over: the losses of several are averaged
OVER: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "a batch": lambda terms: terms.sum(keepdims=True),
    "each row, whose losses are averaged": lambda terms: terms.sum(1),
    "each column, whose losses are averaged": lambda terms: terms.sum(0),
}


@dataclass(frozen=True)
class Number:
    """A number as people read it, and in every call."""

    shown: str
    values: numpy.ndarray

    def of(self, calls: numpy.ndarray) -> Number:
        """The same in some of the calls."""
        return replace(self, values=self.values[calls])


@dataclass(frozen=True)
class Ratio:
    """What false positives and false negatives weigh, what is added to both sums, and the power of what is lost."""

    alarms: Number
    misses: Number
    smooth: float
    power: Number

    def loss(self, p: numpy.ndarray, y: numpy.ndarray, add: Callable[[numpy.ndarray], numpy.ndarray]) -> numpy.ndarray:
        """One minus the overlap, to its power."""
        hits, alarms, misses = add(p * y), add(p * (1 - y)), add((1 - p) * y)
        with numpy.errstate(all="ignore"):
            whole = hits + self.alarms.values * alarms + self.misses.values * misses + self.smooth
            return numpy.abs(1 - (hits + self.smooth) / whole) ** self.power.values


def overlap(case: Examination, elements: Elements) -> Change | None:
    """The loss of the overlap of predictions and targets that gives every value, where there is one."""
    if elements.points.x.shape != elements.points.y.shape:
        return None
    told = elements.keep(elements.answered & numpy.isfinite(elements.values))
    for ratio in _ratios(told, _positive(told)):
        if _gives(ratio, told):
            over = next((name for name in OVER if _in_batches(case, elements, ratio, name)), "")
            return change(
                "cross_entropy", "overlap_loss", alarms=ratio.alarms.shown, misses=ratio.misses.shown,
                smooth=ratio.smooth, power=ratio.power.shown, over=over,
            )  # fmt: skip
    return None


def _positive(elements: Elements) -> numpy.ndarray:
    """The calls without a negative, of which what false positives weigh says nothing."""
    return (elements.points.y == 1).all(-1).numpy()


def _ratios(elements: Elements, positive: numpy.ndarray) -> Iterator[Ratio]:
    """Every ratio that gives the values of the calls without a negative."""
    weights, mine = list(_weights(elements)), elements.keep(positive)
    for misses, smooth, power in itertools.product(weights, SMOOTH, list(_powers(elements))):
        alone = Ratio(misses.of(positive), misses.of(positive), smooth, power.of(positive))
        if _gives(alone, mine):
            yield from (Ratio(alarms, misses, smooth, power) for alarms in weights)


def _gives(ratio: Ratio, elements: Elements) -> bool:
    """Whether the ratio reproduces every value, and enough of them."""
    model = ratio.loss(elements.points.x.sigmoid().numpy(), elements.points.y.numpy(), lambda terms: terms.sum(1))
    known = numpy.isfinite(model)
    return known.sum() >= FEWEST and _same(elements.values[known], model[known])


def _same(observed: numpy.ndarray, model: numpy.ndarray) -> bool:
    return bool(numpy.allclose(observed, model, rtol=NEAR, atol=NEAR))


def _weights(elements: Elements) -> Iterator[Number]:
    alpha = elements.points.parameters.get("alpha")
    if alpha is not None:
        yield Number("alpha", alpha[:, 0].numpy())
        yield Number("(1-alpha)", 1 - alpha[:, 0].numpy())
    yield from (Number(f"{weight:g}", numpy.full(len(elements.calls), weight)) for weight in WEIGHTS)


def _powers(elements: Elements) -> Iterator[Number]:
    gamma = elements.points.parameters.get("gamma")
    if gamma is not None:
        yield Number("gamma", gamma[:, 0].numpy())
        with numpy.errstate(divide="ignore"):
            yield Number("1/gamma", 1 / gamma[:, 0].numpy())
    yield from (Number(f"{power:.4g}", numpy.full(len(elements.calls), power)) for power in POWERS)


def _in_batches(case: Examination, elements: Elements, ratio: Ratio, over: str) -> bool:
    """Whether batches have the mean of the losses of such sums, under the setting of the first call."""
    first = elements.calls[0].parameters
    alone = numpy.array([0])
    usual = Ratio(ratio.alarms.of(alone), ratio.misses.of(alone), ratio.smooth, ratio.power.of(alone))
    calls = [replace(call, backwards=0) for call in case.questions.batches([first], soft=False)]
    answers = case.ask(calls)
    models = [float(usual.loss(*_numbers(call), OVER[over]).mean()) for call in calls]
    seen = [(answer.value, model) for answer, model in zip(answers, models, strict=True) if answer.ok]
    return bool(seen) and _same(*(numpy.array(numbers) for numbers in zip(*seen, strict=True)))


def _numbers(call: Call) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Probabilities and targets of a batch."""
    return 1 / (1 + numpy.exp(-numpy.array(call.logits))), numpy.array(call.targets)
