"""What may stand in place of -log p_t of a row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, Points, Tensor
from focalbench_suite.suites.explainer.vocabulary.sigmoid.entropies import EPSILONS
from focalbench_suite.suites.explainer.vocabulary.softmax.rows import hit, log_p, miss, one_hot, others, smoothed

Row = Callable[[Points], Tensor]


def entropies(smoothing: tuple[float, ...]) -> list[Option]:
    def option(formula: str, kind: str, statement: str, function: Row) -> Option:
        return Option((Change(kind, statement),), formula, function)

    ce, act = "cross_entropy", "activation"
    options = [
        Option((), "-log p_t", lambda s: -log_p(s)),
        option("-log2 p_t", ce, "the logarithm has base 2", lambda s: -log_p(s) / math.log(2)),
        option("-log10 p_t", ce, "the logarithm has base 10", lambda s: -log_p(s) / math.log(10)),
        option("log p_t", ce, "the minus sign is missing", log_p),
        option("-p_t", ce, "the logarithm is missing: -p_t", lambda s: -hit(s)),
        option("p_t", ce, "the logarithm is missing: p_t", hit),
        option("1-p_t", ce, "uses 1-p_t instead of the cross entropy", miss),
        option("-log(1-p_t)", ce, "uses -log(1-p_t) instead of -log p_t", lambda s: -miss(s).log()),
        option("-p_t log p_t", ce, "multiplies the cross entropy by p_t", lambda s: -hit(s) * log_p(s)),
        option("CE^2", ce, "squares the cross entropy", lambda s: log_p(s) ** 2),
        option(
            "-x_y",
            act,
            "takes the target's logit for its log-probability: no log-softmax is applied",
            lambda s: -s.x.gather(-1, s.y),
        ),
        option(
            "-log x_y",
            act,
            "takes the target's logit for its probability: no softmax is applied",
            lambda s: -s.x.gather(-1, s.y).log(),
        ),
        option(
            "CE(softmax)",
            act,
            "the cross entropy takes the probabilities for logits, so the softmax is applied twice",
            lambda s: -log_p(replace(s, x=s.x.softmax(-1))),
        ),
        option(
            "-log sigmoid(x_y)",
            act,
            "uses the sigmoid of the target's logit instead of its softmax",
            lambda s: -torch.nn.functional.logsigmoid(s.x.gather(-1, s.y)),
        ),
        option(
            "BCE(x, one-hot)",
            ce,
            "uses the binary cross entropy of every class, summed, instead of the softmax's",
            lambda s: torch.nn.functional.binary_cross_entropy_with_logits(s.x, one_hot(s), reduction="none").sum(
                -1, keepdim=True
            ),
        ),
        option(
            "mean BCE(x, one-hot)",
            ce,
            "uses the binary cross entropy of every class, averaged, instead of the softmax's",
            lambda s: torch.nn.functional.binary_cross_entropy_with_logits(s.x, one_hot(s), reduction="none").mean(
                -1, keepdim=True
            ),
        ),
        option(
            "BCE(p, one-hot)",
            ce,
            "adds -log(1-p) of the other classes",
            lambda s: (
                -(one_hot(s) * s.x.log_softmax(-1) + others(s) * (1 - s.x.softmax(-1)).log()).sum(-1, keepdim=True)
            ),
        ),
        option(
            "sum((p - one-hot)^2)",
            ce,
            "uses the squared error of the probabilities",
            lambda s: ((s.x.softmax(-1) - one_hot(s)) ** 2).sum(-1, keepdim=True),
        ),
        option(
            "-mean(log p)",
            ce,
            "averages -log p over all classes",
            lambda s: -s.x.log_softmax(-1).mean(-1, keepdim=True),
        ),
        option("-sum(log p)", ce, "sums -log p over all classes", lambda s: -s.x.log_softmax(-1).sum(-1, keepdim=True)),
        option("-log(p_t)/C", "normaliser", "divides by the number of classes", lambda s: -log_p(s) / s.x.shape[-1]),
        option("CE log1p", ce, "takes the logarithm of 1 + the cross entropy", lambda s: (-log_p(s)).log1p()),
    ]
    told = {
        "uniform": "over all classes",
        "others": "over the other classes",
        "target": "without giving it to any class",
        "binary": "with half of it to every class",
        "added": "and added to every class",
        "wide": "over C-1 classes",
        "own": "over all classes, each weighted with its own alpha as torch's cross entropy does,",
    }
    for e in smoothing:
        for how, where in told.items():
            options.append(
                option(
                    f"CE[smoothed {e:g} {where}]",
                    "label_smoothing",
                    f"labels are smoothed by {e:g} {where} in the cross entropy",
                    lambda s, e=e, how=how: smoothed(s, e, how),
                )
            )
    for e in EPSILONS:
        for form, function in {
            f"log(p_t+{e:g})": lambda s, e=e: -(hit(s) + e).log(),
            f"log of p_t clipped to [{e:g}, 1-{e:g}]": lambda s, e=e: -hit(s).clamp(e, 1 - e).log(),
            f"log of p_t of at least {e:g}": lambda s, e=e: -hit(s).clamp(min=e).log(),
        }.items():
            options.append(option(f"-{form}", "precision", f"guards the logarithm with an epsilon: {form}", function))
    return options
