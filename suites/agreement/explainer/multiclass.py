"""The vocabulary of the softmax focal loss and of the distribution focal loss: one row of logits is one element."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from suites.agreement.explainer.binary import EPSILONS, POWERS, power_statement
from suites.agreement.explainer.option import Change, Context, Option, Points, Tensor, Vocabulary

Row = Callable[[Points], Tensor]


def softmax_vocabulary(parameters: set[str], smoothing: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2)) -> Vocabulary:
    """Options of the softmax focal loss; points hold logits (P, C), classes y (P, 1), class weights (P, C) or None."""
    return Vocabulary(
        _class_weights("alpha" in parameters),
        _softmax_modulations("gamma" in parameters, "alpha" in parameters),
        _softmax_entropies(smoothing),
        [Context((), "", lambda s: s), *_softmax_contexts(), *_class_maps()],
        _one_against_all(),
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
        option("alpha[y]/sum(alpha)", "normalises the class weights to sum 1",
               lambda s: off(s) if s.alpha is None else _weight_of(s) / s.alpha.sum(-1, keepdim=True)),
        option("alpha[y]/mean(alpha)", "normalises the class weights to mean 1",
               lambda s: off(s) if s.alpha is None else _weight_of(s) / mean(s)),
        option("alpha[0]", "weighs every row with the first class's weight",
               lambda s: off(s) if s.alpha is None else s.alpha[..., :1]),
        option("alpha[1]", "weighs every row with the second class's weight",
               lambda s: off(s) if s.alpha is None else s.alpha[..., 1:2]),
        option("mean(alpha)", "weighs every row with the mean class weight", lambda s: off(s) if s.alpha is None else mean(s)),
        option("sum(alpha)", "weighs every row with the sum of the class weights",
               lambda s: off(s) if s.alpha is None else s.alpha.sum(-1, keepdim=True)),
        option("alpha[argmax]", "weighs with the weight of the predicted class, not of the target",
               lambda s: off(s) if s.alpha is None else s.alpha.gather(-1, s.x.argmax(-1, keepdim=True))),
        option("alpha[y+1]", "the class weights are shifted by one class",
               lambda s: off(s) if s.alpha is None else s.alpha.roll(-1, -1).gather(-1, s.y)),
        option("alpha[y-1]", "the class weights are shifted by one class",
               lambda s: off(s) if s.alpha is None else s.alpha.roll(1, -1).gather(-1, s.y)),
        option("alpha[C-1-y]", "the class weights are in reverse order",
               lambda s: off(s) if s.alpha is None else s.alpha.flip(-1).gather(-1, s.y)),
        option("sum(alpha p)", "weighs with the mean weight under the predicted probabilities",
               lambda s: off(s) if s.alpha is None else (s.alpha * s.x.softmax(-1)).sum(-1, keepdim=True)),
        option("max(alpha)", "weighs every row with the largest class weight",
               lambda s: off(s) if s.alpha is None else s.alpha.amax(-1, keepdim=True)),
    ]  # fmt: skip


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
        option("(1-max p)^gamma", "gamma", "uses the largest probability, not the target's",
               other(lambda s: 1 - s.x.softmax(-1).amax(-1, keepdim=True))),
        option("(1-sigmoid(x_y))^gamma", "activation", "uses the sigmoid of the target's logit, not its softmax",
               other(lambda s: torch.sigmoid(-s.x.gather(-1, s.y)))),
        option("(1-softmax(softmax))^gamma", "activation", "applies the softmax twice",
               other(lambda s: _miss(replace(s, x=s.x.softmax(-1))))),
        option("(1-x_y)^gamma", "activation", "takes the target's logit for its probability",
               other(lambda s: 1 - s.x.gather(-1, s.y))),
        option("(1-log p_t)^gamma", "gamma", "uses 1-log p_t instead of 1-p_t", other(lambda s: 1 - _log_p(s))),
        option("(1-p_0)^gamma", "gamma", "uses the first class's probability, not the target's",
               other(lambda s: 1 - s.x.softmax(-1)[..., :1])),
        option("mean((1-p)^gamma)", "gamma", "is averaged over all classes",
               lambda s: ((1 - s.x.softmax(-1)) ** s.gamma).mean(-1, keepdim=True)),
        option("sum((1-p)^gamma)", "gamma", "is summed over all classes",
               lambda s: ((1 - s.x.softmax(-1)) ** s.gamma).sum(-1, keepdim=True)),
    ]  # fmt: skip
    for power in (0.5, 1.0, 1.5, 2.5, 3.0, 4.0, 5.0):
        if not free:
            options.append(option(f"(1-p_t)^{power:g}", "gamma", f"takes no gamma and uses {power:g}, not the paper's 2",
                                  lambda s, e=power: _miss(s) ** e))  # fmt: skip
    if weighted:
        options.append(option("(1-exp(-alpha[y] CE))^gamma", "alpha", "lets the class weights into p_t: p_t = exp(-alpha[y] CE)",
                              lambda s: (1 - (_weight_of(s) * _log_p(s)).exp()) ** s.gamma))  # fmt: skip
        options.append(option("(1-alpha[y] p_t)^gamma", "alpha", "multiplies p_t by the class weight",
                              lambda s: (1 - _weight_of(s) * _hit(s)) ** s.gamma))  # fmt: skip
        options.append(option("(alpha[y] (1-p_t))^gamma", "alpha", "raises the class weight to the power gamma, too",
                              lambda s: (_weight_of(s) * _miss(s)) ** s.gamma))  # fmt: skip
    for e in (0.01, 0.05, 0.1, 0.2):
        options.append(option(f"(1-exp(-CE smoothed {e:g}))^gamma", "label_smoothing", f"takes p_t from a cross entropy of labels smoothed by {e:g}",
                              lambda s, e=e: (1 - (-_smoothed(s, e, "uniform")).exp()) ** s.gamma))  # fmt: skip
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
        option("-x_y", act, "takes the target's logit for its log-probability: no log-softmax is applied", lambda s: -s.x.gather(-1, s.y)),
        option("-log x_y", act, "takes the target's logit for its probability: no softmax is applied", lambda s: -s.x.gather(-1, s.y).log()),
        option("CE(softmax)", act, "the cross entropy takes the probabilities for logits, so the softmax is applied twice",
               lambda s: -_log_p(replace(s, x=s.x.softmax(-1)))),
        option("-log sigmoid(x_y)", act, "uses the sigmoid of the target's logit instead of its softmax",
               lambda s: -torch.nn.functional.logsigmoid(s.x.gather(-1, s.y))),
        option("BCE(x, one-hot)", ce, "uses the binary cross entropy of every class, summed, instead of the softmax's",
               lambda s: torch.nn.functional.binary_cross_entropy_with_logits(s.x, _one_hot(s), reduction="none").sum(-1, keepdim=True)),
        option("mean BCE(x, one-hot)", ce, "uses the binary cross entropy of every class, averaged, instead of the softmax's",
               lambda s: torch.nn.functional.binary_cross_entropy_with_logits(s.x, _one_hot(s), reduction="none").mean(-1, keepdim=True)),
        option("BCE(p, one-hot)", ce, "adds -log(1-p) of the other classes",
               lambda s: -(_one_hot(s) * s.x.log_softmax(-1) + _others(s) * (1 - s.x.softmax(-1)).log()).sum(-1, keepdim=True)),
        option("sum((p - one-hot)^2)", ce, "uses the squared error of the probabilities", lambda s: ((s.x.softmax(-1) - _one_hot(s)) ** 2).sum(-1, keepdim=True)),
        option("-mean(log p)", ce, "averages -log p over all classes", lambda s: -s.x.log_softmax(-1).mean(-1, keepdim=True)),
        option("-sum(log p)", ce, "sums -log p over all classes", lambda s: -s.x.log_softmax(-1).sum(-1, keepdim=True)),
        option("-log(p_t)/C", "normaliser", "divides by the number of classes", lambda s: -_log_p(s) / s.x.shape[-1]),
        option("CE log1p", ce, "takes the logarithm of 1 + the cross entropy", lambda s: (-_log_p(s)).log1p()),
    ]  # fmt: skip
    told = {"uniform": "over all classes", "others": "over the other classes", "target": "without giving it to any class",
            "binary": "with half of it to every class", "added": "and added to every class", "wide": "over C-1 classes"}  # fmt: skip
    for e in smoothing:
        for how, where in told.items():
            options.append(option(f"CE[smoothed {e:g} {where}]", "label_smoothing", f"labels are smoothed by {e:g} {where} in the cross entropy",
                                  lambda s, e=e, how=how: _smoothed(s, e, how)))  # fmt: skip
    for e in EPSILONS:
        kind = "precision" if e < 5e-3 else ce
        for form, function in {
            f"log(p_t+{e:g})": lambda s, e=e: -(_hit(s) + e).log(),
            f"log of p_t clipped to [{e:g}, 1-{e:g}]": lambda s, e=e: -_hit(s).clamp(e, 1 - e).log(),
            f"log of p_t of at least {e:g}": lambda s, e=e: -_hit(s).clamp(min=e).log(),
        }.items():
            options.append(option(f"-{form}", kind, f"guards the logarithm with an epsilon: {form}", function))
    return options


def _one_against_all() -> list[Option]:
    """The sigmoid focal loss of every class, where the softmax focal loss of the target's class is meant."""

    def focal(s: Points) -> Tensor:
        hot = _one_hot(s)
        miss = hot * torch.sigmoid(-s.x) + (1 - hot) * torch.sigmoid(s.x)
        return miss**s.gamma * torch.nn.functional.binary_cross_entropy_with_logits(s.x, hot, reduction="none")

    def every(s: Points) -> Tensor:
        p, hot = s.x.softmax(-1), _one_hot(s)
        return -(hot * (1 - p) ** s.gamma * p.log() + (1 - hot) * p**s.gamma * (1 - p).log())

    def option(formula: str, kind: str, statement: str, function: Row) -> Option:
        return Option((Change(kind, statement),), formula, function)

    binary = "uses the sigmoid focal loss of every class, {}, instead of the softmax's"
    more = "adds the focal loss of the other classes as negatives, {}"
    return [
        option(
            "sum of the sigmoid focal losses",
            "activation",
            binary.format("summed"),
            lambda s: focal(s).sum(-1, keepdim=True),
        ),
        option(
            "mean of the sigmoid focal losses",
            "activation",
            binary.format("averaged"),
            lambda s: focal(s).mean(-1, keepdim=True),
        ),
        option(
            "sum over all classes", "cross_entropy", more.format("summed"), lambda s: every(s).sum(-1, keepdim=True)
        ),
        option(
            "mean over all classes", "cross_entropy", more.format("averaged"), lambda s: every(s).mean(-1, keepdim=True)
        ),
    ]


def _softmax_contexts() -> list[Context]:
    def context(kind: str, statement: str, where: str, apply: Callable[[Points], Points]) -> Context:
        return Context((Change(kind, statement),), where, apply)

    return [
        context("activation", "applies the softmax twice", "x = softmax(logits)", lambda s: replace(s, x=s.x.softmax(-1))),
        context("activation", "takes the logits for probabilities: no softmax is applied", "p = logits", _as_probabilities),
        context("activation", "uses the sigmoid of the target's logit in place of the softmax", "p_t = sigmoid(x_y)", _as_binary),
        context("activation", "applies the sigmoid before the softmax", "x = sigmoid(logits)", lambda s: replace(s, x=torch.sigmoid(s.x))),
        context("activation", "applies the log-softmax and then the softmax of minus that", "x = -logits", lambda s: replace(s, x=-s.x)),
        context("activation", "halves the logits", "x = logits/2", lambda s: replace(s, x=s.x / 2)),
    ]  # fmt: skip


def _class_maps() -> list[Context]:
    def context(kind: str, statement: str, where: str, apply: Callable[[Points], Tensor]) -> Context:
        return Context((Change(kind, statement),), where, lambda s: replace(s, y=apply(s)))

    kind = "background_index"
    return [
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


# -- distribution focal loss ------------------------------------------------------------------------------------------


def bins_vocabulary(parameters: set[str]) -> Vocabulary:
    """Options of DFL; points hold logits (P, K), targets y (P, 1) and row weights as alpha (P, 1) or None."""
    weighted = "weight" in parameters
    return Vocabulary(_row_weights(weighted), _bin_weights(), _bin_entropies(), _bin_contexts(), _expectations())


def _expectations() -> list[Option]:
    """Errors of the expected bin, which say nothing of the distribution; half in either column, since columns are summed."""

    def option(formula: str, statement: str, function: Callable[[Tensor], Tensor]) -> Option:
        def whole(s: Points) -> Tensor:
            expected = (s.x.softmax(-1) * torch.arange(s.x.shape[-1], dtype=s.x.dtype)).sum(-1, keepdim=True)
            return function(expected - s.y).expand(-1, 2) / 2

        return Option(
            (Change("cross_entropy", f"uses {statement} instead of the two bins' cross entropies"),), formula, whole
        )

    return [
        option("|E - y|", "the absolute error of the expected bin", torch.abs),
        option("(E - y)^2", "the squared error of the expected bin", torch.square),
        option("(E - y)^2/2", "half the squared error of the expected bin", lambda d: d**2 / 2),
        option("smooth L1(E - y)", "the smooth L1 error of the expected bin",
               lambda d: torch.nn.functional.smooth_l1_loss(d, torch.zeros_like(d), reduction="none")),
    ]  # fmt: skip


def _row_weights(free: bool) -> list[Option]:
    def off(s: Points) -> Tensor:
        return torch.ones_like(s.y)

    if not free:
        return [Option((), "", off)]

    def weight(s: Points) -> Tensor:
        return off(s) if s.alpha is None else s.alpha

    def option(formula: str, statement: str, function: Row) -> Option:
        return Option((Change("alpha", statement),), formula, function)

    return [
        Option((), "weight", weight),
        option("", "the row weight is ignored", off),
        option("weight^2", "the row weight is applied twice", lambda s: weight(s) ** 2),
        option("sqrt(weight)", "the square root of the row weight is applied", lambda s: weight(s) ** 0.5),
        option(
            "(1-weight)", "rows are weighted with 1-weight", lambda s: 1 - weight(s) if s.alpha is not None else off(s)
        ),
        option("(weight > 0)", "the row weight is only used as a mask", lambda s: (weight(s) > 0).to(s.x)),
        option(
            "(1+weight)", "1 is added to the row weight", lambda s: 1 + weight(s) if s.alpha is not None else off(s)
        ),
    ]


def _pair(left: Tensor, right: Tensor) -> Tensor:
    return torch.cat((left, right), -1)


def _bin_weights() -> list[Option]:
    """What the cross entropies of the left and the right bin are weighted with; `share` holds y - y_l."""

    def option(formula: str, statement: str, function: Row) -> Option:
        return Option((Change("target_range", statement),), formula, function)

    def f(s: Points) -> Tensor:
        return s.right

    return [
        Option((), "[y_r - y, y - y_l]", lambda s: _pair(1 - f(s), f(s))),
        option("[y - y_l, y_r - y]", "the left and the right bin's weights are exchanged", lambda s: _pair(f(s), 1 - f(s))),
        option("[1/2, 1/2]", "both bins weigh one half, wherever the target lies", lambda s: _pair(0 * f(s) + 0.5, 0 * f(s) + 0.5)),
        option("[1, 1]", "both bins weigh 1, wherever the target lies", lambda s: _pair(0 * f(s) + 1, 0 * f(s) + 1)),
        option("[(y_r - y)^2, (y - y_l)^2]", "the bins' weights are squared", lambda s: _pair((1 - f(s)) ** 2, f(s) ** 2)),
        option("[sqrt(y_r - y), sqrt(y - y_l)]", "the square roots of the bins' weights are used", lambda s: _pair((1 - f(s)) ** 0.5, f(s) ** 0.5)),
        option("[y_r - y, 0]", "the right bin is missing", lambda s: _pair(1 - f(s), 0 * f(s))),
        option("[0, y - y_l]", "the left bin is missing", lambda s: _pair(0 * f(s), f(s))),
        option("[1, 0]", "only the left bin is used: the target is rounded down", lambda s: _pair(0 * f(s) + 1, 0 * f(s))),
        option("[0, 1]", "only the right bin is used: the target is rounded up", lambda s: _pair(0 * f(s), 0 * f(s) + 1)),
        option("[nearest]", "only the nearest bin is used: the target is rounded",
               lambda s: _pair((f(s) < 0.5).to(s.x), (f(s) >= 0.5).to(s.x))),
        option("[1, y - y_l]", "the left bin always weighs 1", lambda s: _pair(0 * f(s) + 1, f(s))),
        option("[y_r - y, 1]", "the right bin always weighs 1", lambda s: _pair(1 - f(s), 0 * f(s) + 1)),
        option("[y_r - y, y_r - y]", "the right bin has the left bin's weight", lambda s: _pair(1 - f(s), 1 - f(s))),
        option("[y - y_l, y - y_l]", "the left bin has the right bin's weight", lambda s: _pair(f(s), f(s))),
        option("[y_r - y, y_l - y]", "the right bin's weight has the wrong sign", lambda s: _pair(1 - f(s), -f(s))),
        option("[(y_r - y)/2, (y - y_l)/2]", "the bins' weights are halved", lambda s: _pair((1 - f(s)) / 2, f(s) / 2)),
    ]  # fmt: skip


def _bin_entropies() -> list[Option]:
    def at(s: Points, table: Tensor) -> Tensor:
        return table.gather(-1, s.left)

    def option(formula: str, kind: str, statement: str, function: Callable[[Tensor], Tensor]) -> Option:
        return Option((Change(kind, statement),), formula, lambda s: at(s, function(s.x)))

    ce, act = "cross_entropy", "activation"
    options = [
        Option((), "[-log S_l, -log S_r]", lambda s: at(s, -s.x.log_softmax(-1))),
        option("-log2 S", ce, "the logarithm has base 2", lambda x: -x.log_softmax(-1) / math.log(2)),
        option("-log10 S", ce, "the logarithm has base 10", lambda x: -x.log_softmax(-1) / math.log(10)),
        option("log S", ce, "the minus sign is missing", lambda x: x.log_softmax(-1)),
        option("-S", ce, "the logarithm is missing: -S", lambda x: -x.softmax(-1)),
        option("S", ce, "the logarithm is missing: S", lambda x: x.softmax(-1)),
        option("1-S", ce, "uses 1-S instead of -log S", lambda x: 1 - x.softmax(-1)),
        option("-log(1-S)", ce, "uses -log(1-S) instead of -log S", lambda x: -(1 - x.softmax(-1)).log()),
        option("-(1-S)^2 log S", "gamma", "a modulating factor (1-S)^2 is applied to each bin", lambda x: -((1 - x.softmax(-1)) ** 2) * x.log_softmax(-1)),
        option("-(1-S) log S", "gamma", "a modulating factor 1-S is applied to each bin", lambda x: -(1 - x.softmax(-1)) * x.log_softmax(-1)),
        option("-log softmax(softmax)", act, "applies the softmax twice", lambda x: -x.softmax(-1).log_softmax(-1)),
        option("-log sigmoid", act, "uses the sigmoid of each bin instead of the softmax", lambda x: -torch.nn.functional.logsigmoid(x)),
        option("-x", act, "takes the logits for log-probabilities: no softmax is applied", lambda x: -x),
        option("-log x", act, "takes the logits for probabilities: no softmax is applied", lambda x: -x.log()),
        option("-log softmax(-x)", act, "negates the logits", lambda x: -(-x).log_softmax(-1)),
        option("-log softmax(x/2)", act, "halves the logits", lambda x: -(x / 2).log_softmax(-1)),
        option("(1-S)^2", ce, "uses the squared error instead of -log S", lambda x: (1 - x.softmax(-1)) ** 2),
        option("BCE(x, bin)", ce, "uses the binary cross entropy of every bin instead of the softmax's",
               lambda x: (torch.nn.functional.softplus(x).sum(-1, keepdim=True) - x)),
    ]  # fmt: skip
    for e in (0.01, 0.05, 0.1, 0.2):
        options.append(option(f"CE[smoothed {e:g}]", "label_smoothing", f"the bins' labels are smoothed by {e:g}",
                              lambda x, e=e: -((1 - e) * x.log_softmax(-1) + e * x.log_softmax(-1).mean(-1, keepdim=True))))  # fmt: skip
    for e in EPSILONS:
        kind = "precision" if e < 5e-3 else ce
        for form, function in {
            f"log(S+{e:g})": lambda x, e=e: -(x.softmax(-1) + e).log(),
            f"log of S clipped to [{e:g}, 1-{e:g}]": lambda x, e=e: -x.softmax(-1).clamp(e, 1 - e).log(),
            f"log of S of at least {e:g}": lambda x, e=e: -x.softmax(-1).clamp(min=e).log(),
        }.items():
            options.append(option(f"-{form}", kind, f"guards the logarithm with an epsilon: {form}", function))
    return options


def _bin_contexts() -> list[Context]:
    """How a target becomes two bins and a fraction; `left` holds both indices (P, 2), `right` the fraction (P, 1)."""

    def context(
        change: Change | None, where: str, rule: Callable[[Tensor, int], tuple[Tensor, Tensor, Tensor]]
    ) -> Context:
        def apply(s: Points) -> Points:
            bins = s.x.shape[-1]
            left, right, fraction = rule(s.y, bins)
            index = torch.cat((left, right), -1).long().clamp(0, bins - 1)
            return replace(s, left=index, right=fraction)

        return Context((change,) if change else (), where, apply)

    def paper(y: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
        left = y.floor()
        return left, left + 1, y - left

    def on(change: Callable[[Tensor, int], Tensor]) -> Callable:
        return lambda y, bins: paper(change(y, bins), bins)

    def kind(statement: str) -> Change:
        return Change("target_range", statement)

    maps = [
        (kind("targets are cut off at K-1-0.01"), "y = min(y, K-1.01)", on(lambda y, k: y.clamp(0, k - 1 - 0.01))),
        (kind("targets are cut off at K-2"), "y = min(y, K-2)", on(lambda y, k: y.clamp(0, k - 2))),
        (kind("targets are cut off at K-2-0.01"), "y = min(y, K-2.01)", on(lambda y, k: y.clamp(0, k - 2 - 0.01))),
        *((kind(f"targets are cut off at K-1-{e:g}"), f"y = min(y, K-1-{e:g})", on(lambda y, k, e=e: y.clamp(0, k - 1 - e)))
          for e in (0.1, 1e-3, 1e-4)),
        (kind("targets are raised to at least 1"), "y = max(y, 1)", on(lambda y, k: y.clamp(min=1))),
        (kind("targets are moved one bin up"), "y = y+1", on(lambda y, k: y + 1)),
        (kind("targets are moved one bin down"), "y = y-1", on(lambda y, k: (y - 1).clamp(min=0))),
        (kind("targets are moved one bin down"), "y = y-1 mod K", lambda y, k: (((y - 1).floor()) % k, y.floor(), y - y.floor())),
        (kind("targets are moved half a bin up"), "y = y+1/2", on(lambda y, k: (y + 0.5).clamp(max=k - 1))),
        (kind("targets are moved half a bin down"), "y = y-1/2", on(lambda y, k: (y - 0.5).clamp(min=0))),
        (kind("targets are rounded to the nearest bin"), "y = round(y)", on(lambda y, k: y.round())),
        (kind("targets are rounded down"), "y = floor(y)", on(lambda y, k: y.floor())),
        (kind("targets are rounded up"), "y = ceil(y)", on(lambda y, k: y.ceil())),
        (kind("targets are scaled by K-1"), "y = y (K-1)", on(lambda y, k: (y * (k - 1)).clamp(0, k - 1))),
        (kind("targets are scaled by (K-1)/K"), "y = y (K-1)/K", on(lambda y, k: y * (k - 1) / k)),
        (kind("the right bin is the left bin"), "y_r = y_l", lambda y, k: (y.floor(), y.floor(), y - y.floor())),
        (kind("the right bin is two bins to the right"), "y_r = y_l+2", lambda y, k: (y.floor(), (y.floor() + 2).clamp(max=k - 1), y - y.floor())),
        (kind("the right bin is the one left of y_l"), "y_r = y_l-1", lambda y, k: (y.floor(), (y.floor() - 1).clamp(min=0), y - y.floor())),
        (kind("the right bin wraps around to bin 0 at the edge"), "y_r = (y_l+1) mod K", lambda y, k: (y.floor(), (y.floor() + 1) % k, y - y.floor())),
        (kind("the left bin is rounded to the nearest, so a weight can be negative"), "y_l = round(y)",
         lambda y, k: (y.round(), y.round() + 1, y - y.round())),
        (kind("the right bin is cut off at K-2"), "y_r = min(y_l+1, K-2)", lambda y, k: (y.floor(), (y.floor() + 1).clamp(max=k - 2), y - y.floor())),
        (kind("bins are counted from the other end"), "y = K-1-y", on(lambda y, k: k - 1 - y)),
        (kind("the left bin is cut off at K-2, with the weights of the uncut one"), "y_l = min(floor(y), K-2)",
         lambda y, k: (y.floor().clamp(max=k - 2), y.floor().clamp(max=k - 2) + 1, y - y.floor())),
        (kind("the bins are ordered from the right: y_l = ceil(y)-1"), "y_l = ceil(y)-1",
         lambda y, k: ((y.ceil() - 1).clamp(min=0), y.ceil(), y - (y.ceil() - 1).clamp(min=0))),
    ]  # fmt: skip
    lost = Context(
        (kind("the right bin is ceil(y), so at an integer target both bins weigh 0"),), "y_r = ceil(y)",
        lambda s: replace(
            context(None, "", paper).apply(s), share=(s.y != s.y.floor()).to(s.x).expand(-1, 2)
        ),
    )  # fmt: skip
    return [context(None, "", paper), *(context(*entry) for entry in maps), lost]
