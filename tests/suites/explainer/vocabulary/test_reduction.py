"""Every reduction and every map of labels is told from every other by a few batches."""

import numpy
import pytest
import torch

from focalbench_suite.suites.explainer.vocabulary.labels import MAPS
from focalbench_suite.suites.explainer.vocabulary.reduction import REDUCTIONS, Batch


def batch(seed, rows, classes, positives="some", gamma=2.0):
    """A batch with weights, factors and entropies of its own; with labels, the last row is ignored."""
    random = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.rand(*shape, generator=random, dtype=torch.float64) + 0.1

    shape = (rows, classes) if classes else (rows,)
    targets = torch.zeros(shape, dtype=torch.float64)
    if positives != "none":
        targets.view(-1)[::3] = 1
    if positives == "soft":
        targets.view(-1)[1::5] = 0.4
    weight, modulation, entropy = numbers(*shape), numbers(*shape), numbers(*shape)
    return Batch(weight, modulation, entropy, targets, torch.ones(shape, dtype=torch.float64), gamma, classes or 7)


def ignoring(seed):
    """A batch with class labels, of which one is ignored and one is background."""
    kept = torch.ones(5, 3, dtype=torch.float64)
    kept[2] = 0
    made = batch(seed, 5, 3)
    return Batch(made.weight, made.modulation, made.entropy, made.targets, kept, 2.0, 3, torch.tensor([0, 1, -1, 3, 2]))


def without_some_losses():
    """A larger batch in which some elements have no loss."""
    made = batch(8, 6, 4)
    made.entropy[0, :2] = 0
    return made


def extreme(kept, weight, targets):
    """A small batch in which everything is ignored, or hardly weighs anything, or is positive."""
    shape, labels = (2, 3), torch.tensor([-1, -1]) if not kept else torch.tensor([3, 3])
    filled = [torch.full(shape, value, dtype=torch.float64) for value in (weight, weight, 0.3, targets, kept)]
    return Batch(*filled, 2.0, 3, labels)


def of_qualities(quality):
    """Targets of which some are positive and none is 1: above the threshold of some reductions, or below it."""
    made = batch(9, 4, 3)
    made.targets[:] = torch.where(made.targets > 0, quality, 0.0)
    made.targets[0, 0] = quality
    return made


DENSE = [
    batch(0, 3, 4),
    batch(1, 5, 2),
    batch(2, 4, 3, "none"),
    batch(3, 2, 5, "soft"),
    ignoring(4),
    extreme(0.0, 0.5, 0.0),
    extreme(1.0, 0.01, 0.0),
    extreme(1.0, 0.0, 0.0),
    extreme(1.0, 0.5, 1.0),
    without_some_losses(),
    of_qualities(0.9),
    of_qualities(0.1),
]
ROWS = [batch(5, 6, 0), batch(6, 3, 0)]


CODES = {reduction.change.code: reduction for reduction in REDUCTIONS if reduction.change}


def output(reduction, asked):
    try:
        return reduction.apply(asked).detach().numpy().ravel()
    except (RuntimeError, IndexError):
        return None


def same(one, other, asked):
    for each in asked:
        a, b = output(one, each), output(other, each)
        if a is None or b is None or a.size != b.size or not numpy.allclose(a, b, 1e-6, 1e-11, equal_nan=True):
            return False
    return True


def test_no_two_reductions_are_the_same_function_of_a_batch():
    alike = []
    for i, reduction in enumerate(REDUCTIONS):
        asked = [*DENSE, *ROWS]
        alike += [(other.name, reduction.name) for other in REDUCTIONS[:i] if same(other, reduction, asked)]
    detached = {(one.removesuffix("_detached"), one) for one in CODES if one.endswith("_detached")}
    names = {tuple(CODES[code].name for code in pair) for pair in detached}
    assert set(alike) == names  # which their gradients tell


def test_reductions_have_names_of_their_own():
    names = [reduction.name for reduction in REDUCTIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["none", "mean", "sum"])
def test_the_plain_reductions_change_nothing(name):
    plain = next(reduction for reduction in REDUCTIONS if reduction.name == name)
    assert plain.change is None
    made = DENSE[0]
    terms = made.weight * made.modulation * made.entropy
    expected = terms if name == "none" else getattr(terms, name)()
    torch.testing.assert_close(plain.apply(made), expected)


def test_a_detached_normaliser_has_no_gradient_of_its_own():
    made = batch(0, 3, 4)
    made.modulation.requires_grad_()
    attached, detached = (
        torch.autograd.grad(CODES[code].apply(Batch(**fields(made))), made.modulation)[0]
        for code in ("over_factors", "over_factors_detached")
    )
    assert not torch.allclose(attached, detached)


def fields(made):
    names = ("weight", "modulation", "entropy", "targets", "kept", "gamma", "classes", "labels")
    return {name: getattr(made, name) for name in names}


def test_no_two_maps_of_labels_are_the_same():
    labels = torch.tensor([0, 1, 2, 3, -1])
    seen = [tuple(part.flatten().tolist() for part in mapping.apply(labels, 3)) for mapping in MAPS]
    alike = [
        ([c.code for c in MAPS[j].changes], [c.code for c in MAPS[i].changes])
        for i, one in enumerate(seen)
        for j in range(i)
        if str(seen[j]) == str(one)
    ]
    assert not alike
