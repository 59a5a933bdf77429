"""An end-to-end head's loss from our parts: a scene worked by hand, and Ultralytics' two criteria in float64."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from focalbench_suite.adapters._ultralytics import batch_of, ensure_quiet, outputs_of
from focalbench_suite.adapters.own.end_to_end import branch_weights, end_to_end_detection
from focalbench_suite.adapters.own.task_aligned import assign
from focalbench_suite.adapters.own.v8_detection import v8_detection
from tests.adapters.own.scenes import CLASSES, SIDE, STRIDES, scene

GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5}


def theirs(name, many, one, boxes, labels, bins):
    ensure_quiet()
    from ultralytics.utils import loss

    head = SimpleNamespace(stride=torch.tensor(STRIDES).float(), nc=CLASSES, reg_max=bins)
    settings = SimpleNamespace(**GAINS, epochs=10)
    model = SimpleNamespace(parameters=lambda: iter([torch.zeros(1)]), args=settings, model=[head])
    outputs = {"one2many": outputs_of(many, bins), "one2one": outputs_of(one, bins)}
    return getattr(loss, name)(model)(outputs, batch_of(boxes, labels, SIDE, SIDE))[0] / len(many[0])


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("bins", [16, 1])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "asked"), [("E2ELoss", {}), ("E2EDetectLoss", {"weights": (1.0, 1.0), "candidates": 1})]
)
def test_terms_and_gradients_equal_ultralytics(name, asked, seed, bins):
    many, boxes, labels = scene(seed, bins=bins)
    one, _, _ = scene(seed + 100, bins=bins)
    expected = theirs(name, many, one, boxes, labels, bins)
    found = end_to_end_detection(many, one, boxes, labels, strides=STRIDES, num_classes=CLASSES, reg_max=bins, **asked)
    assert list(found) == ["box", "cls", "dfl" if bins > 1 else "l1"]
    for mine, their in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-13, atol=0)
        ours, wanted = (torch.autograd.grad(term, [*many, *one], retain_graph=True) for term in (mine, their))
        torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-14)


def test_a_batch_without_objects_has_the_class_terms_alone():
    many, _, _ = scene(0, bins=1)
    one, _, _ = scene(1, bins=1)
    none = [torch.zeros(0, 4)] * 3, [torch.zeros(0, dtype=torch.long)] * 3
    found = end_to_end_detection(many, one, *none, strides=STRIDES, num_classes=CLASSES, reg_max=1)
    cls = [sum(torch.nn.functional.softplus(level[:, 4:]).double().sum() for level in branch) for branch in (many, one)]
    assert (found["box"].item(), found["l1"].item()) == (0, 0)
    assert found["cls"].item() == pytest.approx(0.5 * (0.8 * cls[0] + 0.2 * cls[1]).item(), rel=1e-5)


def test_sides_without_bins_worked_by_hand():
    """A cell of 8 pixels in an image as large: sides of 1/4, 1/2, 3/4 and 1/2 a cell, where all should be 1/2."""
    cell = torch.tensor([0.25, 0.5, 0.75, 0.5, 0.0], dtype=torch.float64).view(1, 5, 1, 1)
    box = [torch.tensor([[0.0, 0.0, 8.0, 8.0]], dtype=torch.float64)]
    gains = {"box": 1.0, "cls": 1.0, "dfl": 1.0}
    found = v8_detection([cell], box, [torch.tensor([0])], strides=(8,), num_classes=1, reg_max=1, gains=gains)
    # the boxes share 3/4 of a cell out of 5/4; the centres are 1/4 apart and the hull is 5/4 wide and 1 high
    overlap = 0.6 - (1 / 16) / (25 / 16 + 1)
    # the one anchor's target score is its overlap, and the sum of scores is taken as 1 at least
    assert found["box"].item() == pytest.approx(overlap * (1 - overlap), rel=1e-5)
    assert found["l1"].item() == pytest.approx(overlap * (0.25 + 0 + 0.25 + 0) / 4, rel=1e-5)


def test_in_one2one_a_box_keeps_the_anchor_that_aligns_best():
    """Three anchors inside one box of 12 by 4; the predictions cover a half, all and two thirds of it."""
    points = torch.tensor([[2.0, 2.0], [6.0, 2.0], [10.0, 2.0]])
    predicted = torch.tensor([[0.0, 0.0, 6.0, 4.0], [0.0, 0.0, 12.0, 4.0], [4.0, 0.0, 12.0, 4.0]])
    box, label = [torch.tensor([[0.0, 0.0, 12.0, 4.0]])], [torch.tensor([0])]

    def positives(**asked):
        found = assign(lambda _, anchor: predicted[anchor], torch.zeros(1, 1, 3), points, box, label, 1.0, **asked)
        return found.anchor.tolist(), found.quality.tolist()

    assert positives()[0] == [0, 1, 2]
    anchors, quality = positives(candidates=7, kept=1)
    assert anchors == [1]
    assert quality == pytest.approx([1.0], rel=1e-4)


def test_the_weights_move_evenly_to_the_last_epoch_and_stay_there():
    weights = [branch_weights(epoch, 8) for epoch in range(10)]
    assert weights[0] == pytest.approx((0.8, 0.2))
    assert weights[7] == weights[9] == pytest.approx((0.1, 0.9))
    steps = [before[0] - after[0] for before, after in pairwise(weights[:8])]
    assert steps == pytest.approx([0.1] * 7)
    assert branch_weights(0, 1) == pytest.approx((0.8, 0.2))
