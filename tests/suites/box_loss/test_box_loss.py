"""Losses over pairs of boxes as people write them: how each is called, and which loss it is."""

from __future__ import annotations

import contextlib
import io
import itertools
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from focalbench_suite.adapters.own import iou_loss
from focalbench_suite.run_all import main
from focalbench_suite.suites.agreement.pairs import PROBES
from focalbench_suite.suites.box_loss import bind
from focalbench_suite.suites.check import CannotCall, Options, check
from focalbench_suite.suites.explainer.words import BOX_MISTAKES
from focalbench_suite.suites.overlap_mistakes import mistakes
from focalbench_suite.suites.overlaps import KINDS

FILE = Path(__file__).with_name("losses_of_people.py")
BOXES = torch.tensor([[8.0, 8.0, 40.0, 52.0], [50.0, 30.0, 120.0, 110.0]], dtype=torch.float64)
TARGETS = torch.tensor([[12.0, 4.0, 44.0, 40.0], [70.0, 20.0, 122.0, 90.0]], dtype=torch.float64)
CORNERS, CENTRES = "corners (N, 4)", "centres and sizes (N, 4)"
COCO = "first corners and sizes (N, 4)"
CALLED = {
    ("giou_of_centres", "giou"): f"giou_of_centres(target = targets, {CENTRES}, pred = boxes, {CENTRES})",
    ("overlap_of_columns", "giou"): f"1 - overlap_of_columns(box1 = boxes, corners (4, N), box2 = targets, {CORNERS}, "
    "x1y1x2y2=True, GIoU=True, DIoU=False)",
    ("overlap_of_columns", "iou"): f"1 - overlap_of_columns(box1 = boxes, corners (4, N), box2 = targets, {CORNERS}, "
    "x1y1x2y2=True, GIoU=False, DIoU=False)",
    ("every_pair", "iou"): f"1 - every_pair(boxes1 = boxes, {CORNERS}, boxes2 = targets, {CORNERS})",
    ("giou_of_coco", "giou"): f"giou_of_coco(pred = boxes, {COCO}, target = targets, {COCO})",
    ("giou_of_two_kinds", "giou"): f"giou_of_two_kinds(pred = boxes, {CENTRES}, target = targets, {CORNERS})",
    ("IOUloss", "giou"): f"IOUloss(loss_type='giou')(pred = boxes, {CENTRES}, target = targets, {CENTRES})",
}
TOLD = {
    ("giou_of_centres", "ciou"): "computes the loss of GIoU in place of that of CIoU",
    ("IOUloss", "iou"): "computes 1 - IoU^2 in place of the loss of IoU",
    ("logarithm", "iou"): "computes minus the logarithm of the IoU in place of the loss of IoU",
    ("twice", "diou"): "computes 2 times the loss",
    ("through_trade_off", "ciou"): "the gradient goes through the trade-off, which the paper takes as a constant",
    ("without_gradient", "giou"): "the value is that of GIoU, and there is no gradient to the boxes",
    ("SmoothL1", "smooth_l1"): "takes the mean over the four coordinates, a quarter of their sum",
    ("small_beta", "smooth_l1"): "computes smooth L1 with beta 0.1111, summed over the four coordinates, in place of "
    "the plain sum with beta 1",
    ("large_beta", "smooth_l1"): "computes 5 times smooth L1 with beta 11, summed over the four coordinates, in place "
    "of the plain sum with beta 1",
    ("huber", "smooth_l1"): "computes the Huber loss with delta 3, summed over the four coordinates, in place of the "
    "plain sum with beta 1",
    ("huber_mean", "giou"): "computes the Huber loss with delta 3, averaged over the four coordinates, in place of "
    "the loss of GIoU",
    ("mean_squares", "smooth_l1"): "computes 0.25 times the loss of the squared distance of the corners in place of "
    "that of the smooth L1 distance of the corners",
    ("divided_by_union", "giou"): "computes the loss of GIoU, whose penalty is divided by the union, not by the "
    "enclosing box",
    ("divided_by_union", "ciou"): "computes the loss of GIoU in place of that of CIoU, whose penalty is divided by the "
    "union, not by the enclosing box",
    (
        "giou_of_pixels",
        "giou",
    ): "computes the loss of GIoU, of boxes whose sides it counts 1 longer than they are (+ 1)",
    ("giou_of_intersection", "giou"): "computes the loss of GIoU, whose penalty is all of the enclosing box but the "
    "intersection, not but the union",
    ("diou_of_target", "diou"): "computes the loss of DIoU, with the centres' distance over the diagonal of the "
    "target, not of the enclosing box",
    ("diou_unsquared", "diou"): "computes the loss of DIoU, with the squared distance of the centres over the "
    "diagonal, which is not squared",
    ("iou_uncut", "iou"): "computes the loss of IoU, whose intersection is not cut off at 0: boxes apart along both "
    "axes share an area",
    ("ciou_of_pi", "ciou"): "computes the loss of CIoU, with 4/pi, not 4/pi², in v",
    ("ciou_without_trade_off", "ciou"): "computes the loss of CIoU, without the trade-off before v",
    ("eiou_of_diagonal", "ciou"): "computes the loss of EIoU in place of that of CIoU, with widths and heights over "
    "the enclosing box's squared diagonal, not over its sides",
    ("focal_giou", "giou"): "computes 3 times the loss of GIoU times IoU^0.5, in place of that of GIoU",
    ("alpha_diou", "diou"): "computes alpha-DIoU, each part to the power 3, in place of the loss of DIoU",
    (
        "alpha_diou_by_axis",
        "diou",
    ): "computes alpha-DIoU, each part to the power 2, the centres' distance axis by axis, "
    "in place of the loss of DIoU",
    (
        "eiou_of_centres",
        "iou",
    ): "computes the loss of EIoU in place of that of IoU, with the centres' distances over the "
    "enclosing box's sides where widths and heights belong",
    ("powerful", "iou"): "computes the loss of PIoU in place of that of IoU",
    ("of_target_area", "iou"): "computes the loss of IoU, with the intersection over the target's area, not over the "
    "union",
    ("giou_misread", "giou"): "computes the loss of GIoU, of corners that it takes for x, y, width and height",
    ("smoothed_iou", "iou"): "adds 1 to the intersection and to the union",
    (
        "smoothed_iou",
        "giou",
    ): "computes the loss of IoU, with 1 added to the intersection and to the union, in place of that of GIoU",
    ("minimum_points", "iou"): "computes MPDIoU for an image whose diagonal is 800 long in place of the loss of IoU",
    ("wasserstein", "iou"): "computes 1 - NWD, the normalised Wasserstein distance, with C = 12.8 in place of the loss "
    "of IoU",
    ("inner_ciou", "ciou"): "computes Inner-CIoU, whose inner boxes have 0.7 times the sides, in place of the loss of "
    "CIoU",
    ("shape_of_target", "ciou"): "computes Shape-IoU with scale 1 in place of the loss of CIoU",
    ("focaler_giou", "giou"): "computes Focaler-GIoU, whose IoU counts from 0.05 to 0.8, in place of the loss of GIoU",
    ("Bounded", "giou"): "computes the bounded IoU loss with beta 0.2, summed over the four, in place of the loss of "
    "GIoU",
}


def checked(name, loss, **options):
    return check(f"{FILE}:{name}", loss, Options(**options))


@pytest.mark.parametrize(("name", "loss"), CALLED)
def test_how_it_is_called_is_found_out_and_said(name, loss):
    found = checked(name, loss)
    assert "different" not in found.verdict
    assert found.how == CALLED[name, loss]
    exact = iou_loss(BOXES, TARGETS, kind=loss, reduction="none")
    torch.testing.assert_close(bind(f"{FILE}:{name}", loss)(BOXES, TARGETS), exact, rtol=1e-8, atol=0)


@pytest.mark.parametrize(("name", "loss"), TOLD)
def test_another_function_is_named(name, loss):
    found = checked(name, loss)
    assert found.verdict == "different"
    assert [one.plain["statement"] for one in found.findings if one.severity == "different"] == [TOLD[name, loss]]


@pytest.mark.parametrize(
    ("name", "loss", "where"),
    [("guarded_iou", "iou", "to the union"), ("guarded_giou", "giou", "to each of its divisors")],
)
def test_an_epsilon_is_no_other_function(name, loss, where):
    found = checked(name, loss)
    assert found.verdict == "fragile"
    told = next(one for one in found.findings if one.kind == "precision").plain["statement"]
    assert told.startswith(f"adds 0.001 {where}: the value for boxes that are fractions of an image is off by 0.")


def test_what_is_no_known_loss_is_told():
    (finding,) = checked("unknown", "giou").findings
    assert finding.plain["statement"].startswith("no known loss")


def test_what_is_0_for_equal_boxes_is_taken_for_a_loss_whatever_its_name():
    verdict = checked("divided_by_union", "giou")
    assert verdict.how == f"divided_by_union(pred = boxes, {CORNERS}, target = targets, {CORNERS})"
    assert verdict.verdict == "different"


@pytest.mark.parametrize("kind", KINDS)
def test_every_mistake_of_a_kind_is_another_function_and_is_told_in_words_of_its_own(kind):
    boxes, targets = (
        torch.tensor([each for probe in PROBES[:3] for each in getattr(probe, part)]).double()
        for part in ("boxes", "targets")
    )
    values = [KINDS[kind][1](boxes, targets)] + [wrong(boxes, targets) for _, wrong in mistakes(kind)]
    alike = [(i, j) for i, j in itertools.combinations(range(len(values)), 2) if torch.allclose(values[i], values[j])]
    assert {code for code, _ in mistakes(kind)} <= set(BOX_MISTAKES)
    of_gradient = {"trade_off_through_v", "v_constant"}  # of whom the value is that of the loss
    codes = ["", *(code for code, _ in mistakes(kind))]
    assert [(codes[i], codes[j]) for i, j in alike if not {codes[i], codes[j]} & of_gradient] == []


def test_an_epsilon_that_is_large_beside_fractions_of_an_image_is_fragile():
    found = checked("large_epsilon", "iou")
    assert found.verdict == "fragile"
    assert any("fractions of an image is off by " in one.plain["statement"] for one in found.findings)


@pytest.mark.parametrize("name", ["changes_target", "changes_centres", "changes_columns"])
def test_arguments_that_are_changed_are_told_however_boxes_are_laid_out(name):
    assert "changes its arguments" in [one.plain["statement"] for one in checked(name, "giou").findings]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("BoundedIoULoss", "the bounded IoU loss with beta 0.2 and epsilon 0.001, averaged over the four,"),
        ("EIoULoss", "the extended IoU loss under smooth L1 with beta 0.1"),
        ("SIoULoss", "SIoU whose distance cost falls as the centres part (the sign in its exponent), kept within 0 and "
         "2,"),
    ],
)  # fmt: skip
def test_mmdetections_are_told_by_what_they_are(name, told):
    """As its code says: smooth L1 of both, and SIoU with `neg_gamma` False."""
    found = check(f"mmdet.models.losses:{name}", "iou", Options())
    assert found.findings[0].plain["statement"] == f"computes {told} in place of the loss of IoU"


def test_the_reduction_is_told_and_may_be_demanded():
    assert checked("giou_of_centres", "giou").reduction == "mean"
    assert checked("giou_of_centres", "giou", reduction="mean").verdict != "different"
    found = checked("giou_of_centres", "giou", reduction="sum")
    assert found.verdict == "different"
    assert found.findings[-1].plain["statement"] == "reduces by mean, not by sum"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("needs_more", "nothing says what image should be; state it with --set image=VALUE"),
        ("breaks", "no call of breaks gives a number for each pair of boxes: RuntimeError: no boxes today"),
        ("math", "math is a module"),
    ],
)
def test_what_cannot_be_called_is_one_line(name, told):
    with pytest.raises(CannotCall) as error:
        checked(name, "giou")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_set_is_given():
    assert checked("needs_more", "giou", given=(("image", 1.0),)).verdict != "different"


def test_an_example_can_be_pasted():
    (finding,) = checked("IOUloss", "iou").findings
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(finding.example, {})
    expected, got = (line.split(maxsplit=1)[1] for line in printed.getvalue().splitlines())
    assert (expected, got) == (finding.expected, finding.got)


@pytest.mark.parametrize(
    ("name", "loss", "status"), [("IOUloss", "giou", 0), ("IOUloss", "iou", 1), ("breaks", "iou", 2)]
)
def test_the_command_line_answers(name, loss, status):
    found = CliRunner().invoke(main, ["check", f"{FILE}:{name}", "--as", loss])
    assert found.exit_code == status, found.output


def test_options_of_losses_of_logits_are_refused():
    found = CliRunner().invoke(main, ["check", f"{FILE}:IOUloss", "--as", "giou", "--classes", "3"])
    assert found.exit_code == 2
    assert "it heeds --set and --reduction alone" in found.output
