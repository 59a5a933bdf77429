"""What may happen to a row's logits and class before any factor sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Context, Points, Tensor, change, context
from focalbench_suite.suites.explainer.vocabulary.softmax.quantities import SOFTMAX

# (kind, code): the row of logits
LOGITS: dict[tuple[str, str], str] = {
    ("activation", "softmax_twice"): "softmax(x)",
    ("activation", "sigmoid_before_softmax"): "sigmoid(x)",
    ("activation", "sigmoids_over_their_sum"): "-softplus(-x)",
    ("activation", "logits_negated"): "-x",
}
TEMPERATURES = (0.1, 0.25, 0.5, 2, 4, 10)
# (kind, code): the class, or how much the row counts
CLASSES: dict[tuple[str, str], tuple[str, str]] = {
    ("ignore_label", "first_class_left_out"): ("share", "y != 0"),
    ("ignore_label", "last_class_left_out"): ("share", "y != C - 1"),
    ("background_index", "classes_one_up"): ("y", "(y + 1) % C"),
    ("background_index", "classes_one_down"): ("y", "(y - 1) % C"),
    ("background_index", "classes_one_down_at_least_zero"): ("y", "where(y > 0, y - 1, 0)"),
    ("background_index", "last_class_read_as_the_one_before"): ("y", "where(y > C - 2, C - 2, y)"),
    ("target_range", "predicted_class_for_target"): ("y", "argmax_c(x)"),
}
# code: what becomes p_t of a row, as the logit of two classes
BINARY = {"logits_for_probabilities": ("activation", torch.logit), "sigmoid_for_softmax": ("activation", lambda x: x)}


@dataclass(frozen=True)
class Reindexed:
    """Points whose classes are an expression of the given ones."""

    view: Callable[[Points], Points]

    def __call__(self, points: Points) -> Points:
        seen = self.view(points)
        return replace(seen, y=seen.y.long())


@dataclass(frozen=True)
class TwoClasses:
    """The target's class alone, against one of logit 0: two classes suffice, since only p_t counts."""

    code: str

    def __call__(self, points: Points) -> Points:
        own = points.x.gather(-1, points.y)
        logit = BINARY[self.code][1](own)
        return replace(
            points,
            x=torch.cat((logit, torch.zeros_like(logit)), -1),
            y=torch.zeros_like(points.y),
            parameters=_only(points),
        )


def _only(points: Points) -> Mapping[str, Tensor | None]:
    """The parameters, with the weight of the row's own class in the place of every class's."""
    classes = points.x.shape[-1]
    return {
        name: value.gather(-1, points.y).expand(-1, 2)
        if value is not None and value.shape[-1] == classes > 1
        else value
        for name, value in points.parameters.items()
    }


def contexts() -> list[Context]:
    """Nothing first; then what people do."""
    found = [context(SOFTMAX, {})]
    found += [context(SOFTMAX, {"x": text}, change(*told)) for told, text in LOGITS.items()]
    where = {"logits_for_probabilities": "p_t = x_y", "sigmoid_for_softmax": "p_t = sigmoid(x_y)"}
    found += [Context((change(kind, code),), where[code], TwoClasses(code)) for code, (kind, _) in BINARY.items()]
    for t in TEMPERATURES:
        found.append(context(SOFTMAX, {"x": f"x/{t:g}"}, change("activation", "temperature", value=t)))
    for told, (name, text) in CLASSES.items():
        made = context(SOFTMAX, {name: text}, change(*told))
        found.append(replace(made, apply=Reindexed(made.apply)) if name == "y" else made)
    return found
