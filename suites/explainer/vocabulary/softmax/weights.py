"""What rows may be weighted with, where class weights are meant."""

from __future__ import annotations

from collections.abc import Callable

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, Points, Tensor
from focalbench_suite.suites.explainer.vocabulary.softmax.rows import weight_of

# formula: what class weights alpha (P, C) may become for a row, from those of all classes and its target's own
CLASS_WEIGHTS: dict[str, tuple[str, Callable[[Tensor, Tensor, Points], Tensor]]] = {
    "1-alpha[y]": ("weighs with 1-alpha[y]", lambda a, own, s: 1 - own),
    "alpha[y]^2": ("applies the class weights twice", lambda a, own, s: own**2),
    "sqrt(alpha[y])": ("weighs with the square root of alpha[y]", lambda a, own, s: own**0.5),
    "1/alpha[y]": ("divides by alpha[y]", lambda a, own, s: 1 / own),
    "alpha[y]/sum(alpha)": (
        "normalises the class weights to sum 1",
        lambda a, own, s: own / a.sum(-1, keepdim=True),
    ),
    "alpha[y]/mean(alpha)": (
        "normalises the class weights to mean 1",
        lambda a, own, s: own / a.mean(-1, keepdim=True),
    ),
    "alpha[0]": ("weighs every row with the first class's weight", lambda a, own, s: a[..., :1]),
    "alpha[1]": ("weighs every row with the second class's weight", lambda a, own, s: a[..., 1:2]),
    "mean(alpha)": ("weighs every row with the mean class weight", lambda a, own, s: a.mean(-1, keepdim=True)),
    "sum(alpha)": ("weighs every row with the sum of the class weights", lambda a, own, s: a.sum(-1, keepdim=True)),
    "alpha[argmax]": (
        "weighs with the weight of the predicted class, not of the target",
        lambda a, own, s: a.gather(-1, s.x.argmax(-1, keepdim=True)),
    ),
    "alpha[y+1]": ("the class weights are shifted by one class", lambda a, own, s: a.roll(-1, -1).gather(-1, s.y)),
    "alpha[y-1]": ("the class weights are shifted by one class", lambda a, own, s: a.roll(1, -1).gather(-1, s.y)),
    "alpha[C-1-y]": ("the class weights are in reverse order", lambda a, own, s: a.flip(-1).gather(-1, s.y)),
    "sum(alpha p)": (
        "weighs with the mean weight under the predicted probabilities",
        lambda a, own, s: (a * s.x.softmax(-1)).sum(-1, keepdim=True),
    ),
    "max(alpha)": ("weighs every row with the largest class weight", lambda a, own, s: a.amax(-1, keepdim=True)),
}


def class_weights(free: bool) -> list[Option]:
    one = Option((), "", lambda s: torch.ones_like(s.x[..., :1]))
    if not free:
        quarter = Change("alpha", "weighs every row with 0.25")
        return [one, Option((quarter,), "0.25", lambda s: torch.full_like(s.x[..., :1], 0.25))]

    def option(formula: str, statement: str, function: Callable[[Tensor, Tensor, Points], Tensor]) -> Option:
        def weight(s: Points) -> Tensor:
            return one.apply(s) if s.alpha is None else function(s.alpha, weight_of(s), s)

        return Option((Change("alpha", statement),), formula, weight)

    return [
        Option((), "alpha[y]", weight_of),
        Option((Change("alpha", "the class weights alpha are ignored"),), "", one.apply),
        *(option(formula, *entry) for formula, entry in CLASS_WEIGHTS.items()),
    ]
