"""Our losses over pairs of boxes: the formulas at 50 digits, cases worked by hand, degenerate boxes and libraries."""

from math import atan, pi

import numpy
import pytest
import torch

from focalbench_suite.adapters import discover
from focalbench_suite.adapters.own import iou_loss
from focalbench_suite.suites import errors, oracle

KINDS = ("iou", "giou", "diou", "ciou")
UNIT = torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64)


def random_boxes(count: int = 100, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    corner = 100 * torch.rand(count, 2, generator=random, dtype=torch.float64)
    return torch.cat((corner, corner + 60 * torch.rand(count, 2, generator=random, dtype=torch.float64)), dim=1)


def noise(scale: float) -> torch.Tensor:
    return scale * torch.randn(100, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


A, B = random_boxes(seed=0), random_boxes(seed=1)
PAIRS = {
    "anywhere": (A, B),
    "fractions of an image": (A / 4096, B / 4096),
    "a million pixels apart": (A, B + 1e6),
    "a thousandth of a pixel apart": (A + noise(1e-3), A),
    "a billionth of a pixel apart": (A + noise(1e-9), A),
    "one around the other": (A - torch.tensor([3.0, 2.0, -1.0, -4.0], dtype=torch.float64), A),
}


def with_gradient(call, boxes, targets):
    boxes = boxes.clone().requires_grad_()
    each = call(boxes, targets)
    return each.detach(), torch.autograd.grad(each.sum(), boxes)[0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("where", PAIRS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_the_papers_to_the_last_digits(kind, where, dtype):
    boxes, targets = (each.to(getattr(torch, dtype)) for each in PAIRS[where])
    apart = (boxes != targets).all(dim=1)  # in float32 a billionth of a pixel is nothing
    if not apart.any():
        pytest.skip("identical in this dtype")
    boxes, targets = boxes[apart], targets[apart]
    value, gradient = with_gradient(lambda a, b: iou_loss(a, b, kind=kind, reduction="none"), boxes, targets)
    exact_value, exact_gradient = oracle.exact(kind, boxes, targets)
    found = errors.errors_of(value.double().numpy(), exact_value, dtype).worst
    assert found["max_ulp"] < (4 if dtype == "float64" else 0.51)
    off = numpy.abs(exact_gradient.error(gradient.double().numpy())).max(axis=1)
    size = numpy.abs(exact_gradient.high).max(axis=1)
    # of two boxes of almost one shape, the difference of the angles is known to a rounding of an angle, no better
    assert (off <= (256 if kind == "ciou" else 8) * errors.epsilon(dtype) * size).all()


def test_one_square_beside_another_by_hand():
    """A unit apart: nothing shared, a third of the hull uncovered, centres 2 apart, a hull of 3 by 1."""
    found = [iou_loss(UNIT, UNIT + torch.tensor([2, 0, 2, 0]), kind=kind).item() for kind in KINDS]
    assert found == pytest.approx([1, 4 / 3, 1.4, 1.4], rel=1e-15)


def test_a_square_in_a_rectangle_by_hand():
    """2 x 2 in 4 x 2: half of it, centres 1 apart, the hull's diagonal squared 20."""
    box, target = torch.tensor([[0.0, 0.0, 2.0, 2.0]]).double(), torch.tensor([[0.0, 0.0, 4.0, 2.0]]).double()
    aspect = 4 / pi**2 * (atan(2) - atan(1)) ** 2
    found = [iou_loss(box, target, kind=kind).item() for kind in KINDS]
    assert found == pytest.approx([0.5, 0.5, 0.55, 0.55 + aspect**2 / (0.5 + aspect)], rel=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_identical_boxes_cost_nothing_and_stay_where_they_are(kind):
    value, gradient = with_gradient(lambda a, b: iou_loss(a, b, kind=kind, reduction="none"), A, A)
    assert not value.any()
    assert not gradient.any()


def test_boxes_that_touch_pull_each_other_in():
    neighbour = UNIT + torch.tensor([1, 0, 1, 0])
    for kind in KINDS:
        value, gradient = with_gradient(lambda a, b, kind=kind: iou_loss(a, b, kind=kind), UNIT, neighbour)
        assert value >= 1
        assert gradient[0, 2] < 0  # the right side goes right, to the neighbour


POINT, LINE = [[2.0, 2.0, 2.0, 2.0]], [[1.0, 1.0, 1.0, 3.0]]
SQUARE = [[0.0, 0.0, 4.0, 4.0]]


@pytest.mark.parametrize(
    ("box", "target", "expected"),
    [
        (SQUARE, POINT, (1, 1, 1, None)),
        (POINT, SQUARE, (1, 1, 1, None)),
        (POINT, POINT, (1, 1, 1, 1)),
        (LINE, LINE, (1, 1, 1, 1)),
        (POINT, [[5.0, 6.0, 5.0, 6.0]], (1, 2, 2, 2)),  # nothing of the hull is covered, and centres are its corners
        (LINE, [[1.0, 1.0, 3.0, 1.0]], (1, 2, 1.25, 1.25 + 1 / 2)),  # a line up and one across: v is 1, alpha a half
    ],
)
def test_boxes_without_area_have_values_and_finite_gradients(box, target, expected):
    box, target = (torch.tensor(each, dtype=torch.float64) for each in (box, target))
    for kind, value in zip(KINDS, expected, strict=True):
        found, gradient = with_gradient(lambda a, b, kind=kind: iou_loss(a, b, kind=kind), box, target)
        assert gradient.isfinite().all()
        (exact,) = oracle.exact(kind, box, target)[0].high
        assert found.item() == pytest.approx(exact, rel=1e-15)
        assert value is None or exact == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_of_length_does_not_matter(kind):
    found, small = (iou_loss(scale * A, scale * B, kind=kind, reduction="none") for scale in (1.0, 2.0**-40))
    assert found.equal(small)


@pytest.mark.parametrize("kind", KINDS)
def test_reductions(kind):
    each = iou_loss(A, B, kind=kind, reduction="none")
    assert each.shape == (100,)
    assert iou_loss(A, B, kind=kind, reduction="sum").item() == pytest.approx(each.sum().item())
    assert iou_loss(A, B, kind=kind).item() == pytest.approx(each.mean().item())
    assert iou_loss(A, B, kind=kind, avg_factor=7).item() == pytest.approx(each.sum().item() / 7)
    assert iou_loss(A.view(5, 20, 4), B.view(5, 20, 4), kind=kind, reduction="none").equal(each.view(5, 20))


def test_no_pairs_give_nothing():
    none = torch.zeros(0, 4, requires_grad=True)
    for kind in KINDS:
        loss = iou_loss(none, none.detach(), kind=kind)
        loss.backward()
        assert loss.item() == 0
    assert none.grad is not None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_the_same_computed_wider(dtype):
    boxes, targets = A.to(dtype), B.to(dtype)
    found = iou_loss(boxes, targets, kind="ciou", reduction="none")
    assert found.dtype == dtype
    assert found.equal(iou_loss(boxes.double(), targets.double(), kind="ciou", reduction="none").to(dtype))


def test_targets_are_constants():
    target = B.clone().requires_grad_()
    loss = iou_loss(A.clone().requires_grad_(), target, kind="ciou")
    assert torch.autograd.grad(loss, target, allow_unused=True) == (None,)


@pytest.mark.parametrize(
    ("boxes", "targets", "options", "error", "told"),
    [
        (A, B[:5], {}, ValueError, r"one shape; these are \(100, 4\) and \(5, 4\)"),
        (A[:, :3], B[:, :3], {}, ValueError, r"corners \(\.\.\., 4\)"),
        (A.long(), B.long(), {}, TypeError, "boxes are floating point; these are torch.int64"),
        (A, B, {"kind": "siou"}, ValueError, "unknown kind 'siou'; choose from iou, giou, diou, ciou"),
        (A, B, {"reduction": "total"}, ValueError, "unknown reduction 'total'"),
        (A, B, {"avg_factor": -1}, ValueError, "avg_factor is -1"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(boxes, targets, options, error, told):
    with pytest.raises(error, match=told):
        iou_loss(boxes, targets, **options)


LIBRARIES = [
    ("torchvision", "torchvision", ("giou", "diou", "ciou")),
    ("ultralytics", "ultralytics", KINDS),
    ("mmdetection", "mmdetection.linear", ("iou",)),
    ("mmdetection", "mmdetection", ("giou", "diou")),
]


@pytest.mark.parametrize(
    ("name", "label", "kind"), [(name, label, kind) for name, label, kinds in LIBRARIES for kind in kinds]
)
def test_libraries_give_the_same_where_their_constants_do_not_show(name, label, kind):
    """Boxes of some hundred square pixels, against which 1e-7 or 1e-6 is nothing."""
    large = ((A[:, 2:] - A[:, :2]).amin(1) > 10) & ((B[:, 2:] - B[:, :2]).amin(1) > 10)
    assert large.sum() > 30
    theirs = discover()[name].find(kind, label)
    found, wanted = (
        with_gradient(call, A[large], B[large])
        for call in (lambda a, b: iou_loss(a, b, kind=kind, reduction="none"), theirs.elementwise)
    )
    apart = ((A[large][:, 2:] < B[large][:, :2]) | (B[large][:, 2:] < A[large][:, :2])).any(1)
    floor = 1.1e-6 if label == "mmdetection.linear" else 0.0  # it takes no IoU as less than 1e-6
    torch.testing.assert_close(found[0][~apart], wanted[0][~apart], rtol=1e-7, atol=floor)
    torch.testing.assert_close(found[0][apart], wanted[0][apart], rtol=1e-7, atol=floor)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-5, atol=1e-9)
