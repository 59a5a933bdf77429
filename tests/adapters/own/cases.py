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
    bins = torch.cat([torch.tensor([0.0, 4.0]), torch.rand(31, generator=generator) * 4])
    yield "distribution_focal", LossCall("distribution_focal", rows, bins, weights=torch.linspace(0, 2, 33))
    labels, scores = torch.arange(33) % 7 - 1, torch.rand(33, generator=generator)
    yield "label_score", LossCall("quality_focal", rows, scores, labels, power=2.0)
    yield "index", LossCall("focal", rows, None, labels, power=2.0, alpha=0.25)
    yield "float16", LossCall("quality_focal", rows.half(), scores, labels, power=2.0)
    yield "float16 any power", LossCall("focal", rows.half(), None, labels, power=1.5, alpha=0.25)
    yield "none such", LossCall("softmax_focal", rows, torch.full((33,), 5), power=2.0)
