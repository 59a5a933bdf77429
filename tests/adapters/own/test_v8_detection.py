"""YOLOv8's loss from our parts: hand-worked small scenes, and Ultralytics' own criterion in float64."""

from math import atan, log, pi

import pytest
import torch

from focalbench_suite.adapters import find
from focalbench_suite.adapters.own.boxes import ciou, giou, iou
from focalbench_suite.adapters.own.v8_detection import v8_detection
from tests.adapters.own.scenes import CLASSES, STRIDES, scene


def theirs(*arguments, **options):
    return find("v8_detection", "ultralytics").call(*arguments, strides=STRIDES, num_classes=CLASSES, **options)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("seed", range(5))
def test_terms_and_gradients_equal_ultralytics(seed):
    feats, boxes, labels = scene(seed)
    expected = theirs(feats, boxes, labels)
    found = v8_detection(feats, boxes, labels, strides=STRIDES, num_classes=CLASSES)
    for term in ("box", "cls", "dfl"):
        torch.testing.assert_close(found[term], expected[term], rtol=1e-13, atol=0)
        wanted = torch.autograd.grad(expected[term], feats, retain_graph=True)
        torch.testing.assert_close(
            torch.autograd.grad(found[term], feats, retain_graph=True), wanted, rtol=1e-9, atol=1e-14
        )


@pytest.mark.usefixtures("double")
def test_a_batch_without_objects_has_the_class_term_alone():
    feats, _, _ = scene(0)
    none = [torch.zeros(0, 4)] * 3, [torch.zeros(0, dtype=torch.long)] * 3
    found = v8_detection(feats, *none, strides=STRIDES, num_classes=CLASSES)
    scores = torch.cat([level[:, 64:].flatten() for level in feats])
    expected = 0.5 * torch.nn.functional.softplus(scores).sum()
    assert (found["box"].item(), found["dfl"].item()) == (0, 0)
    torch.testing.assert_close(found["cls"], expected, rtol=1e-13, atol=0)
    torch.testing.assert_close(theirs(feats, *none)["cls"], expected, rtol=1e-13, atol=0)


def test_one_anchor_and_one_box_worked_by_hand():
    """A cell of 8 pixels, centre (4, 4); two bins a side at even odds: sides of half a cell, the whole cell as box."""
    feats = [torch.zeros(1, 4 * 2 + 1, 1, 1, dtype=torch.float64)]
    box = [torch.tensor([[0.0, 0.0, 8.0, 8.0]], dtype=torch.float64)]
    gains = {"box": 1.0, "cls": 1.0, "dfl": 1.0}
    found = v8_detection(feats, box, [torch.tensor([0])], strides=(8,), num_classes=1, reg_max=2, gains=gains)
    # the predicted box is the true one, so the target score is 1 and the sum of target scores, too
    assert found["box"].item() == pytest.approx(0, abs=1e-6)
    assert found["cls"].item() == pytest.approx(log(2), rel=1e-6)
    assert found["dfl"].item() == pytest.approx(log(2), rel=1e-6)


def test_complete_iou_worked_by_hand():
    """Boxes 2 x 2 and 4 x 2 that share a 2 x 2 square; their hull is the larger; centres are 1 apart."""
    a, b = (
        torch.tensor([0.0, 0.0, 2.0, 2.0], dtype=torch.float64),
        torch.tensor([0.0, 0.0, 4.0, 2.0], dtype=torch.float64),
    )
    aspect = 4 / pi**2 * (atan(2.0) - atan(1.0)) ** 2
    expected = 0.5 - 1 / 20 - aspect**2 / (1 - 0.5 + aspect)
    assert ciou(a, b).item() == pytest.approx(expected, rel=1e-6)
    assert iou(a, b).item() == 0.5
    assert giou(a, b).item() == 0.5
    assert giou(a, b + 10).item() == pytest.approx(-(14 * 12 - 12) / (14 * 12))


@pytest.mark.parametrize("wrong", [-1, CLASSES])
def test_a_label_that_is_no_class_is_refused(wrong):
    feats, boxes, labels = scene(0)
    labels[1][0] = wrong
    with pytest.raises(ValueError, match=f"labels are class indices in 0 … {CLASSES - 1}; one is {wrong}"):
        v8_detection(feats, boxes, labels, strides=STRIDES, num_classes=CLASSES)


def test_another_classification_takes_the_place_of_cross_entropy():
    feats, boxes, labels = scene(0)
    asked = {"strides": STRIDES, "num_classes": CLASSES}
    totals = []

    def doubled(logits, targets, avg_factor):
        totals.append(float(avg_factor))
        return 2 * torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / avg_factor

    usual, other = (v8_detection(feats, boxes, labels, **asked, **more) for more in ({}, {"classification": doubled}))
    assert other["cls"].item() == pytest.approx(2 * usual["cls"].item(), rel=1e-5)
    assert other["box"].item() == usual["box"].item()
    assert totals[0] >= 1


def test_half_precision_outputs_are_taken_as_float32():
    feats, boxes, labels = scene(0)
    halves = [level.detach().half() for level in feats]
    asked = {"strides": STRIDES, "num_classes": CLASSES}
    found = v8_detection(halves, boxes, labels, **asked)
    expected = v8_detection([level.float() for level in halves], boxes, labels, **asked)
    assert found["cls"].dtype == torch.float32
    assert {name: term.item() for name, term in found.items()} == {name: term.item() for name, term in expected.items()}
