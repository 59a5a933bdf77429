"""How the losses of the elements become what is returned: shapes, normalisers, and reductions that come too early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from focalbench_suite.suites.explainer.vocabulary.option import Change, Tensor


@dataclass(frozen=True)
class Batch:
    """The factors of every element (N, C) (or row (N,)) of one call, and its targets in the same shape."""

    weight: Tensor
    modulation: Tensor
    entropy: Tensor
    targets: Tensor
    kept: Tensor  # 0 where the element is ignored
    gamma: float = 0.0
    classes: int = 1
    labels: Tensor | None = None  # class labels (N,), where the function takes them

    @property
    def terms(self) -> Tensor:
        return self.weight * self.modulation * self.entropy * self.kept

    @property
    def positives(self) -> Tensor:
        return ((self.targets > 0) & (self.kept > 0)).to(self.entropy).sum()


@dataclass(frozen=True)
class Reduction:
    """`early` ones reduce before modulating or weighting, which makes another function of the batch."""

    name: str
    apply: Callable[[Batch], Tensor]
    change: Change | None = None
    early: bool = False


def _divided(name: str, divisor: Callable[[Batch], Tensor | float], kind: str = "normaliser") -> Reduction:
    change = Change(kind, f"reduces by {name}")
    return Reduction(name, lambda b: b.terms.sum() / divisor(b), change)


def _other(name: str, apply: Callable[[Batch], Tensor]) -> Reduction:
    return Reduction(name, apply, Change("reduction", f"reduces by {name}"))


def _early(name: str, statement: str, apply: Callable[[Batch], Tensor]) -> Reduction:
    return Reduction(name, apply, Change("reduction", statement), early=True)


def _rows(function: Callable[[Tensor], Tensor]) -> Callable[[Batch], Tensor]:
    return lambda b: function(b.terms) if b.terms.dim() > 1 else b.terms.sum() * torch.nan


def _of_mean(b: Batch, reduce: Callable[[Tensor], Tensor], weighted: bool) -> Tensor:
    """The modulating factor computed from the reduced cross entropy, p_t = exp(-mean)."""
    entropy = reduce(b.entropy * (b.weight if weighted else 1.0))
    focal = (1 - (-entropy).exp()) ** b.gamma * entropy
    return focal if weighted else focal * b.weight


def _of_weighted_mean(b: Batch) -> Tensor:
    """What `torch.nn.functional.cross_entropy` with class weights returns by default, modulated."""
    entropy = (b.entropy * b.weight).sum() / b.weight.sum()
    return (1 - (-entropy).exp()) ** b.gamma * entropy


def _mean(t: Tensor) -> Tensor:
    return t.mean()


def _total(t: Tensor) -> Tensor:
    return t.sum()


REDUCTIONS = [
    Reduction("none", lambda b: b.terms),
    Reduction("mean", lambda b: b.terms.mean()),
    Reduction("sum", lambda b: b.terms.sum()),
    _divided("sum / rows", lambda b: float(len(b.terms)), "reduction"),
    _divided("mean over dim 1, then sum", lambda b: float(b.classes), "reduction"),
    _other("sum over each row", _rows(lambda t: t.sum(-1))),
    _other("mean over each row", _rows(lambda t: t.mean(-1))),
    _other("sum over each column", _rows(lambda t: t.sum(0))),
    _other("mean over each column", _rows(lambda t: t.mean(0))),
    _divided("sum / positives (at least 1)", lambda b: b.positives.clamp(min=1)),
    _divided("sum / positives", lambda b: b.positives),
    _divided("sum / (positives + 1)", lambda b: b.positives + 1),
    _divided("sum / (positives + epsilon)", lambda b: b.positives + 1e-6),
    _divided("sum / sum of targets (at least 1)", lambda b: (b.targets * b.kept).sum().clamp(min=1)),
    _divided("sum / sum of targets", lambda b: (b.targets * b.kept).sum()),
    _divided("sum / (sum of targets + 1)", lambda b: (b.targets * b.kept).sum() + 1),
    _divided("sum / elements that are not ignored", lambda b: b.kept.sum()),
    _divided("sum / elements that are not ignored (at least 1)", lambda b: b.kept.sum().clamp(min=1)),
    _divided("sum / rows that are not ignored", lambda b: b.kept.reshape(len(b.kept), -1).amax(-1).sum()),
    _divided("sum / labels that are not -1", lambda b: _labels(b, lambda y: y >= 0)),
    _divided("sum / labels that are classes (at least 1)", lambda b: _labels(b, lambda y: (y >= 0) & (y < b.classes))),
    _divided(
        "sum / rows with a positive (at least 1)",
        lambda b: (b.targets > 0).reshape(len(b.targets), -1).any(-1).sum().clamp(min=1),
    ),
    _divided("sum / sum of weights", lambda b: (b.weight * b.kept).sum()),
    _divided("sum / (sum of weights, at least 1)", lambda b: (b.weight * b.kept).sum().clamp(min=1)),
    _divided("sum / sum of modulating factors", lambda b: b.modulation.sum()),
    _divided("sum / detached sum of modulating factors", lambda b: b.modulation.detach().sum()),
    _divided("sum / sum of weight and modulating factor", lambda b: (b.weight * b.modulation).sum()),
    _divided("sum / sum of negatives (at least 1)", lambda b: ((1 - b.targets) * b.kept).sum().clamp(min=1)),
    _divided("sum / (elements - 1)", lambda b: float(b.terms.numel() - 1)),
    _divided("sum / (elements + 1)", lambda b: float(b.terms.numel() + 1)),
    _divided("sum / square root of the elements", lambda b: float(b.terms.numel()) ** 0.5),
    _divided("sum / (2 elements)", lambda b: 2.0 * b.terms.numel()),
    _divided("2 sum / elements", lambda b: b.terms.numel() / 2.0),
    _divided("mean / classes", lambda b: float(b.terms.numel() * b.classes)),
    _other("mean of positives plus mean of negatives", lambda b: _side_means(b, 1.0)),
    _other("half of mean of positives plus mean of negatives", lambda b: _side_means(b, 0.5)),
    _other("mean over the elements that are not 0", lambda b: b.terms.sum() / (b.terms != 0).sum()),
    _other("mean over the positives only", lambda b: (b.terms * (b.targets > 0)).sum() / b.positives.clamp(min=1)),
    _other("maximum", lambda b: b.terms.max()),
    _other("median", lambda b: b.terms.median()),
    _other("first row only", _rows(lambda t: t[0].sum())),
    _other("square root of the mean of squares", lambda b: (b.terms**2).mean().sqrt()),
    _early(
        "mean of the cross entropy, then modulation",
        "the cross entropy is averaged over the batch first and modulated then, with p_t = exp(-mean)",
        lambda b: _of_mean(b, _mean, True),
    ),
    _early(
        "weighted mean of the cross entropy, then modulation",
        "the cross entropy is averaged with the weights over the batch first and modulated then, with p_t = exp(-mean)",
        _of_weighted_mean,
    ),
    _early(
        "sum of the cross entropy, then modulation",
        "the cross entropy is summed over the batch first and modulated then, with p_t = exp(-sum)",
        lambda b: _of_mean(b, _total, True),
    ),
    _early(
        "mean of the cross entropy, modulation, then weights",
        "the cross entropy is averaged over the batch before it is modulated and weighted",
        lambda b: _of_mean(b, _mean, False),
    ),
    _early(
        "mean of the cross entropy, modulation, mean of weights",
        "the cross entropy is averaged over the batch before it is modulated, and weighted at last, then averaged",
        lambda b: _of_mean(b, _mean, False).mean(),
    ),
    _early(
        "mean of the cross entropy, modulation, sum of weights",
        "the cross entropy is averaged over the batch before it is modulated, and weighted at last, then summed",
        lambda b: _of_mean(b, _mean, False).sum(),
    ),
    _early(
        "sum of the cross entropy, modulation, mean of weights",
        "the cross entropy is summed over the batch before it is modulated and weighted",
        lambda b: _of_mean(b, _total, False).mean(),
    ),
    _early(
        "row means of the cross entropy, then modulation",
        "the cross entropy is averaged over each row before it is modulated",
        lambda b: _by_row(b, lambda t: t.mean(-1)).mean(),
    ),
    _early(
        "row sums of the cross entropy, then modulation",
        "the cross entropy is summed over each row before it is modulated",
        lambda b: _by_row(b, lambda t: t.sum(-1)).mean(),
    ),
    _early(
        "row sums of the cross entropy, then modulation, summed",
        "the cross entropy is summed over each row before it is modulated",
        lambda b: _by_row(b, lambda t: t.sum(-1)).sum(),
    ),
    _early(
        "row means of the cross entropy, then modulation, summed",
        "the cross entropy is averaged over each row before it is modulated",
        lambda b: _by_row(b, lambda t: t.mean(-1)).sum(),
    ),
    *(
        _early(f"{told} of {what}", f"the factors are averaged apart: {what}, {told}", lambda b, f=f, r=r: r(f(b)))
        for what, f in {
            "weight · modulating factor · mean(cross entropy)": lambda b: b.weight * b.modulation * b.entropy.mean(),
            "weight · modulating factor · sum(cross entropy)": lambda b: b.weight * b.modulation * b.entropy.sum(),
            "weight · mean(modulating factor) · cross entropy": lambda b: b.weight * b.modulation.mean() * b.entropy,
            "mean(weight) · modulating factor · cross entropy": lambda b: b.weight.mean() * b.modulation * b.entropy,
            "sum(weight) · modulating factor · cross entropy": lambda b: b.weight.sum() * b.modulation * b.entropy,
            "weight · mean(modulating factor · cross entropy)": lambda b: b.weight * (b.modulation * b.entropy).mean(),
            "weight · sum(modulating factor · cross entropy)": lambda b: b.weight * (b.modulation * b.entropy).sum(),
            "mean(weight) · mean(modulating factor) · mean(cross entropy)": lambda b: (
                b.weight.mean() * b.modulation.mean() * b.entropy.mean()
            ),
            "mean(modulating factor) · mean(weight · cross entropy)": lambda b: (
                b.modulation.mean() * (b.weight * b.entropy).mean()
            ),
            "mean(weight · modulating factor) · cross entropy": lambda b: (b.weight * b.modulation).mean() * b.entropy,
        }.items()
        for told, r in {"mean": _mean, "sum": _total, "no reduction": lambda t: t}.items()
    ),
    *(
        _early(
            f"{told} over all pairs of rows",
            "a weight or factor is broadcast over all pairs of rows (N, N)",
            lambda b, f=f, r=r: r(f(b)),
        )
        for f in (
            lambda b: _pairs(b, b.weight, b.modulation * b.entropy),
            lambda b: _pairs(b, b.weight * b.modulation, b.entropy),
            lambda b: _pairs(b, b.modulation, b.weight * b.entropy),
            lambda b: _pairs(b, b.modulation * b.entropy, b.weight),
        )
        for told, r in {
            "mean": _mean,
            "sum": _total,
            "no reduction": lambda t: t,
            "sum / rows": lambda t: t.sum() / len(t),
        }.items()
    ),
]


def _labels(b: Batch, counted: Callable[[Tensor], Tensor]) -> float:
    return float("nan") if b.labels is None else max(float(counted(b.labels).sum()), 1.0)


def _pairs(b: Batch, one: Tensor, other: Tensor) -> Tensor:
    """Rows of (N,) factors broadcast against a column of the others."""
    return one[:, None] * other[None, :] if one.dim() == 1 else one.sum() * torch.nan


def _by_row(b: Batch, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    if b.entropy.dim() < 2:
        return b.entropy.sum() * torch.nan
    entropy = reduce(b.entropy * b.weight)
    return (1 - (-entropy).exp()) ** b.gamma * entropy


def _side_means(b: Batch, factor: float) -> Tensor:
    positive, negative = (b.targets > 0).to(b.terms), (b.targets <= 0).to(b.terms)
    mean = [(b.terms * side).sum() / side.sum().clamp(min=1) for side in (positive, negative)]
    return factor * (mean[0] + mean[1])
