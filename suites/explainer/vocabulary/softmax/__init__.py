"""The vocabulary of the softmax focal loss: one row of logits is one element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Context, Option, Points, Tensor, Vocabulary
from focalbench_suite.suites.explainer.vocabulary.softmax.entropies import entropies
from focalbench_suite.suites.explainer.vocabulary.softmax.modulations import modulations
from focalbench_suite.suites.explainer.vocabulary.softmax.rows import one_hot
from focalbench_suite.suites.explainer.vocabulary.softmax.weights import class_weights

Row = Callable[[Points], Tensor]


def vocabulary(parameters: set[str], smoothing: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2)) -> Vocabulary:
    """Options of the softmax focal loss; points hold logits (P, C), classes y (P, 1), class weights (P, C) or None."""
    return Vocabulary(
        class_weights("alpha" in parameters),
        modulations("gamma" in parameters, "alpha" in parameters),
        entropies(smoothing),
        [Context((), "", lambda s: s), *_softmax_contexts(), *_class_maps()],
        _one_against_all(weighted=False),
        _one_against_all(weighted=True) if "alpha" in parameters else [],
    )


def _one_against_all(weighted: bool) -> list[Option]:
    """The focal loss of every class, where that of the target's class is meant; `weighted` by its own class's alpha."""

    def weight(s: Points) -> Tensor:
        return s.alpha if weighted and s.alpha is not None else torch.ones_like(s.x)

    def sigmoid(s: Points) -> Tensor:
        hot = one_hot(s)
        miss = hot * torch.sigmoid(-s.x) + (1 - hot) * torch.sigmoid(s.x)
        return miss**s.gamma * torch.nn.functional.binary_cross_entropy_with_logits(s.x, hot, reduction="none")

    def softmax(s: Points) -> Tensor:
        p, hot = s.x.softmax(-1), one_hot(s)
        return -(hot * (1 - p) ** s.gamma * p.log() + (1 - hot) * p**s.gamma * (1 - p).log())

    def mixed(s: Points) -> Tensor:
        p, hot = s.x.softmax(-1), one_hot(s)
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(s.x, hot, reduction="none")
        return (hot * (1 - p) + (1 - hot) * p) ** s.gamma * cross_entropy

    def option(formula: str, kind: str, statement: str, function: Row) -> Option:
        more = (Change("alpha", "weighs every class with its own alpha, the target's or not"),) if weighted else ()
        return Option(
            (Change(kind, statement), *more), f"{formula}, each times alpha" if weighted else formula, function
        )

    found = []
    for told, reduce in {"sum": torch.sum, "mean": torch.mean}.items():
        how = {"sum": "summed", "mean": "averaged"}[told]
        found += [
            option(
                f"{told} of the sigmoid focal losses",
                "activation",
                f"uses the sigmoid focal loss of every class, {how}, instead of the softmax's",
                lambda s, r=reduce: r(weight(s) * sigmoid(s), -1, keepdim=True),
            ),
            option(
                f"{told} over all classes",
                "cross_entropy",
                f"adds the focal loss of the other classes as negatives, {how}",
                lambda s, r=reduce: r(weight(s) * softmax(s), -1, keepdim=True),
            ),
            option(
                f"{told} of |one-hot - softmax|^gamma · BCE(x, one-hot)",
                "cross_entropy",
                f"modulates the sigmoid's cross entropy of every class with its softmax, {how}",
                lambda s, r=reduce: r(weight(s) * mixed(s), -1, keepdim=True),
            ),
        ]
    return found


def _softmax_contexts() -> list[Context]:
    def context(kind: str, statement: str, where: str, apply: Callable[[Points], Points]) -> Context:
        return Context((Change(kind, statement),), where, apply)

    return [
        context(
            "activation", "applies the softmax twice", "x = softmax(logits)", lambda s: replace(s, x=s.x.softmax(-1))
        ),
        context(
            "activation", "takes the logits for probabilities: no softmax is applied", "p = logits", _as_probabilities
        ),
        context(
            "activation",
            "uses the sigmoid of the target's logit in place of the softmax",
            "p_t = sigmoid(x_y)",
            _as_binary,
        ),
        context(
            "activation",
            "applies the sigmoid before the softmax",
            "x = sigmoid(logits)",
            lambda s: replace(s, x=torch.sigmoid(s.x)),
        ),
        context(
            "activation",
            "divides the sigmoids by their sum in place of the softmax",
            "p = sigmoid(logits)/sum",
            lambda s: replace(s, x=torch.nn.functional.logsigmoid(s.x)),
        ),
        context(
            "activation",
            "applies the log-softmax and then the softmax of minus that",
            "x = -logits",
            lambda s: replace(s, x=-s.x),
        ),
        *(
            context(
                "activation",
                f"divides the logits by a temperature of {t:g}",
                f"x = logits/{t:g}",
                lambda s, t=t: replace(s, x=s.x / t),
            )
            for t in (0.1, 0.25, 0.5, 2.0, 4.0, 10.0)
        ),
    ]


def _class_maps() -> list[Context]:
    def context(kind: str, statement: str, where: str, apply: Callable[[Points], Tensor]) -> Context:
        return Context((Change(kind, statement),), where, lambda s: replace(s, y=apply(s)))

    kind = "background_index"

    def left_out(told: str, where: str, out: Callable[[Points], Tensor]) -> Context:
        change = Change("ignore_label", f"rows of the {told} are left out")
        return Context((change,), where, lambda s: replace(s, share=(~out(s)).to(s.x)))

    return [
        left_out("first class", "y = 0 is ignored", lambda s: s.y == 0),
        left_out("last class", "y = C-1 is ignored", lambda s: s.y == s.x.shape[-1] - 1),
        context(
            kind, "class indices are off by one: y+1 is used", "y = (y+1) mod C", lambda s: (s.y + 1) % s.x.shape[-1]
        ),
        context(
            kind, "class indices are off by one: y-1 is used", "y = (y-1) mod C", lambda s: (s.y - 1) % s.x.shape[-1]
        ),
        context(kind, "class indices are off by one: y-1 is used", "y = max(y-1, 0)", lambda s: (s.y - 1).clamp(min=0)),
        context(
            kind, "class indices are cut off at C-2", "y = min(y, C-2)", lambda s: s.y.clamp(max=s.x.shape[-1] - 2)
        ),
        context(
            "target_range",
            "the predicted class is used in place of the target",
            "y = argmax",
            lambda s: s.x.argmax(-1, keepdim=True),
        ),
    ]


def _as_probabilities(s: Points) -> Points:
    """Logits whose softmax is the given number (two classes suffice, since only p_t counts)."""
    logit = torch.logit(s.x.gather(-1, s.y))
    return replace(s, x=torch.cat((logit, torch.zeros_like(logit)), -1), y=torch.zeros_like(s.y), alpha=_only(s))


def _as_binary(s: Points) -> Points:
    logit = s.x.gather(-1, s.y)
    return replace(s, x=torch.cat((logit, torch.zeros_like(logit)), -1), y=torch.zeros_like(s.y), alpha=_only(s))


def _only(s: Points) -> Tensor | None:
    return None if s.alpha is None else s.alpha.gather(-1, s.y).expand(-1, 2)
