"""GFL's head loss from our parts: a hand-worked scene, and MMDetection's own head in float64."""

from math import log

import pytest
import torch

from focalbench_suite.adapters import discover
from focalbench_suite.adapters._mmcv import ensure_ops
from focalbench_suite.adapters.own.gfl_head import gfl_head

STRIDES, CLASSES, SIDE = (8, 16, 32, 64, 128), 6, 192


def scene(seed: int, dtype: torch.dtype, images: int = 3, count: int = 6) -> tuple[list, list, list, list]:
    random = torch.Generator().manual_seed(seed)
    sizes = [-(-SIDE // stride) for stride in STRIDES]
    scores, sides = (
        [torch.randn(images, channels, size, size, generator=random).to(dtype).requires_grad_() for size in sizes]
        for channels in (CLASSES, 68)
    )
    boxes, labels = [], []
    for image in range(images):
        number = count - 3 * image
        corner = torch.rand(number, 2, generator=random) * 0.7 * SIDE
        size = torch.rand(number, 2, generator=random) * 0.5 * SIDE + 3
        boxes.append(torch.cat((corner, (corner + size).clamp(max=SIDE)), dim=1).to(dtype))
        labels.append(torch.randint(CLASSES, (number,), generator=random))
    return scores, sides, boxes, labels


@pytest.fixture(scope="module")
def library_in_float64():
    """MMDetection's head with its targets in float64; they are float32 otherwise, and fail on float64 outputs."""
    ensure_ops()
    from mmdet.models.dense_heads import GFLHead
    from mmengine.structures import InstanceData

    class Head(GFLHead):
        def get_targets(self, *arguments, **options):
            *levels, count = super().get_targets(*arguments, **options)
            return (
                *([each.double() if each.is_floating_point() else each for each in level] for level in levels),
                count,
            )

    head = Head(
        CLASSES, 1, feat_channels=1, stacked_convs=0, reg_max=16,
        anchor_generator={"type": "AnchorGenerator", "ratios": [1.0], "octave_base_scale": 8, "scales_per_octave": 1,
                          "strides": list(STRIDES)},
        loss_cls={"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0, "loss_weight": 1.0},
        loss_bbox={"type": "GIoULoss", "loss_weight": 2.0},
        loss_dfl={"type": "DistributionFocalLoss", "loss_weight": 0.25},
        train_cfg={"assigner": {"type": "ATSSAssigner", "topk": 9}, "allowed_border": -1, "pos_weight": -1,
                   "debug": False},
    )  # fmt: skip

    def call(scores, sides, boxes, labels, image_size):
        instances = [InstanceData(bboxes=box.float(), labels=label) for box, label in zip(boxes, labels, strict=True)]
        losses = head.loss_by_feat(
            scores, sides, instances, [{"img_shape": image_size, "pad_shape": image_size}] * len(boxes)
        )
        return {term: sum(losses[f"loss_{term}"]) for term in ("cls", "bbox", "dfl")}

    return call


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("image_size", [(SIDE, SIDE), (SIDE - 40, SIDE - 70)], ids=["whole", "padded"])
def test_terms_and_gradients_equal_mmdetection_in_float64(seed, image_size, library_in_float64):
    scores, sides, boxes, labels = scene(seed, torch.float64)
    boxes = [box.float().double() for box in boxes]
    expected = library_in_float64(scores, sides, boxes, labels, image_size)
    found = gfl_head(scores, sides, boxes, labels, image_size=image_size, strides=STRIDES)
    inputs = [*scores, *sides]
    for term in ("cls", "bbox", "dfl"):
        torch.testing.assert_close(found[term], expected[term], rtol=1e-13, atol=0)
        wanted = torch.autograd.grad(expected[term], inputs, retain_graph=True, materialize_grads=True)
        gradients = torch.autograd.grad(found[term], inputs, retain_graph=True, materialize_grads=True)
        torch.testing.assert_close(gradients, wanted, rtol=1e-9, atol=1e-14)


def test_terms_equal_the_adapters_in_float32():
    scores, sides, boxes, labels = scene(0, torch.float32)
    (loss,) = [loss for loss in discover()["mmdetection"].losses if loss.name == "gfl_head"]
    asked = {"image_size": (SIDE, SIDE), "strides": STRIDES}
    expected = loss.call(scores, sides, boxes, labels, **asked)
    torch.testing.assert_close(gfl_head(scores, sides, boxes, labels, **asked), expected, rtol=1e-6, atol=0)


def test_a_batch_without_objects_has_the_class_term_alone():
    scores, sides, _, _ = scene(0, torch.float64)
    none = [torch.zeros(0, 4)] * 3, [torch.zeros(0, dtype=torch.long)] * 3
    found = gfl_head(scores, sides, *none, image_size=(SIDE, SIDE), strides=STRIDES)
    x = torch.cat([level.flatten() for level in scores])
    expected = (
        x.sigmoid() ** 2 * torch.nn.functional.softplus(x)
    ).sum() / 3  # an image without positives counts as one
    assert (found["bbox"].item(), found["dfl"].item()) == (0, 0)
    torch.testing.assert_close(found["cls"], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("wrong", [-1, CLASSES])
def test_a_label_that_is_no_class_is_refused(wrong):
    """It would count as the last class, or as background that takes part in the boxes' terms."""
    scores, sides, boxes, labels = scene(0, torch.float32)
    labels[1][0] = wrong
    with pytest.raises(ValueError, match=f"labels are class indices in 0 … {CLASSES - 1}; one is {wrong}"):
        gfl_head(scores, sides, boxes, labels, image_size=(SIDE, SIDE), strides=STRIDES)


def test_boxes_and_labels_that_do_not_fit_are_refused():
    scores, sides, boxes, labels = scene(0, torch.float32)
    asked = {"image_size": (SIDE, SIDE), "strides": STRIDES}
    with pytest.raises(
        ValueError, match=r"image 1 needs boxes \(G, 4\) and labels \(G,\); these are \(3, 4\) and \(2,\)"
    ):
        gfl_head(scores, sides, boxes, [labels[0], labels[1][:2], labels[2]], **asked)
    with pytest.raises(ValueError, match="one tensor an image; there are 3 and 2"):
        gfl_head(scores, sides, boxes, labels[:2], **asked)


def test_four_cells_and_one_box_worked_by_hand():
    """Each cell's anchor is a square of 8 strides around its corner; the box is the first one's.

    The others overlap it by 7/9, 7/9 and 0.62, less than mean plus deviation. Three bins at even odds say 1 stride, so
    the predicted box is 2 strides wide, a sixteenth of the true one, and each probability 1/2.
    """
    scores, sides = [torch.zeros(1, 1, 2, 2, dtype=torch.float64)], [torch.zeros(1, 12, 2, 2, dtype=torch.float64)]
    box = [torch.tensor([[-32.0, -32.0, 32.0, 32.0]], dtype=torch.float64)]
    weights = {"cls": 1.0, "bbox": 1.0, "dfl": 1.0}
    asked = {"image_size": (16, 16), "strides": (8,), "reg_max": 2, "weights": weights}
    found = gfl_head(scores, sides, box, [torch.tensor([0])], **asked)
    quality = 1 / 16
    assert found["cls"].item() == pytest.approx(((quality - 0.5) ** 2 + 3 * 0.25) * log(2), rel=1e-6)
    assert found["bbox"].item() == pytest.approx(0.5 * (1 - quality), rel=1e-6)
    assert found["dfl"].item() == pytest.approx(0.5 * log(3), rel=1e-6)
