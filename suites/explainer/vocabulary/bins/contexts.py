"""How a target becomes two bins and a fraction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy
import torch

from focalbench_suite.suites.explainer.vocabulary.bins.quantities import BINS
from focalbench_suite.suites.explainer.vocabulary.expression import put, show
from focalbench_suite.suites.explainer.vocabulary.option import Change, Context, Points, Tensor, change, context

PAPER = {"left": "floor(y)", "right": "floor(y) + 1", "fraction": "y - floor(y)"}
# the same loss; with other parts, another one
SAME = (
    {  # bins that exist
        "left": "min(floor(y), K - 2)",
        "right": "min(floor(y), K - 2) + 1",
        "fraction": "y - min(floor(y), K - 2)",
    },
    {"right": "(floor(y) + 1) % K"},  # the right bin of the last is the first
    {"left": "max(ceil(y) - 1, 0)", "right": "ceil(y)", "fraction": "y - max(ceil(y) - 1, 0)"},  # from the right
)
TEMPERATURES = (0.1, 0.25, 0.5, 2, 4, 10)
CUTS = (0.01, 0.1, 1e-3, 1e-4, 1e-6, 1, 1.01)  # how far below the last bin people cut targets off
# code: what the target is before bins are chosen
TARGETS: dict[str, str] = {
    "targets_at_least_one": "max(y, 1)",
    "targets_one_up": "y + 1",
    "targets_one_down": "max(y - 1, 0)",
    "targets_half_up": "min(y + 0.5, K - 1)",
    "targets_half_down": "max(y - 0.5, 0)",
    "targets_scaled_by_last_bin": "clamp(y*(K - 1), 0, K - 1)",
    "targets_shrunk_by_one_bin": "y*(K - 1)/K",
    "bins_reversed": "K - 1 - y",
}
# code: the rule that chooses bins and fraction, where it differs from the paper's
RULES: dict[str, dict[str, str]] = {
    "targets_one_down_wrapped": {"left": "(floor(y) - 1) % K", "right": "floor(y)"},
    "right_bin_two_further": {"right": "min(floor(y) + 2, K - 1)"},
    "right_bin_is_one_before": {"right": "max(floor(y) - 1, 0)"},
    "left_bin_rounded": {"left": "round(y)", "right": "round(y) + 1", "fraction": "y - round(y)"},
    "right_bin_cut_before_last": {"right": "min(floor(y) + 1, K - 2)"},
    "left_bin_cut_with_old_parts": {"left": "min(floor(y), K - 2)", "right": "min(floor(y), K - 2) + 1"},
}
# code: which targets have any loss at all
SILENT: dict[str, str] = {"whole_targets_silent": "y != floor(y)", "last_bin_silent": "y < K - 1"}


@dataclass(frozen=True)
class Chosen:
    """Points with the bins and the fraction of a rule, given as views that set them one by one."""

    left: Callable[[Points], Points]
    right: Callable[[Points], Points]
    fraction: Callable[[Points], Points]

    def __call__(self, points: Points) -> Points:
        pair = torch.cat([view(points).y for view in (self.left, self.right)], -1)
        inside = pair.long().clamp(0, points.x.shape[-1] - 1)
        return replace(points, bins=inside, fraction=self.fraction(points).y)


def _context(rule: Mapping[str, str], where: str, *changes: Change, share: str = "") -> Context:
    """A rule, and how much an element counts under it."""
    views = {name: context(BINS, {"y": text}).apply for name, text in rule.items()}
    apply = Chosen(**views)
    return Context(changes, where, Weighed(apply, context(BINS, {"share": share}).apply) if share else apply)


@dataclass(frozen=True)
class Weighed:
    """Points with bins, and a share of the loss for either bin."""

    chosen: Callable[[Points], Points]
    share: Callable[[Points], Points]

    def __call__(self, points: Points) -> Points:
        weighed = self.share(points).share
        assert weighed is not None  # the view sets it
        return replace(self.chosen(points), share=weighed.expand(-1, 2))


@dataclass(frozen=True)
class Heated:
    """Points with bins, and logits over a temperature."""

    chosen: Callable[[Points], Points]
    logits: Callable[[Points], Points]

    def __call__(self, points: Points) -> Points:
        return self.chosen(self.logits(points))


def contexts(cuts: Iterable[float] = ()) -> list[Context]:
    """The paper's rule first; `cuts` are distances from the last bin at which targets seem to be cut off."""
    found = [_context(PAPER, ""), *(_context({**PAPER, **rule}, "") for rule in SAME)]
    for cut in dict.fromkeys((*cuts, *CUTS)):
        text = f"clamp(y, 0, K - 1 - {cut!r})"
        told = change("target_range", "targets_cut_below_last_bin", distance=cut)
        found.append(_of_target(text, told, where=f"y = min(target, K-1-{cut:g})"))
    found += [_of_target(text, change("target_range", code)) for code, text in TARGETS.items()]
    beyond = {name: put(rule, y="y*(K - 1)") for name, rule in SAME[0].items()}  # the same, where nothing clamps them
    found.append(_context(beyond, "y = target*(K-1)", change("target_range", "targets_scaled_by_last_bin")))
    for code, rule in RULES.items():
        where = ", ".join(f"{_NAMES[name]} = {show(text, BINS)}" for name, text in rule.items())
        found.append(_context({**PAPER, **rule}, where, change("target_range", code)))
    for t in TEMPERATURES:
        heated = context(BINS, {"x": f"x/{t:g}"})
        told = change("activation", "temperature", value=t)
        found.append(Context((told,), heated.where, Heated(found[0].apply, heated.apply)))
    for code, share in SILENT.items():
        told = change("target_range", code)
        found.append(_context(PAPER, f"only {show(share, BINS)}", told, share=share))
    return found


_NAMES = {"left": "y_l", "right": "y_r", "fraction": "right part"}


def _of_target(text: str, told: Change, where: str = "") -> Context:
    where = where or f"y = {show(put(text, y='target'), BINS)}"
    return _context({name: put(rule, y=text) for name, rule in PAPER.items()}, where, told)


def cuts_read_off(points: Points, observed: numpy.ndarray) -> list[float]:
    """How far below the last bin targets seem to be cut off, where every row of a last-bin target says the same.

    A cut target y' has the loss (y_r-y') CE_l + (y'-y_l) CE_r, so each pair of neighbouring bins gives one y'.
    """
    last = points.x.shape[-1] - 1
    mine = (points.y[:, 0] == last).numpy() & numpy.isfinite(observed)
    first = _first_setting(points)
    mine &= first
    if mine.sum() < 2:
        return []
    entropies = -points.x[torch.as_tensor(mine)].log_softmax(-1).numpy()
    found = []
    for left in range(last):
        low, high = entropies[:, left], entropies[:, left + 1]
        with numpy.errstate(all="ignore"):
            fraction = (observed[mine] - low) / (high - low)
        middle = float(numpy.median(fraction))
        if -1e-9 <= middle < 1 - 1e-9 and numpy.ptp(fraction) < 1e-6:
            found.append(float(f"{last - left - middle:.4g}"))
    return found


def _first_setting(points: Points) -> numpy.ndarray:
    """The calls in which rows weigh 1."""
    weight: Tensor | None = points.parameters.get("weight")
    return numpy.ones(len(points.x), bool) if weight is None else (weight[:, 0] == 1).numpy()
