"""The vocabulary of the distribution focal loss: one row of logits is one element."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Context, Option, Points, Tensor, Vocabulary
from focalbench_suite.suites.explainer.vocabulary.sigmoid.entropies import EPSILONS

Row = Callable[[Points], Tensor]


def vocabulary(parameters: set[str]) -> Vocabulary:
    """Options of DFL; points hold logits (P, K), targets y (P, 1) and row weights as alpha (P, 1) or None."""
    weighted = "weight" in parameters
    return Vocabulary(_row_weights(weighted), _bin_weights(), _bin_entropies(), _bin_contexts(), _expectations())


def _expectations() -> list[Option]:
    """Losses that are no sum over the two bins, half in either column, since columns are summed."""

    def blended(s: Points) -> Tensor:
        p = s.x.softmax(-1).gather(-1, s.left)
        return -((1 - s.right) * p[:, :1] + s.right * p[:, 1:]).log().expand(-1, 2) / 2

    between = Change(
        "cross_entropy", "takes the logarithm of the two bins' blended probability, not blends their logarithms"
    )

    def option(formula: str, statement: str, function: Callable[[Tensor], Tensor]) -> Option:
        def whole(s: Points) -> Tensor:
            expected = (s.x.softmax(-1) * torch.arange(s.x.shape[-1], dtype=s.x.dtype)).sum(-1, keepdim=True)
            return function(expected - s.y).expand(-1, 2) / 2

        return Option(
            (Change("cross_entropy", f"uses {statement} instead of the two bins' cross entropies"),), formula, whole
        )

    return [
        Option((between,), "-log((y_r - y) S_l + (y - y_l) S_r)", blended),
        option("|E - y|", "the absolute error of the expected bin", torch.abs),
        option("(E - y)^2", "the squared error of the expected bin", torch.square),
        option("(E - y)^2/2", "half the squared error of the expected bin", lambda d: d**2 / 2),
        option(
            "smooth L1(E - y)",
            "the smooth L1 error of the expected bin",
            lambda d: torch.nn.functional.smooth_l1_loss(d, torch.zeros_like(d), reduction="none"),
        ),
    ]


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
        option(
            "[y - y_l, y_r - y]", "the left and the right bin's weights are exchanged", lambda s: _pair(f(s), 1 - f(s))
        ),
        option(
            "[1/2, 1/2]",
            "both bins weigh one half, wherever the target lies",
            lambda s: _pair(0 * f(s) + 0.5, 0 * f(s) + 0.5),
        ),
        option("[1, 1]", "both bins weigh 1, wherever the target lies", lambda s: _pair(0 * f(s) + 1, 0 * f(s) + 1)),
        option(
            "[(y_r - y)^2, (y - y_l)^2]", "the bins' weights are squared", lambda s: _pair((1 - f(s)) ** 2, f(s) ** 2)
        ),
        option(
            "[sqrt(y_r - y), sqrt(y - y_l)]",
            "the square roots of the bins' weights are used",
            lambda s: _pair((1 - f(s)) ** 0.5, f(s) ** 0.5),
        ),
        option("[y_r - y, 0]", "the right bin is missing", lambda s: _pair(1 - f(s), 0 * f(s))),
        option("[0, y - y_l]", "the left bin is missing", lambda s: _pair(0 * f(s), f(s))),
        option(
            "[1, 0]", "only the left bin is used: the target is rounded down", lambda s: _pair(0 * f(s) + 1, 0 * f(s))
        ),
        option(
            "[0, 1]", "only the right bin is used: the target is rounded up", lambda s: _pair(0 * f(s), 0 * f(s) + 1)
        ),
        option(
            "[nearest]",
            "only the nearest bin is used: the target is rounded",
            lambda s: _pair((f(s) < 0.5).to(s.x), (f(s) >= 0.5).to(s.x)),
        ),
        option("[1, y - y_l]", "the left bin always weighs 1", lambda s: _pair(0 * f(s) + 1, f(s))),
        option("[y_r - y, 1]", "the right bin always weighs 1", lambda s: _pair(1 - f(s), 0 * f(s) + 1)),
        option("[y_r - y, y_r - y]", "the right bin has the left bin's weight", lambda s: _pair(1 - f(s), 1 - f(s))),
        option("[y - y_l, y - y_l]", "the left bin has the right bin's weight", lambda s: _pair(f(s), f(s))),
        option("[y_r - y, y_l - y]", "the right bin's weight has the wrong sign", lambda s: _pair(1 - f(s), -f(s))),
    ]


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
        option(
            "-(1-S)^2 log S",
            "gamma",
            "a modulating factor (1-S)^2 is applied to each bin",
            lambda x: -((1 - x.softmax(-1)) ** 2) * x.log_softmax(-1),
        ),
        option(
            "-(1-S) log S",
            "gamma",
            "a modulating factor 1-S is applied to each bin",
            lambda x: -(1 - x.softmax(-1)) * x.log_softmax(-1),
        ),
        option("-log softmax(softmax)", act, "applies the softmax twice", lambda x: -x.softmax(-1).log_softmax(-1)),
        option(
            "-log sigmoid",
            act,
            "uses the sigmoid of each bin instead of the softmax",
            lambda x: -torch.nn.functional.logsigmoid(x),
        ),
        option(
            "-log softmax(sigmoid)",
            act,
            "applies the sigmoid before the softmax",
            lambda x: -torch.sigmoid(x).log_softmax(-1),
        ),
        option("-x", act, "takes the logits for log-probabilities: no softmax is applied", lambda x: -x),
        option("-log x", act, "takes the logits for probabilities: no softmax is applied", lambda x: -x.log()),
        option("-log softmax(-x)", act, "negates the logits", lambda x: -(-x).log_softmax(-1)),
        option("-log softmax(x/2)", act, "halves the logits", lambda x: -(x / 2).log_softmax(-1)),
        option("(1-S)^2", ce, "uses the squared error instead of -log S", lambda x: (1 - x.softmax(-1)) ** 2),
        option(
            "BCE(x, bin)",
            ce,
            "uses the binary cross entropy of every bin instead of the softmax's",
            lambda x: torch.nn.functional.softplus(x).sum(-1, keepdim=True) - x,
        ),
    ]
    for e in (0.01, 0.05, 0.1, 0.2):
        options.append(
            option(
                f"CE[smoothed {e:g}]",
                "label_smoothing",
                f"the bins' labels are smoothed by {e:g}",
                lambda x, e=e: -((1 - e) * x.log_softmax(-1) + e * x.log_softmax(-1).mean(-1, keepdim=True)),
            )
        )
    for e in EPSILONS:
        for form, function in {
            f"log(S+{e:g})": lambda x, e=e: -(x.softmax(-1) + e).log(),
            f"log of S clipped to [{e:g}, 1-{e:g}]": lambda x, e=e: -x.softmax(-1).clamp(e, 1 - e).log(),
            f"log of S of at least {e:g}": lambda x, e=e: -x.softmax(-1).clamp(min=e).log(),
        }.items():
            options.append(option(f"-{form}", "precision", f"guards the logarithm with an epsilon: {form}", function))
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

    def within(y: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
        left = y.floor().clamp(max=bins - 2)  # the same loss; with other weights, another one on the last bin
        return left, left + 1, y - left

    def on(change: Callable[[Tensor, int], Tensor]) -> Callable:
        return lambda y, bins: paper(change(y, bins), bins)

    def kind(statement: str) -> Change:
        return Change("target_range", statement)

    maps = [
        (kind("targets are cut off at K-1-0.01"), "y = min(y, K-1.01)", on(lambda y, k: y.clamp(0, k - 1 - 0.01))),
        (kind("targets are cut off at K-2"), "y = min(y, K-2)", on(lambda y, k: y.clamp(0, k - 2))),
        (kind("targets are cut off at K-2-0.01"), "y = min(y, K-2.01)", on(lambda y, k: y.clamp(0, k - 2 - 0.01))),
        *(
            (
                kind(f"targets are cut off at K-1-{e:g}"),
                f"y = min(y, K-1-{e:g})",
                on(lambda y, k, e=e: y.clamp(0, k - 1 - e)),
            )
            for e in (0.1, 1e-3, 1e-4)
        ),
        (kind("targets are raised to at least 1"), "y = max(y, 1)", on(lambda y, k: y.clamp(min=1))),
        (kind("targets are moved one bin up"), "y = y+1", on(lambda y, k: y + 1)),
        (kind("targets are moved one bin down"), "y = y-1", on(lambda y, k: (y - 1).clamp(min=0))),
        (
            kind("targets are moved one bin down"),
            "y = y-1 mod K",
            lambda y, k: (((y - 1).floor()) % k, y.floor(), y - y.floor()),
        ),
        (kind("targets are moved half a bin up"), "y = y+1/2", on(lambda y, k: (y + 0.5).clamp(max=k - 1))),
        (kind("targets are moved half a bin down"), "y = y-1/2", on(lambda y, k: (y - 0.5).clamp(min=0))),
        (kind("targets are rounded to the nearest bin"), "y = round(y)", on(lambda y, k: y.round())),
        (kind("targets are rounded down"), "y = floor(y)", on(lambda y, k: y.floor())),
        (kind("targets are rounded up"), "y = ceil(y)", on(lambda y, k: y.ceil())),
        (kind("targets are scaled by K-1"), "y = y (K-1)", on(lambda y, k: (y * (k - 1)).clamp(0, k - 1))),
        (kind("targets are scaled by (K-1)/K"), "y = y (K-1)/K", on(lambda y, k: y * (k - 1) / k)),
        (kind("the right bin is the left bin"), "y_r = y_l", lambda y, k: (y.floor(), y.floor(), y - y.floor())),
        (
            kind("the right bin is two bins to the right"),
            "y_r = y_l+2",
            lambda y, k: (y.floor(), (y.floor() + 2).clamp(max=k - 1), y - y.floor()),
        ),
        (
            kind("the right bin is the one left of y_l"),
            "y_r = y_l-1",
            lambda y, k: (y.floor(), (y.floor() - 1).clamp(min=0), y - y.floor()),
        ),
        (
            kind("the right bin wraps around to bin 0 at the edge"),
            "y_r = (y_l+1) mod K",
            lambda y, k: (y.floor(), (y.floor() + 1) % k, y - y.floor()),
        ),
        (
            kind("the left bin is rounded to the nearest, so a weight can be negative"),
            "y_l = round(y)",
            lambda y, k: (y.round(), y.round() + 1, y - y.round()),
        ),
        (
            kind("the right bin is cut off at K-2"),
            "y_r = min(y_l+1, K-2)",
            lambda y, k: (y.floor(), (y.floor() + 1).clamp(max=k - 2), y - y.floor()),
        ),
        (kind("bins are counted from the other end"), "y = K-1-y", on(lambda y, k: k - 1 - y)),
        (
            kind("the left bin is cut off at K-2, with the weights of the uncut one"),
            "y_l = min(floor(y), K-2)",
            lambda y, k: (y.floor().clamp(max=k - 2), y.floor().clamp(max=k - 2) + 1, y - y.floor()),
        ),
        (
            kind("the bins are ordered from the right: y_l = ceil(y)-1"),
            "y_l = ceil(y)-1",
            lambda y, k: ((y.ceil() - 1).clamp(min=0), y.ceil(), y - (y.ceil() - 1).clamp(min=0)),
        ),
    ]
    lost = Context(
        (kind("the right bin is ceil(y), so at an integer target both bins weigh 0"),),
        "y_r = ceil(y)",
        lambda s: replace(context(None, "", paper).apply(s), share=(s.y != s.y.floor()).to(s.x).expand(-1, 2)),
    )
    return [context(None, "", paper), context(None, "", within), *(context(*entry) for entry in maps), lost]
