"""RT-DETR's varifocal loss gets its qualities as overlaps of boxes; they must be the qualities that were asked for."""

from math import log

import pytest
import torch

from focalbench_suite.adapters import discover

(LOSS,) = [loss for loss in discover()["transformers"].losses if loss.name == "varifocal"]
TARGETS = torch.tensor([[0.3, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_rt_detrs_varifocal_worked_by_hand(dtype):
    """At logits of 0 every cross entropy is log 2: qualities weigh positives, alpha / 4 the other four elements."""
    logits, targets = torch.zeros(3, 2, dtype=dtype), TARGETS.to(dtype)
    value = LOSS.reduced(logits, LOSS.native(targets, 2), gamma=2.0, alpha=0.75)
    assert value.item() == pytest.approx(
        (0.3 + 1.0 + 4 * 0.75 / 4) * log(2), rel=1e-6 if dtype == torch.float32 else 1e-14
    )


def test_integer_targets_are_the_same_as_floating_ones():
    logits, hard = torch.linspace(-2, 2, 6).view(3, 2), (TARGETS > 0.5).float()
    values = [LOSS.reduced(logits, LOSS.native(each, 2), gamma=2.0, alpha=0.75) for each in (hard, hard.long())]
    torch.testing.assert_close(*values, rtol=0, atol=0)
