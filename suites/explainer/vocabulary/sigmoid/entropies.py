"""What may stand in place of the binary cross entropy, and the guards that people put around its logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch.nn.functional import softplus

from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, Points, Tensor
from focalbench_suite.suites.explainer.vocabulary.sigmoid.element import (
    RULES,
    cross_entropy,
    distance,
    miss_and_hit,
    probabilities,
)

EPSILONS = (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05)


def entropies(epsilons: Iterable[float]) -> list[Option]:
    """Name: (kind, statement, function of p, 1-p, y, x)."""
    ce, activation = "cross_entropy", "activation"
    named = {
        "-log2 p_t": (ce, "the logarithm has base 2", lambda s: cross_entropy(s) / math.log(2)),
        "-log10 p_t": (ce, "the logarithm has base 10", lambda s: cross_entropy(s) / math.log(10)),
        "-y log p": (
            ce,
            "the part of the negatives, -(1-y) log(1-p), is missing",
            lambda s: -s.y * probabilities(s.x)[0].log(),
        ),
        "-(1-y) log(1-p)": (
            ce,
            "the part of the positives, -y log p, is missing",
            lambda s: -(1 - s.y) * probabilities(s.x)[1].log(),
        ),
        "-log p": (ce, "uses -log p for positives and negatives alike", lambda s: -probabilities(s.x)[0].log()),
        "-log(1-p)": (ce, "uses -log(1-p) for positives and negatives alike", lambda s: -probabilities(s.x)[1].log()),
        "-log(1-p_t)": (
            ce,
            "uses the other label's logarithm: -log(1-p_t) instead of -log p_t",
            lambda s: -miss_and_hit(s)[0].log(),
        ),
        "log p_t": (ce, "the minus sign is missing", lambda s: -cross_entropy(s)),
        "(y-p)^2": (ce, "uses the squared error instead of the cross entropy", lambda s: distance(s)[0] ** 2),
        "|y-p|": (ce, "uses the absolute error instead of the cross entropy", lambda s: distance(s)[0]),
        "-p_t": (ce, "the logarithm is missing: -p_t", lambda s: -miss_and_hit(s)[1]),
        "p_t": (ce, "the logarithm is missing: p_t", lambda s: miss_and_hit(s)[1]),
        "-p_t log p_t": (ce, "multiplies the cross entropy by p_t", lambda s: miss_and_hit(s)[1] * cross_entropy(s)),
        "BCE^2": (ce, "squares the cross entropy", lambda s: cross_entropy(s) ** 2),
        "log(1+BCE)": (ce, "takes the logarithm of 1 + the cross entropy", lambda s: cross_entropy(s).log1p()),
        "KL": (
            ce,
            "subtracts the entropy of the target (the Kullback-Leibler divergence)",
            lambda s: cross_entropy(s) + torch.special.xlogy(s.y, s.y) + torch.special.xlogy(1 - s.y, 1 - s.y),
        ),
        "softplus(-x)": (ce, "uses log(1+exp(-x)) whatever the label", lambda s: softplus(-s.x)),
        "exp(-x)": (ce, "uses the exponential loss", lambda s: (-(2 * s.y - 1) * s.x).exp()),
        "hinge": (ce, "uses the hinge loss", lambda s: (1 - (2 * s.y - 1) * s.x).clamp(min=0)),
        "(x-y)^2": (ce, "uses the squared error between logit and target", lambda s: (s.x - s.y) ** 2),
        "softplus(x)": (ce, "drops the term x y of the cross entropy", lambda s: softplus(s.x)),
        "BCE(sigmoid(p), y)": (
            activation,
            "the cross entropy takes p for a logit, so the sigmoid is applied twice there",
            lambda s: cross_entropy(replace(s, x=torch.sigmoid(s.x))),
        ),
        "-log of the logits": (
            activation,
            "the cross entropy takes the logits for probabilities",
            lambda s: -(s.y * s.x.log() + (1 - s.y) * (1 - s.x).log()),
        ),
    }
    options = [Option((), "BCE", cross_entropy)]
    options += [
        Option((Change(kind, statement),), formula, function) for formula, (kind, statement, function) in named.items()
    ]
    interpolated = Change("soft_labels", "for soft labels, the cross entropy is -log p_t with p_t = p y + (1-p)(1-y)")
    options.append(Option((interpolated,), "-log p_t", lambda s: -miss_and_hit(s)[1].log()))
    for rule, read in RULES.items():
        change = Change("soft_labels", f"the cross entropy takes {rule} for the target")
        options.append(Option((change,), f"BCE(x, {rule})", lambda s, r=read: cross_entropy(replace(s, y=r(s.y)))))
    return options + [option for epsilon in epsilons for option in _guarded(epsilon)]


def _guarded(e: float) -> list[Option]:
    """Logarithms with an epsilon, wherever people put it."""

    def entropy(positive: Callable, negative: Callable) -> Callable[[Points], Tensor]:
        return lambda s: -(s.y * positive(*probabilities(s.x)) + (1 - s.y) * negative(*probabilities(s.x)))

    forms = {
        f"p clipped to [{e:g}, 1-{e:g}]": entropy(
            lambda p, q: p.clamp(e, 1 - e).log(), lambda p, q: q.clamp(e, 1 - e).log()
        ),
        f"log(p+{e:g}) and log(1-p+{e:g})": entropy(lambda p, q: (p + e).log(), lambda p, q: (q + e).log()),
        f"log of at least {e:g}": entropy(lambda p, q: p.clamp(min=e).log(), lambda p, q: q.clamp(min=e).log()),
        f"log(p+{e:g}) and log(1-p)": entropy(lambda p, q: (p + e).log(), lambda p, q: q.log()),
        f"log(p) and log(1-p+{e:g})": entropy(lambda p, q: p.log(), lambda p, q: (q + e).log()),
        f"log(p+{e:g}) and log(1-p-{e:g})": entropy(lambda p, q: (p + e).log(), lambda p, q: (q - e).log()),
        f"p scaled into [{e:g}, 1-{e:g}]": entropy(
            lambda p, q: (p * (1 - 2 * e) + e).log(), lambda p, q: (q * (1 - 2 * e) + e).log()
        ),
    }
    return [
        Option((Change("precision", f"guards the logarithm with an epsilon: {name}"),), f"BCE[{name}]", function)
        for name, function in forms.items()
    ]


def entropy_smoothed(one: float, zero: float) -> Option:
    """Labels smoothed inside the cross entropy only."""
    change = Change(
        "label_smoothing",
        f"labels are smoothed in the cross entropy only: 1 becomes {one:.4g} and 0 becomes {zero:.4g}",
    )
    return Option(
        (change,),
        f"BCE(x, {zero:.4g}+{one - zero:.4g}y)",
        lambda s: cross_entropy(replace(s, y=zero + (one - zero) * s.y)),
    )


def entropy_smoothed_over_classes(e: float) -> Option:
    """Labels smoothed inside the cross entropy only, by e/C for every class."""
    change = Change(
        "label_smoothing",
        f"labels are smoothed in the cross entropy only, by {e:g} over the classes: y becomes {1 - e:g} y + {e:g}/C",
    )
    return Option(
        (change,),
        f"BCE(x, {1 - e:g}y+{e:g}/C)",
        lambda s: cross_entropy(replace(s, y=(1 - e) * s.y + e / s.x.shape[-1])),
    )
