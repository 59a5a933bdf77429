"""The vocabulary of the softmax focal loss: one row of logits is one element."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from suites.agreement.explainer.entropies import EPSILONS
from suites.agreement.explainer.modulations import POWERS, power_statement
from suites.agreement.explainer.option import Change, Context, Option, Points, Tensor, Vocabulary

Row = Callable[[Points], Tensor]


def vocabulary(parameters: set[str], smoothing: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2)) -> Vocabulary:
    """Options of the softmax focal loss; points hold logits (P, C), classes y (P, 1), class weights (P, C) or None."""
    return Vocabulary(
        _class_weights("alpha" in parameters),
        _softmax_modulations("gamma" in parameters, "alpha" in parameters),
        _softmax_entropies(smoothing),
        [Context((), "", lambda s: s), *_softmax_contexts(), *_class_maps()],
        _one_against_all(weighted=False),
        _one_against_all(weighted=True) if "alpha" in parameters else [],
    )


def _log_p(s: Points) -> Tensor:
    """log p_t, (P, 1)."""
    return s.x.log_softmax(-1).gather(-1, s.y)


def _hit(s: Points) -> Tensor:
    return _log_p(s).exp()


def _miss(s: Points) -> Tensor:
    p = s.x.softmax(-1)
    return (p * _others(s)).sum(-1, keepdim=True)  # without the cancellation of 1 - p_t


def _others(s: Points) -> Tensor:
    return 1 - _one_hot(s)


def _one_hot(s: Points) -> Tensor:
    return torch.zeros_like(s.x).scatter(-1, s.y, 1.0)


def _weight_of(s: Points) -> Tensor:
    return torch.ones_like(s.x[..., :1]) if s.alpha is None else s.alpha.gather(-1, s.y)


def _class_weights(free: bool) -> list[Option]:
    one = Option((), "", lambda s: torch.ones_like(s.x[..., :1]))
    if not free:
        quarter = Change("alpha", "weighs every row with 0.25")
        return [one, Option((quarter,), "0.25", lambda s: torch.full_like(s.x[..., :1], 0.25))]

    def option(formula: str, statement: str, function: Row) -> Option:
        return Option((Change("alpha", statement),), formula, function)

    def mean(s: Points) -> Tensor:
        return s.alpha.mean(-1, keepdim=True)

    off = one.apply
    return [
        Option((), "alpha[y]", _weight_of),
        option("", "the class weights alpha are ignored", off),
        option("1-alpha[y]", "weighs with 1-alpha[y]", lambda s: off(s) if s.alpha is None else 1 - _weight_of(s)),
        option("alpha[y]^2", "applies the class weights twice", lambda s: _weight_of(s) ** 2),
        option("sqrt(alpha[y])", "weighs with the square root of alpha[y]", lambda s: _weight_of(s) ** 0.5),
        option("1/alpha[y]", "divides by alpha[y]", lambda s: 1 / _weight_of(s)),
        option(
            "alpha[y]/sum(alpha)",
            "normalises the class weights to sum 1",
            lambda s: off(s) if s.alpha is None else _weight_of(s) / s.alpha.sum(-1, keepdim=True),
        ),
        option(
            "alpha[y]/mean(alpha)",
            "normalises the class weights to mean 1",
            lambda s: off(s) if s.alpha is None else _weight_of(s) / mean(s),
        ),
        option(
            "alpha[0]",
            "weighs every row with the first class's weight",
            lambda s: off(s) if s.alpha is None else s.alpha[..., :1],
        ),
        option(
            "alpha[1]",
            "weighs every row with the second class's weight",
            lambda s: off(s) if s.alpha is None else s.alpha[..., 1:2],
        ),
        option(
            "mean(alpha)",
            "weighs every row with the mean class weight",
            lambda s: off(s) if s.alpha is None else mean(s),
        ),
        option(
            "sum(alpha)",
            "weighs every row with the sum of the class weights",
            lambda s: off(s) if s.alpha is None else s.alpha.sum(-1, keepdim=True),
        ),
        option(
            "alpha[argmax]",
            "weighs with the weight of the predicted class, not of the target",
            lambda s: off(s) if s.alpha is None else s.alpha.gather(-1, s.x.argmax(-1, keepdim=True)),
        ),
        option(
            "alpha[y+1]",
            "the class weights are shifted by one class",
            lambda s: off(s) if s.alpha is None else s.alpha.roll(-1, -1).gather(-1, s.y),
        ),
        option(
            "alpha[y-1]",
            "the class weights are shifted by one class",
            lambda s: off(s) if s.alpha is None else s.alpha.roll(1, -1).gather(-1, s.y),
        ),
        option(
            "alpha[C-1-y]",
            "the class weights are in reverse order",
            lambda s: off(s) if s.alpha is None else s.alpha.flip(-1).gather(-1, s.y),
        ),
        option(
            "sum(alpha p)",
            "weighs with the mean weight under the predicted probabilities",
            lambda s: off(s) if s.alpha is None else (s.alpha * s.x.softmax(-1)).sum(-1, keepdim=True),
        ),
        option(
            "max(alpha)",
            "weighs every row with the largest class weight",
            lambda s: off(s) if s.alpha is None else s.alpha.amax(-1, keepdim=True),
        ),
    ]


def _softmax_modulations(free: bool, weighted: bool) -> list[Option]:
    def option(formula: str, kind: str, statement: str, function: Row) -> Option:
        return Option((Change(kind, f"the modulating factor {statement}"),), formula, function)

    options = [Option((), "(1-p_t)^gamma", lambda s: _miss(s) ** s.gamma)]
    for formula, (function, statement) in POWERS.items():
        change = Change("gamma", power_statement(statement, "gamma"))
        options.append(
            Option((change,), formula.format(g="gamma"), lambda s, f=function: f(_miss(s), _hit(s), s.gamma))
        )

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
            other(lambda s: _miss(replace(s, x=s.x.softmax(-1)))),
        ),
        option(
            "(1-x_y)^gamma",
            "activation",
            "takes the target's logit for its probability",
            other(lambda s: 1 - s.x.gather(-1, s.y)),
        ),
        option("(1-log p_t)^gamma", "gamma", "uses 1-log p_t instead of 1-p_t", other(lambda s: 1 - _log_p(s))),
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
                    lambda s, e=power: _miss(s) ** e,
                )
            )
    if weighted:
        options.append(
            option(
                "(1-exp(-alpha[y] CE))^gamma",
                "alpha",
                "lets the class weights into p_t: p_t = exp(-alpha[y] CE)",
                lambda s: (1 - (_weight_of(s) * _log_p(s)).exp()) ** s.gamma,
            )
        )
        options.append(
            option(
                "(1-alpha[y] p_t)^gamma",
                "alpha",
                "multiplies p_t by the class weight",
                lambda s: (1 - _weight_of(s) * _hit(s)) ** s.gamma,
            )
        )
        options.append(
            option(
                "(alpha[y] (1-p_t))^gamma",
                "alpha",
                "raises the class weight to the power gamma, too",
                lambda s: (_weight_of(s) * _miss(s)) ** s.gamma,
            )
        )
    for e in (0.01, 0.05, 0.1, 0.2):
        options.append(
            option(
                f"(1-exp(-CE smoothed {e:g}))^gamma",
                "label_smoothing",
                f"takes p_t from a cross entropy of labels smoothed by {e:g}",
                lambda s, e=e: (1 - (-_smoothed(s, e, "uniform")).exp()) ** s.gamma,
            )
        )
        options.append(
            option(
                f"(1-exp(-alpha CE smoothed {e:g}))^gamma",
                "label_smoothing",
                f"takes p_t from a weighted cross entropy of labels smoothed by {e:g}",
                lambda s, e=e: (1 - (-_weight_of(s) * _smoothed(s, e, "own")).exp()) ** s.gamma,
            )
        )
    return options


def _smoothed(s: Points, e: float, how: str) -> Tensor:
    """Cross entropy of smoothed labels, (P, 1)."""
    classes = s.x.shape[-1]
    spread = {
        "uniform": lambda h: (1 - e) * h + e / classes,
        "others": lambda h: (1 - e) * h + e * (1 - h) / (classes - 1),
        "target": lambda h: (1 - e) * h,
        "binary": lambda h: (1 - e) * h + e / 2,
        "added": lambda h: (1 - e) * h + e,
        "wide": lambda h: (1 - e) * h + e / (classes - 1),
        "own": lambda h: ((1 - e) * h + e / classes) * (1.0 if s.alpha is None else s.alpha / _weight_of(s)),
    }[how](_one_hot(s))
    return -(spread * s.x.log_softmax(-1)).sum(-1, keepdim=True)


def _softmax_entropies(smoothing: tuple[float, ...]) -> list[Option]:
    def option(formula: str, kind: str, statement: str, function: Row) -> Option:
        return Option((Change(kind, statement),), formula, function)

    ce, act = "cross_entropy", "activation"
    options = [
        Option((), "-log p_t", lambda s: -_log_p(s)),
        option("-log2 p_t", ce, "the logarithm has base 2", lambda s: -_log_p(s) / math.log(2)),
        option("-log10 p_t", ce, "the logarithm has base 10", lambda s: -_log_p(s) / math.log(10)),
        option("log p_t", ce, "the minus sign is missing", _log_p),
        option("-p_t", ce, "the logarithm is missing: -p_t", lambda s: -_hit(s)),
        option("p_t", ce, "the logarithm is missing: p_t", _hit),
        option("1-p_t", ce, "uses 1-p_t instead of the cross entropy", _miss),
        option("-log(1-p_t)", ce, "uses -log(1-p_t) instead of -log p_t", lambda s: -_miss(s).log()),
        option("-p_t log p_t", ce, "multiplies the cross entropy by p_t", lambda s: -_hit(s) * _log_p(s)),
        option("CE^2", ce, "squares the cross entropy", lambda s: _log_p(s) ** 2),
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
            lambda s: -_log_p(replace(s, x=s.x.softmax(-1))),
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
            lambda s: torch.nn.functional.binary_cross_entropy_with_logits(s.x, _one_hot(s), reduction="none").sum(
                -1, keepdim=True
            ),
        ),
        option(
            "mean BCE(x, one-hot)",
            ce,
            "uses the binary cross entropy of every class, averaged, instead of the softmax's",
            lambda s: torch.nn.functional.binary_cross_entropy_with_logits(s.x, _one_hot(s), reduction="none").mean(
                -1, keepdim=True
            ),
        ),
        option(
            "BCE(p, one-hot)",
            ce,
            "adds -log(1-p) of the other classes",
            lambda s: (
                -(_one_hot(s) * s.x.log_softmax(-1) + _others(s) * (1 - s.x.softmax(-1)).log()).sum(-1, keepdim=True)
            ),
        ),
        option(
            "sum((p - one-hot)^2)",
            ce,
            "uses the squared error of the probabilities",
            lambda s: ((s.x.softmax(-1) - _one_hot(s)) ** 2).sum(-1, keepdim=True),
        ),
        option(
            "-mean(log p)",
            ce,
            "averages -log p over all classes",
            lambda s: -s.x.log_softmax(-1).mean(-1, keepdim=True),
        ),
        option("-sum(log p)", ce, "sums -log p over all classes", lambda s: -s.x.log_softmax(-1).sum(-1, keepdim=True)),
        option("-log(p_t)/C", "normaliser", "divides by the number of classes", lambda s: -_log_p(s) / s.x.shape[-1]),
        option("CE log1p", ce, "takes the logarithm of 1 + the cross entropy", lambda s: (-_log_p(s)).log1p()),
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
                    lambda s, e=e, how=how: _smoothed(s, e, how),
                )
            )
    for e in EPSILONS:
        for form, function in {
            f"log(p_t+{e:g})": lambda s, e=e: -(_hit(s) + e).log(),
            f"log of p_t clipped to [{e:g}, 1-{e:g}]": lambda s, e=e: -_hit(s).clamp(e, 1 - e).log(),
            f"log of p_t of at least {e:g}": lambda s, e=e: -_hit(s).clamp(min=e).log(),
        }.items():
            options.append(option(f"-{form}", "precision", f"guards the logarithm with an epsilon: {form}", function))
    return options


def _one_against_all(weighted: bool) -> list[Option]:
    """The focal loss of every class, where that of the target's class is meant; `weighted` by its own class's alpha."""

    def weight(s: Points) -> Tensor:
        return s.alpha if weighted and s.alpha is not None else torch.ones_like(s.x)

    def sigmoid(s: Points) -> Tensor:
        hot = _one_hot(s)
        miss = hot * torch.sigmoid(-s.x) + (1 - hot) * torch.sigmoid(s.x)
        return miss**s.gamma * torch.nn.functional.binary_cross_entropy_with_logits(s.x, hot, reduction="none")

    def softmax(s: Points) -> Tensor:
        p, hot = s.x.softmax(-1), _one_hot(s)
        return -(hot * (1 - p) ** s.gamma * p.log() + (1 - hot) * p**s.gamma * (1 - p).log())

    def mixed(s: Points) -> Tensor:
        p, hot = s.x.softmax(-1), _one_hot(s)
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
