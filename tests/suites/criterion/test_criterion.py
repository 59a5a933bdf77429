"""Whole criteria as people write them: which term is another, and what it computes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.run_all import main
from focalbench_suite.suites.check import CannotCall, Options
from focalbench_suite.suites.criterion import check_criterion
from focalbench_suite.suites.criterion.checking import SAME

FILE = Path(__file__).with_name("criteria_of_people.py")
SUM = "the sum of the assigned scores, at least 1"
COMPUTES = {
    "FocalInPlaceOfBCE": ("focal with gamma 1.5 in place of BCE, alpha 0.25 on both sides", SUM),
    "PositiveWeight": ("BCE, pos_weight 2", SUM),
    "PortedFocal": (
        "focal with gamma 1.5 in place of BCE, alpha 0.25 on positives and 0.75 on negatives",
        f"{SUM}; and by the number of anchors",
    ),
    "HardFocal": (
        "focal with gamma 2 in place of BCE, its modulating factor of labels 0 and 1, whatever the score, "
        "alpha 0.25 on positives and 0.75 on negatives",
        SUM,
    ),
    "HeldFactor": (
        "focal with gamma 1.5 in place of BCE, no gradient through its modulating factor, alpha 0.25 on both sides",
        SUM,
    ),
    "ClassWeights": ("BCE with class weights 1, 2, 3, 4, 5", SUM),
}


BOXES = {
    "GIoUInPlaceOfCIoU": "GIoU in place of CIoU",
    "GIoUOverUnion": "GIoU in place of CIoU, whose penalty is divided by the union, not by the enclosing box",
    "SIoU": "SIoU in place of CIoU",
    "FocalEIoU": "EIoU in place of CIoU, times IoU^0.5",
    "CubedOverlap": "alpha-IoU, 1 - IoU^3, in place of CIoU",
    "EvenBoxes": "IoU in place of CIoU, every box weighs 1",
}
SIDES = {
    "EarlyCut": "DFL over 16 bins, targets cut off at 13 bins where ours are at 14.99",
    "SquaredShares": "DFL over 16 bins, the two bins' shares to the power 2",
    "RootsOfShares": "DFL over 16 bins, the two bins' shares to the power 0.5, divided by their sum",
    "ExchangedBins": "DFL over 16 bins, the weights of the two bins exchanged",
}


@pytest.fixture(scope="module", autouse=True)
def library():
    """Each check runs in a fork of this process, which then need not import the library."""
    ensure_quiet()


def checked(name, loss="v8_detection", **stated):
    return check_criterion(f"{FILE}:{name}", None, loss, Options(**stated))


@pytest.mark.parametrize("name", COMPUTES)
def test_the_class_term_alone_is_named_with_what_it_computes(name):
    found = checked(name)
    assert found.verdict == "different"
    assert [term for term, told in found.terms.items() if told != SAME] == ["cls"]
    assert (found.class_term.computes, found.class_term.divisor) == COMPUTES[name]
    assert found.assignment == "the same positives, in 9 of 9 batches"


@pytest.mark.parametrize("name", BOXES)
def test_the_box_term_alone_is_named_with_its_overlap_and_weights(name):
    found = checked(name)
    assert [term for term, told in found.terms.items() if told != SAME] == ["box"]
    assert (found.readings["box"].computes, found.readings["box"].divisor) == (BOXES[name], SUM)
    assert list(found.readings) == ["box"]


def test_an_overlap_that_no_paper_has_is_unknown_with_the_nearest_and_how_far_it_is():
    found = checked("UnknownOverlap").readings["box"]
    assert found.computes.startswith("unknown: none of IoU, GIoU, DIoU, CIoU, EIoU, SIoU, ")
    assert "; the nearest is " in found.computes
    assert found.divisor == ""


@pytest.mark.parametrize("name", SIDES)
def test_the_distribution_term_alone_is_named_with_where_its_targets_lie(name):
    found = checked(name)
    assert [term for term, told in found.terms.items() if told != SAME] == ["dfl"]
    assert found.readings["dfl"].computes == SIDES[name]


def test_boxes_that_both_take_show_the_overlap_where_other_anchors_are_positive():
    found = checked("GIoUOfThirteen").readings
    assert found["box"].computes == "GIoU in place of CIoU on the 149 boxes that both take"
    assert found["dfl"].computes == "not read, since other anchors are positive"


def test_what_is_right_for_square_images_alone_is_told_so():
    found = checked("OneSize")
    assert set(found.terms.values()) == {"the same but for 1 of 9 batches: an image wider than high"}
    assert found.assignment.endswith("the same in 8 of 9 batches")


def test_ground_truth_that_cannot_be_decides_nothing_and_is_told():
    found = checked("NeverUsed")
    assert found.verdict == "same"
    assert found.bad_input == {
        "a label beyond the classes": "it raises IndexError: index 5 is out of bounds for dimension 2 with size 5",
        "a box of NaN": "it gives terms and gradients that are finite",
    }


def test_a_factor_that_no_paper_has_is_told_as_measured():
    found = checked("PortedSlide").class_term
    assert found.computes.startswith("BCE times an unknown factor, measured by assigned score: 1 at 0, ")
    assert found.divisor == SUM


@pytest.mark.parametrize("name", ["NeverUsed", "OnlySum"])
def test_what_does_nothing_new_is_told_so(name):
    found = checked(name)
    assert found.verdict == "same"
    assert found.unused == (("focal",) if name == "NeverUsed" else ())
    assert ("it never calls its focal" in found.head) == (name == "NeverUsed")


def test_noise_is_another_function():
    found = checked("noise")
    assert [term for term, told in found.terms.items() if told != SAME] == ["cls"]
    assert found.class_term.computes.startswith("unknown")


def test_one_scale_over_all_batches_is_told():
    assert checked("HalfTheBox").terms == {"box": "0.5 x our own term, in every batch", "cls": SAME, "dfl": SAME}


def test_other_anchors_are_counted():
    found = checked("TopThirteen")
    assert found.assignment.startswith("other positives: 39 that ours does not take, and 0 of our 149 not")


def test_nanodets_head_is_gfls_with_its_square_and_another_with_its_own():
    assert checked("nanodet_like_gfl", "gfl_head").verdict == "same"
    found = checked("nanodet_as_shipped", "gfl_head")
    assert found.verdict == "different"
    assert found.assignment.startswith("other positives")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("OldFocal", "TypeError: FocalLoss.forward() got an unexpected keyword argument 'gamma'"),
        ("NeedsGPU", "RuntimeError: Found no NVIDIA driver on your system"),
        ("EndsProcess", "EndsProcess ended the process: exit status 7"),
        ("MissingAttribute", "AttributeError: 'MissingAttribute' object has no attribute 'slide'"),
        ("ShortTable", "IndexError: index 2 is out of bounds for dimension 0 with size 2"),
        ("ModelFile", "FileNotFoundError: [Errno 2] No such file or directory: 'teacher.pt'"),
        ("NewSetting", "AttributeError: 'IterableSimpleNamespace' object has no attribute 'fl_gamma'"),
        ("ChangesOutputs", "ChangesOutputs changes its inputs; let it work on copies"),
        ("ChangesBatch", "ChangesBatch changes its inputs; let it work on copies"),
        ("one_number", "one_number returns Tensor; return the terms box, cls, dfl, a dict or in order"),
        ("Nothing", "has no 'Nothing'"),
    ],
)
def test_an_error_is_one_line(name, told):
    with pytest.raises(CannotCall) as error:
        checked(name)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "status"), [("NeverUsed", 0), ("PositiveWeight", 1), ("OldFocal", 2)])
def test_the_command_line_answers(name, status):
    found = CliRunner().invoke(main, ["check", f"{FILE}:{name}", "--as", "v8_detection"])
    assert found.exit_code == status, found.output
    assert {0: "same   the v8 detection loss", 1: "BCE, pos_weight 2", 2: "TypeError"}[status] in found.output


@pytest.mark.parametrize("option", [["--labels", "index"], ["--accept", str(FILE)]])
def test_options_of_single_losses_are_refused(option):
    found = CliRunner().invoke(main, ["check", f"{FILE}:NeverUsed", "--as", "v8_detection", *option])
    assert found.exit_code == 2


def test_a_branch_of_an_end_to_end_criterion_is_named():
    found = checked("FocalInOneBranch", "end_to_end_detection")
    assert [term for term, told in found.terms.items() if told != SAME] == ["cls"]
    assert {part: reading.computes for part, reading in found.readings.items()} == {
        "cls one2many": "BCE",
        "cls one2one": "focal with gamma 1.5 in place of BCE, alpha 0.25 on both sides",
    }
    assert found.assignment.startswith("one2many: the same positives, in 9 of 9 batches; one2one: the same positives")


def test_other_weights_of_the_branches_and_other_anchors_of_one_are_told():
    found = checked("PlainSum", "end_to_end_detection")
    assert found.verdict == "different"
    assert found.readings["box one2many"].computes == "CIoU, scaled by 1.25"
    assert found.readings["dfl one2many"].computes == "DFL over 16 bins, scaled by 1.25"
    assert found.readings["cls one2one"].computes == "not read, since other anchors are positive"
    assert "one2one: other positives" in found.assignment


def test_an_end_to_end_criterion_as_the_library_has_it_is_the_same():
    assert checked("E2ELoss", "end_to_end_detection").verdict == "same"


def test_what_differs_with_one_class_alone_is_told_so():
    found = checked("OneClassWeighed")
    assert found.verdict == "different"
    assert found.terms == {
        "box": SAME,
        "cls": f"with several classes {SAME}; with one class another function: no one scale over all batches makes it "
        "ours",
        "dfl": SAME,
    }
    assert {of: reading.computes for of, reading in found.readings.items()} == {
        "cls with one class": "BCE, pos_weight 2"
    }


def test_a_criterion_that_is_not_made_for_one_class_is_told_so():
    found = checked("ManyClasses")
    assert found.verdict == "same"
    assert found.bad_input["one class"] == "it raises IndexError: index 1 is out of bounds for dimension 1 with size 1"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("HalfTheBox", "cls, dfl the same, to its rounding"),
        ("HalfPrecision", "cls off by 1 of its size with no objects"),
        ("NoHalfPrecision", "it raises RuntimeError: Index put requires the source and destination dtypes match"),
    ],
)
def test_what_becomes_of_it_in_bfloat16_is_told_and_decides_nothing(name, told):
    found = checked(name)
    assert told in found.in_bfloat16
    assert found.plain["in_bfloat16"] == found.in_bfloat16
    assert found.verdict == ("different" if name == "HalfTheBox" else "same")


def test_a_criterion_that_keeps_to_float32_is_answered_without_what_is_read_off():
    found = checked("Float32Alone")
    assert found.terms["box"] == "0.5 x our own term, in every batch"
    assert found.assignment == "not read: in float64 it raises TypeError: float32 alone"
    assert found.readings == {}


def test_the_number_of_classes_that_it_is_made_for_may_be_stated():
    with pytest.raises(CannotCall, match="must match the size of tensor"):
        checked("WeightsOfPositives")
    found = checked("WeightsOfPositives", classes=3)
    assert found.class_term.computes == "BCE, pos_weight 1, 2.5, 4 by class"
    assert found.class_term.divisor == SUM
    assert "one class" in found.bad_input


def test_what_it_is_made_with_may_be_stated():
    with pytest.raises(CannotCall, match="missing 1 required positional argument: 'gamma'"):
        checked("MadeWithGamma")
    found = checked("MadeWithGamma", given=(("gamma", 2.0),))
    assert found.how == "MadeWithGamma(model, gamma=2.0)(outputs, batch)"
    assert found.class_term.computes == "focal with gamma 2 in place of BCE"


def test_a_criterion_of_an_old_release_is_given_its_maps():
    found = checked("OfOldRelease")
    assert found.how == "OfOldRelease(model)(maps, as in releases before 8.4, batch)"
    assert found.terms == {"box": SAME, "cls": "0.5 x our own term, in every batch", "dfl": SAME}
