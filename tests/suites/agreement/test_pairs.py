"""Losses over pairs of boxes against the formulas at 50 digits: ours everywhere, the libraries where they differ."""

import pytest
import torch

from focalbench_suite.adapters import Adapter, find
from focalbench_suite.adapters.own import iou_loss
from focalbench_suite.suites import Selection, agreement
from focalbench_suite.suites.agreement import pairs

KINDS = ("iou", "giou", "diou", "ciou")


def verdicts(loss, dtype="float32"):
    return {(row["probe"], row["quantity"]): row["verdict"] for row in pairs.rows(loss, dtype, "cpu")}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_ours_is_the_papers_everywhere(kind, dtype):
    rows = pairs.rows(find(kind, "own"), dtype, "cpu")
    assert {row["verdict"] for row in rows} == {"agrees"}
    assert len(rows) == 2 * len(pairs.PROBES)
    assert not any("float32's" in row["relation"] for row in rows)


@pytest.mark.parametrize("label", ["ultralytics", "torchvision", "mmdetection"])
@pytest.mark.parametrize("kind", ["giou", "diou"])
def test_libraries_differ_where_boxes_nearly_coincide_and_in_no_plain_case(kind, label):
    found = verdicts(find(kind, label))
    assert found["nearly identical", "value"] == "differs"
    assert {found[probe, "value"] for probe in ("overlapping", "one inside the other", "apart")} == {"agrees"}


def test_torchvisions_complete_iou_has_no_number_for_boxes_without_area():
    assert verdicts(find("ciou", "torchvision"))["without area", "gradient"] == "nonfinite"


def test_mmdetections_complete_iou_leaves_the_aspect_out_where_boxes_overlap_by_less_than_a_half():
    found = verdicts(find("ciou", "mmdetection"))
    assert found["apart", "value"] == "differs"
    assert found["identical", "value"] == "nonfinite"


@pytest.mark.parametrize("label", ["torch", "mmdetection"])
def test_the_smooth_l1_of_torch_and_mmdetection_is_that_of_its_paper(label):
    assert set(verdicts(find("smooth_l1", label)).values()) == {"agrees"}


@pytest.mark.parametrize("factor", [1.001, 0.0])
def test_a_loss_that_is_off_is_seen(factor):
    adapter = Adapter("mine")

    @adapter.loss("giou", reduction="none")
    def scaled(boxes, targets):
        return factor * iou_loss(boxes, targets, kind="giou", reduction="none")

    found = verdicts(adapter.losses[0])
    smooth = [probe.name for probe in pairs.PROBES if probe.smooth]
    assert {found[name, quantity] for name in smooth for quantity in ("value", "gradient")} == {"differs"}


def test_a_call_that_raises_is_a_row():
    adapter = Adapter("mine")

    @adapter.loss("iou", reduction="none")
    def broken(boxes, targets):
        raise RuntimeError("no boxes today")

    rows = pairs.rows(adapter.losses[0], "float32", "cpu")
    assert {row["verdict"] for row in rows} == {"error"}
    assert all("no boxes today" in row["relation"] for row in rows)


def test_they_are_planned_in_the_dtypes_that_boxes_are_computed_in():
    tasks = agreement.plan(Selection("full", adapters=("own",), losses=("giou",)))
    assert [task.cells[0].dtype for task in tasks] == ["float32", "float64"]
    (record,) = agreement.execute(tasks[0])
    assert {row["loss"] for row in record.rows["agreement"]} == {"giou"}
    assert torch.get_default_dtype() == torch.float32
