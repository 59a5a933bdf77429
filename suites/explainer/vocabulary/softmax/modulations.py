"""What may stand in place of the modulating factor (1-p_t)^gamma of a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Option, Points, Tensor
from focalbench_suite.suites.explainer.vocabulary.sigmoid.modulations import POWERS, power_statement
from focalbench_suite.suites.explainer.vocabulary.softmax.rows import hit, log_p, miss, smoothed, weight_of

Row = Callable[[Points], Tensor]


def modulations(free: bool, weighted: bool) -> list[Option]:
    def option(formula: str, kind: str, statement: str, function: Row) -> Option:
        return Option((Change(kind, f"the modulating factor {statement}"),), formula, function)

    options = [Option((), "(1-p_t)^gamma", lambda s: miss(s) ** s.gamma)]
    for formula, (function, statement) in POWERS.items():
        change = Change("gamma", power_statement(statement, "gamma"))
        options.append(Option((change,), formula.format(g="gamma"), lambda s, f=function: f(miss(s), hit(s), s.gamma)))

    def other(read: Callable[[Points], Tensor]) -> Row:
        return lambda s: read(s) ** s.gamma

    options += [
        option(
            "(1-max p)^gamma",
            "gamma",
            "uses the largest probability, not the target's",
            other(lambda s: 1 - s.x.softmax(-1).amax(-1, keepdim=True)),
        ),
        option(
            "(1-sigmoid(x_y))^gamma",
            "activation",
            "uses the sigmoid of the target's logit, not its softmax",
            other(lambda s: torch.sigmoid(-s.x.gather(-1, s.y))),
        ),
        option(
            "(1-softmax(softmax))^gamma",
            "activation",
            "applies the softmax twice",
            other(lambda s: miss(replace(s, x=s.x.softmax(-1)))),
        ),
        option(
            "(1-x_y)^gamma",
            "activation",
            "takes the target's logit for its probability",
            other(lambda s: 1 - s.x.gather(-1, s.y)),
        ),
        option("(1-log p_t)^gamma", "gamma", "uses 1-log p_t instead of 1-p_t", other(lambda s: 1 - log_p(s))),
        option(
            "(1-p_0)^gamma",
            "gamma",
            "uses the first class's probability, not the target's",
            other(lambda s: 1 - s.x.softmax(-1)[..., :1]),
        ),
        option(
            "mean((1-p)^gamma)",
            "gamma",
            "is averaged over all classes",
            lambda s: ((1 - s.x.softmax(-1)) ** s.gamma).mean(-1, keepdim=True),
        ),
        option(
            "sum((1-p)^gamma)",
            "gamma",
            "is summed over all classes",
            lambda s: ((1 - s.x.softmax(-1)) ** s.gamma).sum(-1, keepdim=True),
        ),
    ]
    for power in (0.5, 1.0, 1.5, 2.5, 3.0, 4.0, 5.0):
        if not free:
            options.append(
                option(
                    f"(1-p_t)^{power:g}",
                    "gamma",
                    f"takes no gamma and uses {power:g}, not the paper's 2",
                    lambda s, e=power: miss(s) ** e,
                )
            )
    if weighted:
        options.append(
            option(
                "(1-exp(-alpha[y] CE))^gamma",
                "alpha",
                "lets the class weights into p_t: p_t = exp(-alpha[y] CE)",
                lambda s: (1 - (weight_of(s) * log_p(s)).exp()) ** s.gamma,
            )
        )
        options.append(
            option(
                "(1-alpha[y] p_t)^gamma",
                "alpha",
                "multiplies p_t by the class weight",
                lambda s: (1 - weight_of(s) * hit(s)) ** s.gamma,
            )
        )
        options.append(
            option(
                "(alpha[y] (1-p_t))^gamma",
                "alpha",
                "raises the class weight to the power gamma, too",
                lambda s: (weight_of(s) * miss(s)) ** s.gamma,
            )
        )
    for e in (0.01, 0.05, 0.1, 0.2):
        options.append(
            option(
                f"(1-exp(-CE smoothed {e:g}))^gamma",
                "label_smoothing",
                f"takes p_t from a cross entropy of labels smoothed by {e:g}",
                lambda s, e=e: (1 - (-smoothed(s, e, "uniform")).exp()) ** s.gamma,
            )
        )
        options.append(
            option(
                f"(1-exp(-alpha CE smoothed {e:g}))^gamma",
                "label_smoothing",
                f"takes p_t from a weighted cross entropy of labels smoothed by {e:g}",
                lambda s, e=e: (1 - (-weight_of(s) * smoothed(s, e, "own")).exp()) ** s.gamma,
            )
        )
    return options
