"""Stage three: is the gradient the gradient of the value?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy
import torch

from focalbench_suite.suites.explainer.formula import Elements
from focalbench_suite.suites.explainer.limits import relative_error, rounded
from focalbench_suite.suites.explainer.search import Tolerance
from focalbench_suite.suites.explainer.vocabulary.option import Change, Semantics, Tensor, change

Factors = tuple[Tensor, Tensor, Tensor]

SINGLE = 1e-7  # what single precision leaves of a number about 1


def explain_slope(
    semantics: Semantics, elements: Elements, share: Tensor | None
) -> tuple[Change, numpy.ndarray, numpy.ndarray] | None:
    """The change that explains the gradients, which calls show it, the right gradients; None where all is well."""
    refusals = [seen.backward_error for seen in elements.seen if seen.backward_error]
    if refusals and all(seen.gradient is None for seen in elements.seen):
        nowhere = _model(semantics, elements, share, _whole)
        return change("gradient", "backward_refused", error=refusals[0]), numpy.ones(len(elements.seen), bool), nowhere
    if all(seen.gradient is None for seen in elements.seen):
        return (
            change("gradient", "no_gradient"),
            numpy.ones(len(elements.seen), bool),
            _model(semantics, elements, share, _whole),
        )
    observed = numpy.stack([_flat(seen.gradient, elements) for seen in elements.seen])
    right = _model(semantics, elements, share, _whole)
    usable = _smooth(semantics, elements) & numpy.isfinite(right).all(-1)
    guarded = elements.tolerance.relative > Tolerance().relative  # what a guard adds shows more in the slope
    tolerance = replace(
        elements.tolerance,
        relative=max(5e-4 if guarded else 2e-5, elements.tolerance.relative),
        absolute=max(1e-9, elements.tolerance.absolute),
    )
    finite = numpy.isfinite(observed).all(-1)
    wrong = usable & finite & ~_same(tolerance, observed, right)
    if wrong.any():
        tolerance = _no_better_than_the_values(tolerance, semantics, elements, share)
        wrong = usable & finite & ~_same(tolerance, observed, right)
    if not wrong.any():
        return None
    usable &= finite
    at_zero = (elements.points.x == 0).any(-1).numpy()
    if not (wrong & ~at_zero).any() and (usable & ~at_zero).any():
        return change("gradient", "gradient_at_zero"), wrong, right
    for code, forward in DETACHED.items():
        if _same(tolerance, observed, _model(semantics, elements, share, forward))[usable].all():
            return change("gradient", code), wrong, right
    return _pattern(observed[usable], right[usable], tolerance), wrong, right


def _no_better_than_the_values(
    tolerance: Tolerance, semantics: Semantics, elements: Elements, share: Tensor | None
) -> Tolerance:
    """Where values are rounded to single precision, slopes are, too: near 0 by what cancels in them."""
    with torch.no_grad():
        model = semantics.terms(replace(elements.points, share=share)).sum(-1).numpy()
    error = relative_error(elements, model)
    relative = 1e-4 if rounded(elements, error) else 0.0
    absolute = min(numpy.nanmax(error), SINGLE)
    return Tolerance(max(tolerance.relative, relative), max(tolerance.absolute, absolute))


def _same(tolerance: Tolerance, observed: numpy.ndarray, right: numpy.ndarray) -> numpy.ndarray:
    return numpy.asarray(tolerance.same(observed, right).all(-1))


def _flat(gradient: numpy.ndarray | None, elements: Elements) -> numpy.ndarray:
    size = elements.points.x.shape[-1]
    if gradient is None:
        return numpy.full(size, numpy.nan)
    return gradient.reshape(-1, size).sum(0)  # of a row that is asked twice, both


def _smooth(semantics: Semantics, elements: Elements) -> numpy.ndarray:
    """Calls where the value has a derivative: not where the modulating factor is at 0."""
    with torch.no_grad():
        factors = semantics.factors(elements.points)[:3]
    size = numpy.min([numpy.abs(factor.numpy()).max(-1) for factor in factors[1:]], axis=0)
    return size > 1e-12


def _model(
    semantics: Semantics, elements: Elements, share: Tensor | None, forward: Callable[[Factors], Tensor]
) -> numpy.ndarray:
    x = elements.points.x.clone().requires_grad_()
    points = replace(elements.points, x=x, share=share)
    weight, modulation, entropy, seen = semantics.factors(points)
    terms = forward((weight, modulation, entropy))
    terms = terms if seen.share is None else terms * seen.share
    total = terms.sum()
    return torch.autograd.grad(total, x)[0].numpy() if total.requires_grad else numpy.zeros(tuple(x.shape))


def _whole(f: Factors) -> Tensor:
    return f[0] * f[1] * f[2]


DETACHED: dict[str, Callable[[Factors], Tensor]] = {
    "factor_detached": lambda f: f[0] * f[1].detach() * f[2],
    "cross_entropy_detached": lambda f: f[0] * f[1] * f[2].detach(),
    "gradient_without_factor": lambda f: f[0] * f[2],
    "gradient_without_weight_and_factor": lambda f: f[2],
    "gradient_without_weight": lambda f: f[1] * f[2],
    "factor_detached_gradient_without_weight": lambda f: f[1].detach() * f[2],
    "gradient_sign": lambda f: -(f[0] * f[1] * f[2]),
}


def _pattern(observed: numpy.ndarray, right: numpy.ndarray, tolerance: Tolerance) -> Change:
    """What the wrong gradients have in common."""
    if (observed == 0).all():
        return change("gradient", "gradient_zero")
    with numpy.errstate(all="ignore"):
        ratio = (observed / right)[numpy.abs(right) > 1e-9]
    middle = float(numpy.median(ratio))
    if numpy.abs(ratio - middle).max() <= 1e-4 * abs(middle):
        flat = abs(middle - 1) <= 1e-4  # then it is wrong only where the value does not change
        return (
            change("gradient", "gradient_through_cut") if flat else change("gradient", "gradient_scaled", factor=middle)
        )
    limit = float(numpy.abs(observed).max())
    if _same(tolerance, observed, right.clip(-limit, limit)).all():
        return change("gradient", "gradient_cut_off", limit=limit)
    return change("gradient", "gradient_another")
