"""What may happen to logits, targets and parameters before any factor sees them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Context, Points
from focalbench_suite.suites.explainer.vocabulary.sigmoid.element import RULES


def contexts(loss: str, smoothing: Iterable[tuple[float, float]], both: bool, power: str) -> list[Context]:
    contexts = [Context((), "", lambda s: s)]
    contexts += [context for pair in smoothing for context in (_smoothed(*pair), _clamped_labels(*pair))]
    contexts += [
        _context(
            "activation", "applies the sigmoid twice", "x = sigmoid(logit)", lambda s: replace(s, x=torch.sigmoid(s.x))
        ),
        _context(
            "activation",
            "takes the logits for probabilities: no sigmoid is applied",
            "p = logit",
            lambda s: replace(s, x=torch.logit(s.x)),
        ),
        _context(
            "activation", "uses (1+tanh(x))/2 in place of the sigmoid", "x = 2 logit", lambda s: replace(s, x=2 * s.x)
        ),
        _context("activation", "halves the logits", "x = logit/2", lambda s: replace(s, x=s.x / 2)),
        _context("activation", "negates the logits", "x = -logit", lambda s: replace(s, x=-s.x)),
        _context(
            "activation",
            "takes tanh for the sigmoid",
            "p = tanh(logit)",
            lambda s: replace(s, x=torch.logit(torch.tanh(s.x))),
        ),
        _context(
            "activation",
            "cuts negative logits off before the sigmoid",
            "x = relu(logit)",
            lambda s: replace(s, x=s.x.relu()),
        ),
        *(
            _context(
                "precision",
                f"cuts the logits off at ±{c:g}",
                f"x = logit, at most {c:g} in size",
                lambda s, c=c: replace(s, x=s.x.clamp(-c, c)),
            )
            for c in (1.0, 2.0, 3.0, 4.0)
        ),
        *(
            _context(
                "precision",
                f"clips p to [{e:g}, 1-{e:g}] before anything else",
                f"p = clip(sigmoid(logit), {e:g}, 1-{e:g})",
                lambda s, c=c: replace(s, x=s.x.clamp(-c, c)),
            )
            for e, c in ((e, math.log(1 / e - 1)) for e in (0.01, 0.05, 0.1))
        ),
        _context(
            "cross_entropy", "reads 1 as negative and 0 as positive", "y = 1 - target", lambda s: replace(s, y=1 - s.y)
        ),
        _context(
            "activation", "takes the softmax over the classes for the sigmoid of each", "p = softmax(logits)", _softmax
        ),
        _context(
            "call",
            "takes the targets first and the logits second",
            "the arguments are exchanged",
            lambda s: replace(s, x=s.y, y=s.x),
        ),
    ]
    for rule, read in RULES.items():
        contexts.append(
            _context(
                "soft_labels",
                f"soft labels are read as hard ones: 1 where {rule}",
                f"y = 1 if {rule}",
                lambda s, r=read: replace(s, y=r(s.y)),
            )
        )
    contexts.append(
        _context(
            "soft_labels",
            "for soft labels, the positive's and the negative's whole loss are blended by the target",
            "loss = y loss(y=1) + (1-y) loss(y=0)",
            _two_sided,
        )
    )
    if loss == "varifocal":
        contexts = [c for c in contexts if "blended" not in (c.changes[0].statement if c.changes else "")]
    if both:
        contexts.append(
            _context(
                "call",
                f"exchanges alpha and {power}",
                f"alpha and {power} exchanged",
                lambda s: replace(s, gamma=s.alpha, alpha=s.gamma) if s.alpha is not None else s,
            )
        )
    return contexts


def index_contexts() -> list[Context]:
    """What class labels may have become on the way to 0 and 1; which one it is, batches of labels will tell."""
    told = "class labels are read differently"
    return [
        _context("background_index", told, "label 0 is background", lambda s: replace(s, y=1 - s.y)),
        _context("background_index", told, "background is a class", lambda s: replace(s, y=torch.ones_like(s.y))),
        _context(
            "background_index",
            told,
            "background is left out",
            lambda s: replace(s, share=s.y if s.share is None else s.share * s.y),
        ),
        _context("background_index", told, "no label is a class", lambda s: replace(s, y=torch.zeros_like(s.y))),
        _context(
            "background_index",
            told,
            "label 0 is left out",
            lambda s: replace(s, share=1 - s.y if s.share is None else s.share * (1 - s.y)),
        ),
    ]


def _context(kind: str, statement: str, where: str, apply: Callable[[Points], Points]) -> Context:
    return Context((Change(kind, statement),), where, apply)


def _softmax(s: Points) -> Points:
    """Logits whose sigmoid is the softmax; undefined for a single class, whose probability is always 1."""
    others = torch.where(torch.eye(s.x.shape[-1], dtype=torch.bool), -torch.inf, s.x[..., None, :]).logsumexp(-1)
    return replace(s, x=s.x - others)


def _two_sided(s: Points) -> Points:
    """Each element twice: as a positive with weight y and as a negative with weight 1-y."""
    ones, share = torch.ones_like(s.y), 1.0 if s.share is None else s.share
    return replace(
        s,
        x=torch.cat((s.x, s.x), -1),
        y=torch.cat((ones, 0 * ones), -1),
        share=torch.cat((s.y * share, (1 - s.y) * share), -1),
    )


def _smoothed(one: float, zero: float) -> Context:
    return _context(
        "label_smoothing",
        f"labels are smoothed: 1 becomes {one:.4g} and 0 becomes {zero:.4g}",
        f"y = {zero:.4g} + {one - zero:.4g} y",
        lambda s: replace(s, y=zero + (one - zero) * s.y),
    )


def smoothed_over_classes(e: float) -> Context:
    """Labels smoothed as torch's cross entropy smooths them: e/C to every class."""
    return _context(
        "label_smoothing",
        f"labels are smoothed by {e:g} over the classes: y becomes {1 - e:g} y + {e:g}/C",
        f"y = {1 - e:g} y + {e:g}/C",
        lambda s: replace(s, y=(1 - e) * s.y + e / s.x.shape[-1]),
    )


def _clamped_labels(one: float, zero: float) -> Context:
    return _context(
        "target_range",
        f"targets are clamped to [{zero:.4g}, {one:.4g}]",
        f"y = clamp(y, {zero:.4g}, {one:.4g})",
        lambda s: replace(s, y=s.y.clamp(zero, one)),
    )


def smoothing_grid() -> list[tuple[float, float]]:
    """The usual smoothings, for a function whose labels cannot be read off."""
    pairs = [((1 - e / 2, e / 2), (1 - e, e), (1 - e, 0.0)) for e in (0.01, 0.05, 0.1, 0.2)]
    return list(itertools.chain.from_iterable(pairs))
