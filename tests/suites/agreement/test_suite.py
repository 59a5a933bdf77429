"""The suite as a whole: its plan, its records, its accuracy tables, the detectors' terms."""

from __future__ import annotations

import json

import pytest

from focalbench_suite.adapters import find
from focalbench_suite.suites import Selection, agreement
from focalbench_suite.suites.agreement import accuracy, terms
from focalbench_suite.suites.agreement.subject import of
from focalbench_suite.suites.worker import as_line


def records(selection, workload):
    tasks = [task for task in agreement.plan(selection) if task.cells[0].workload == workload]
    return [record for task in tasks for record in agreement.execute(task)]


def test_every_cell_is_planned_once_and_for_each_selected_adapter():
    cells = [task.cells[0] for task in agreement.plan(Selection(profile="smoke"))]
    assert len({cell.key for cell in cells}) == len(cells)
    assert {cell.adapter.partition(".")[0] for cell in cells} == set(agreement.SMOKE_ADAPTERS)


def test_dtypes_and_losses_of_the_selection_are_kept():
    selection = Selection(adapters=("own",), losses=("focal",), dtypes=("bfloat16",))
    assert {(task.cells[0].loss, task.cells[0].dtype) for task in agreement.plan(selection)} == {("focal", "bfloat16")}


def test_a_user_s_file_is_measured(tmp_path):
    (tmp_path / "mine.py").write_text("def mine(logits, targets, gamma, alpha):\n    return (logits * 0).sum()\n")
    reference = f"{tmp_path / 'mine.py'}:mine"
    (first, *_) = records(Selection("smoke", adapters=(reference,), losses=("focal",)), "probes")
    verdicts = {row["verdict"] for row in first.rows["agreement"] if row["probe"] == "moderate"}
    assert (first.cell.adapter, verdicts) == ("mine", {"differs"})


def test_records_are_plain_data_with_named_rows():
    tables = {"probes": "agreement", "accuracy": "accuracy", "findings": "findings", "capability": "capability"}
    for workload, table in tables.items():
        record = records(Selection("smoke", adapters=("articles",), losses=("focal",)), workload)[0]
        row = json.loads(json.dumps(as_line(record)))["rows"][table][0]
        assert {"loss", "adapter", "library", "version", "device"} <= set(row)


def test_an_absent_library_is_a_row_with_its_reason(monkeypatch):
    monkeypatch.setattr("focalbench_suite.adapters.torchvision.adapter.distribution", "no-such-library")
    record = records(Selection("smoke", adapters=("torchvision",)), "probes")[0]
    assert record.status == "absent"
    assert record.rows["agreement"][0]["verdict"] == "unsupported"
    assert record.rows["agreement"][0]["relation"] == "no-such-library is not installed"


def region(adapter, dtype, quantity, target, low):
    loss = find("focal", adapter)
    record = accuracy.record(agreement.Cell("agreement", "focal", adapter, "cpu", dtype, "accuracy"), loss, of(loss))
    return next(
        row
        for row in record.rows["accuracy"]
        if (row["quantity"], row["target"], row["logit_from"]) == (quantity, target, low)
    )


def test_ours_is_within_one_unit_and_torchvision_loses_easy_negatives():
    assert region("own", "float32", "value", 0.0, -30.0)["max_ulp"] < 1
    assert region("own", "float32", "gradient", 0.0, -30.0)["max_ulp"] < 1
    lost = region("torchvision", "float32", "value", 0.0, -30.0)
    assert lost["zeros"] >= lost["points"] - 1
    assert lost["max_rel_error"] == 1.0


@pytest.mark.parametrize(("adapter", "kept"), [("own", True), ("keras", True), ("monai", True), ("torchvision", False)])
def test_a_head_of_easy_negatives_in_bfloat16(adapter, kept):
    rows = accuracy.head_sums(find("focal", adapter), "bfloat16", "cpu")
    (row,) = [row for row in rows if row["positives"] == 0]
    assert (abs(row["rel_error"]) < 0.005) is kept
    assert row["exact"] / row["factor"] == pytest.approx(0.532, rel=1e-3)  # Keras and MONAI average in their sum


@pytest.mark.parametrize(
    ("loss", "adapter", "count"),
    [
        ("v8_detection", "ultralytics", 3),
        ("end_to_end_detection", "ultralytics", 6),  # with bins and without
        ("gfl_head", "mmdetection", 3),
        ("retinanet_head", "torchvision", 2),
        ("fcos_head", "torchvision", 3),
        ("rtdetr_head", "ultralytics", 3),
    ],
)
def test_detectors_agree_with_ours_term_by_term(loss, adapter, count):
    rows = terms.rows(find(loss, adapter), "float32", "cpu")
    assert {row["verdict"] for row in rows} == {"agrees"}
    assert len(rows) == len(terms.SCENES) * count * 2


def test_a_term_that_is_off_is_seen():
    loss = find("v8_detection", "own")

    def louder(*inputs, **settings):
        found = loss.call(*inputs, **settings)
        return found | {"box": 1.01 * found["box"]}

    rows = terms.rows(type(loss)("v8_detection", "mine", louder), "float32", "cpu")
    wrong = {row["probe"].rpartition(": ")[2] for row in rows if row["verdict"] != "agrees"}
    assert wrong == {"box"}
