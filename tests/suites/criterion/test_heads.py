"""Heads of maps and of queries: which term is another, and what its class term computes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from focalbench_suite.adapters import load
from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.run_all import main
from focalbench_suite.suites.check import CannotCall
from focalbench_suite.suites.criterion import check_criterion
from focalbench_suite.suites.criterion.checking import SAME

FILE = Path(__file__).with_name("heads_of_people.py")
IMAGE = "an image's positives, at least 1, and the number of images"
POSITIVES, OBJECTS = "the number of positives, at least 1", "the number of objects, at least 1"
FOCAL = "focal with gamma {}, alpha 0.25 on positives and 0.75 on negatives"
HELD = "varifocal with gamma 2, no gradient through its modulating factor, positives weigh 1 and negatives 0.75"
CLASS = {
    ("OtherGamma", "retinanet_head"): (FOCAL.format(1.5), IMAGE),
    ("mean_over_anchors", "retinanet_head"): (FOCAL.format(2), "the number of predictions (a mean)"),
    ("quality_in_fcos", "fcos_head"): ("focal with gamma 2", POSITIVES),  # as it is for labels of 0 and 1
    ("OtherConstants", "rtdetr_head"): ("varifocal with gamma 2, positives weigh 1 and negatives 0.75", OBJECTS),
}


@pytest.fixture(scope="module", autouse=True)
def library():
    ensure_quiet()


def checked(name, loss):
    return check_criterion(f"{FILE}:{name}", None, loss)


@pytest.mark.parametrize(
    ("library", "loss"),
    [("torchvision", "retinanet_head"), ("torchvision", "fcos_head"), ("ultralytics", "rtdetr_head")],
)
def test_a_head_as_its_library_has_it_is_the_same(library, loss):
    assert check_criterion(library, load(library), loss).verdict == "same"


def test_a_subclass_that_changes_nothing_is_the_same():
    found = checked("Untouched", "retinanet_head")
    assert found.verdict == "same"
    assert found.how == "Untouched, as a subclass of RetinaNet"


@pytest.mark.parametrize(("name", "loss"), CLASS)
def test_what_the_class_term_computes_is_read(name, loss):
    found = checked(name, loss)
    assert [term for term, told in found.terms.items() if told != SAME] == ["cls"]
    assert (found.readings["cls"].computes, found.readings["cls"].divisor) == CLASS[name, loss]


def test_a_scale_of_one_term_is_told():
    found = checked("HalfTheBoxes", "fcos_head")
    assert found.terms == {"cls": SAME, "bbox": "0.5 x our own term, in every batch", "ctrness": SAME}


def test_other_anchors_are_no_other_class_term():
    found = checked("HighThreshold", "retinanet_head")
    assert found.verdict == "different"
    assert found.readings["cls"].computes == "not read, since other anchors are positive"
    assert found.assignment.startswith("other positives: ")


@pytest.mark.parametrize("library", ["transformers", "libreyolo"])
def test_rt_detr_elsewhere_has_other_constants_and_no_gradient_through_its_factor(library):
    pytest.importorskip(library)
    found = check_criterion(library, load(library), "rtdetr_head")
    assert found.terms["bbox"] == SAME
    assert (found.readings["cls"].computes, found.readings["cls"].divisor) == (HELD, OBJECTS)


def test_rf_detr_takes_the_same_queries_with_another_class_term():
    pytest.importorskip("rfdetr")
    found = check_criterion("rfdetr", load("rfdetr"), "rtdetr_head")
    assert [term for term, told in found.terms.items() if told != SAME] == ["cls"]
    assert found.assignment == "the same positives, in 9 of 9 batches"


def test_other_terms_are_refused():
    with pytest.raises(CannotCall, match="only_two returns tuple; return the terms cls, bbox, a dict or in order"):
        checked("only_two", "retinanet_head")


def test_the_command_line_answers():
    found = CliRunner().invoke(main, ["check", f"{FILE}:HalfTheBoxes", "--as", "fcos_head"])
    assert found.exit_code == 1, found.output
    assert "ctrness the same in every batch" in found.output
