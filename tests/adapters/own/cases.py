"""Calls that between them reach every branch of the GPU's kernels; few elements, since the interpreter is slow."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from focalbench_suite.adapters.own.loss_call import LossCall
from tests.adapters.own import truth


def calls() -> Iterator[tuple[str, LossCall]]:
    """Each call with its name."""
    x = torch.tensor(truth.logits(80, 150)).float()
    generator = torch.Generator().manual_seed(0)
    labels = {
        "negative": torch.zeros_like(x),
        "positive": torch.ones_like(x),
        "soft": torch.rand(x.shape, generator=generator),
    }
    for loss, alpha in (("focal", 0.25), ("quality_focal", None), ("varifocal", 0.75)):
        for power in (0.0, 0.5, 2.0):
            for label, y in labels.items():
                yield f"{loss} {power} {label}", LossCall(loss, x, y, power=power, alpha=alpha)
    rows = torch.randn(33, 5, generator=generator) * 12
    classes, weights = torch.arange(33) % 5, torch.linspace(0.5, 2, 5)
    for power in (0.0, 0.5, 2.0):
        yield f"softmax_focal {power}", LossCall("softmax_focal", rows, classes, weights=weights, power=power)
    wide = torch.randn(3, 103, generator=generator) * 12
    wide[:, 100], wide[0, 7] = wide.max(dim=1).values, -torch.inf  # two classes at the top, and one masked out
    named = torch.tensor([100, 2, 7])
    for power in (0.0, 0.5, 2.0):
        yield f"softmax_focal wide {power}", LossCall("softmax_focal", wide, named, power=power)
    far = torch.tensor([[0.0, 9.5], [80.0, -80.0], [-80.0, 80.0], [3.0, 3.0], [0.0, -25.0]])
    for power in (0.0, 0.5, 2.0):
        yield (
            f"softmax_focal far {power}",
            LossCall("softmax_focal", far, torch.zeros(5, dtype=torch.long), power=power),
        )
    for bins in (16, 17, 33):
        coordinates = torch.rand(40, generator=generator) * (bins - 1)
        coordinates[:20] = coordinates[:20].round()
        spread = torch.randn(40, bins, generator=generator) * 4
        yield f"distribution_focal {bins}", LossCall("distribution_focal", spread, coordinates)
    classes_80 = torch.randn(40, 80, generator=generator) * 4
    labels_80 = torch.randint(80, (40,), generator=generator)
    labels_80[::3] = classes_80[::3].argmax(dim=1)
    for power in (0.5, 1.5, 2.0):
        yield f"softmax_focal 80 {power}", LossCall("softmax_focal", classes_80, labels_80, power=power)
    yield "distribution_focal wide", LossCall("distribution_focal", wide[1:], torch.tensor([99.25, 3.0]))
    bins = torch.cat([torch.tensor([0.0, 4.0]), torch.rand(31, generator=generator) * 4])
    yield "distribution_focal", LossCall("distribution_focal", rows, bins, weights=torch.linspace(0, 2, 33))
    labels, scores = torch.arange(33) % 7 - 1, torch.rand(33, generator=generator)
    yield "label_score", LossCall("quality_focal", rows, scores, labels, power=2.0)
    yield "index", LossCall("focal", rows, None, labels, power=2.0, alpha=0.25)
    yield "float16", LossCall("quality_focal", rows.half(), scores, labels, power=2.0)
    yield "float16 any power", LossCall("focal", rows.half(), None, labels, power=1.5, alpha=0.25)
    many = torch.randn(40, 80, generator=generator) * 6 - 3  # tiles with and without a positive, one of them not full
    positive = torch.full((40,), 80)
    positive[17] = 3
    dense = torch.zeros(40, 80)
    dense[17, 3] = 0.5
    for power in (0.0, 0.5, 2.0, 5.0):
        yield f"focal many {power}", LossCall("focal", many, dense.ceil(), power=power, alpha=0.25)
    yield "quality_focal many soft", LossCall("quality_focal", many, dense, power=2.0)
    yield "index many", LossCall("focal", many, None, positive, power=2.0, alpha=0.25)
    yield (
        "index one class",
        LossCall("focal", many.reshape(-1, 1), None, dense.ceil().long().reshape(-1) - 1, power=2.0),
    )
    for power in (0.0, 0.5, 2.0):
        yield f"float16 many {power}", LossCall("focal", many.half(), None, positive, power=power, alpha=0.25)
    yield "float16 softmax", LossCall("softmax_focal", rows.half(), classes, power=2.0)
    yield "float16 softmax wide", LossCall("softmax_focal", wide.half(), named, power=0.5)
    yield "float16 distribution", LossCall("distribution_focal", rows.half(), torch.rand(33, generator=generator) * 4)
    yield "none such", LossCall("softmax_focal", rows, torch.full((33,), 5), power=2.0)
