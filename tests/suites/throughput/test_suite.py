"""The suite from plan to table, on cells small enough for a test; no time is asserted."""

from __future__ import annotations

import itertools
import json
import math
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from focalbench_suite.adapters import Loss, Unsupported
from focalbench_suite.results.throughput import step_table, table
from focalbench_suite.suites import Cell, Selection, Task
from focalbench_suite.suites.throughput import clocks, execute, import_libraries, launch, plan
from focalbench_suite.suites.throughput.launch import LaunchDied, SubjectReport, forked
from focalbench_suite.suites.throughput.rounds import Group
from focalbench_suite.suites.throughput.runner import Runner
from focalbench_suite.suites.throughput.step import LEAST_ROUNDS, StepTimes, time_steps
from focalbench_suite.suites.throughput.subjects import TimedLoss, checked, closeness, timed_loss
from focalbench_suite.suites.throughput.workloads import WORKLOADS, Workload, canonical_inputs
from focalbench_suite.suites.worker import as_line

SELECTION = Selection(profile="smoke", adapters=("own", "torchvision", "articles"), losses=("focal",))


@pytest.fixture(scope="module")
def records():
    (task,) = plan(SELECTION)
    # a fresh process, as a worker is: a fork of one whose threads have worked would wait for them for ever
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        return [json.loads(json.dumps(as_line(record))) for record in fresh.submit(execute, task).result()]


@pytest.fixture(scope="module")
def rows(records):
    return {(row["adapter"], row["pass"]): row for row in table(records).to_dict("records")}


def test_every_cell_has_a_record_and_two_rows(records, rows):
    assert {record["cell"]["adapter"] for record in records} == {
        "own", "torchvision", "articles.first", "articles.second"
    }  # fmt: skip
    assert {record["status"] for record in records} == {"ok"}
    assert len(rows) == 2 * len(records)


def test_what_is_timed_was_checked(rows):
    assert rows["torchvision", "forward"]["check"] == "agrees"
    assert rows["articles.second", "forward"]["check"] == "agrees_up_to_scale"  # mean over classes, sum over rows
    assert rows["articles.first", "forward"]["check"] == "differs"


def test_the_one_launch_of_smoke_has_no_interval_and_says_why(rows):
    for row in rows.values():
        assert row["median_ms"] > 0
        assert all(math.isnan(row[name]) for name in ("ci_low_ms", "ci_high_ms", "ratio_ci_low", "ratio_ci_high"))
        assert row["interval"] == "none: one launch"
        assert row["stopped"] in ("narrow", "budget", "rounds")
    assert rows["own", "forward"]["ratio_to_own"] == 1


def test_memory_is_what_the_formula_needs(rows):
    """torchvision's eager forward pass holds several tensors of the logits' size; backward, a gradient more."""
    logits = 4 * rows["torchvision", "forward"]["rows"] * 80
    assert rows["torchvision", "forward"]["peak_memory_bytes"] >= 2 * logits
    assert rows["torchvision", "forward_backward"]["peak_memory_bytes"] >= 3 * logits


def test_rows_and_rates_fit_together(rows):
    row = rows["torchvision", "forward_backward"]
    assert row["rows"] == 525
    assert row["elements_per_second"] == pytest.approx(525 * 80 / row["median_ms"] * 1e3)
    assert row["bandwidth_fraction"] == pytest.approx(row["floor_ms"] / row["median_ms"], nan_ok=True)


def test_an_absent_library_is_said_to_be_absent(monkeypatch):
    monkeypatch.setattr("adapters.Adapter.version", property(lambda self: None if self.name == "monai" else "1"))
    task = Task((Cell("throughput", "focal", "monai", workload="yolov8-160px-b1"),), SELECTION)
    (record,) = execute(task)
    assert (record.status, record.reason) == ("absent", "monai is not installed")


def peak(call) -> int:
    return clocks.peak_extra_bytes(call, "cpu")


def test_peak_memory_counts_what_is_held_at_once():
    x = torch.ones(1000, 1000)

    def one_after_the_other():
        for _ in range(3):
            x.exp()

    assert peak(one_after_the_other) == 4_000_000
    assert peak(lambda: (x.exp(), x.log(), x.abs())) == 12_000_000
    assert peak(lambda: x.exp_()) == 0


def group(losses: dict[str, Loss], rows: int = 64) -> Group:
    workload = Workload("test", rows, 8, ("focal",))
    return Group("focal", "cpu", "float32", workload, losses, seconds=0.05, least_rounds=2, most_rounds=4)


def loss(call, **declared) -> Loss:
    return Loss("focal", "test", call, **declared)


def good(logits, targets, *, gamma, alpha):
    return (torch.sigmoid(logits) ** gamma).sum()


def test_a_loss_that_answers_differently_each_time_is_not_timed():
    def random(logits, targets, *, gamma, alpha):
        return (logits * torch.rand(())).sum()

    report = forked(launch.time_group, group({"own": loss(good), "random": loss(random)}), 0, 1)
    assert "on the same input" in report.subjects["random"].reason
    assert report.subjects["own"].rounds


def test_a_loss_that_raises_does_not_take_others_down():
    def broken(logits, targets, *, gamma, alpha):
        raise RuntimeError("boom")

    report = forked(launch.time_group, group({"own": loss(good), "broken": loss(broken)}), 0, 1)
    assert report.subjects["broken"] == SubjectReport(reason="RuntimeError: boom")
    assert set(report.subjects["own"].rounds) == {"forward", "forward_backward"}


def test_a_gradient_that_is_not_finite_is_not_timed():
    def infinite(logits, targets, *, gamma, alpha):
        return (logits - logits.detach()).abs().sqrt().sum()  # derivative 1 / (2 sqrt(0))

    report = forked(launch.time_group, group({"own": loss(good), "infinite": loss(infinite)}), 0, 1)
    assert "not finite" in report.subjects["infinite"].reason


def test_input_sets_exceed_the_cache_and_differ():
    sets = launch._input_sets(group({}, rows=64), cache=1 << 16, seed=0)
    assert sum(inputs.bytes_read for inputs in sets) >= 2 << 16
    assert not torch.equal(sets[0].leaves[0], sets[1].leaves[0])


def runner_of(call, function=None, sets=3, **options) -> Runner:
    timed = loss(call)
    inputs = [canonical_inputs("focal", Workload("test", 16, 4, ("focal",)), "float32", "cpu", s) for s in range(sets)]
    parameters = {"gamma": 2.0, "alpha": 0.25}
    return Runner(TimedLoss("test", timed, parameters, None, function or timed.call), inputs, "cpu", **options)


def test_no_set_is_used_again_before_the_others_whoever_is_called():
    seen = []

    def noting(logits, targets, *, gamma, alpha):
        seen.append(float(logits[0, 0]))
        return logits.sum()

    turn = itertools.count()
    one, other = (runner_of(noting, turn=turn) for _ in range(2))
    for runner in (one, other, other, one, one, other):
        runner.call()
    assert len(set(seen[:3])) == 3
    assert seen[3:] == seen[:3]


def test_a_compiled_loss_must_give_what_it_gave_before():
    right, wrong = (
        runner_of(good),
        runner_of(good, function=lambda *inputs, **parameters: 1.1 * good(*inputs, **parameters)),
    )
    for runner in (right, wrong):
        runner.expect()
        runner.again()
    assert right.unsteady == ""
    assert "where it gave" in wrong.unsteady


def test_code_of_the_user_is_called_in_launches_only():
    called = []
    import_libraries(group({"theirs": loss(lambda *inputs, **parameters: called.append(inputs))}))
    assert not called


def test_a_launch_that_hangs_is_ended():
    with pytest.raises(LaunchDied, match="no answer after 1 s"):
        forked(signal.pause, seconds=1)


def test_a_launch_that_dies_is_told():
    with pytest.raises(LaunchDied, match="status 3"):
        forked(lambda: os._exit(3))
    with pytest.raises(LaunchDied, match="ValueError: no"):
        forked(lambda: (_ for _ in ()).throw(ValueError("no")))


def test_closeness():
    truth = torch.tensor([1.0, 2.0, 3.0])
    assert closeness(truth * (1 + 1e-6), truth, 1e-4) == "agrees"
    assert closeness(truth * 3, truth, 1e-4) == "agrees_up_to_scale"
    assert closeness(truth + 1, truth, 1e-4) == "differs"
    assert closeness(truth * math.nan, truth, 1e-4) == "differs"
    assert closeness(torch.zeros(3), truth, 1e-4) == "differs"


def test_zeros_and_a_wrong_sign_are_no_scale_of_the_loss():
    truth = torch.tensor([1.0, 2.0, 3.0])
    assert closeness(-truth, truth, 1e-4) == "differs"


@pytest.mark.parametrize("name", WORKLOADS)
def test_workloads_plan_for_every_device_they_name(name):
    workload = WORKLOADS[name]
    for device in workload.devices:
        profile = workload.profiles[0]
        cells = [cell for task in plan(Selection(profile=profile, devices=(device,))) for cell in task.cells]
        assert any(cell.workload == name and cell.device == device for cell in cells)


@pytest.mark.parametrize("name", [name for name, workload in WORKLOADS.items() if "-head-" in name])
def test_a_detector_workload_says_how_many_anchors_its_maps_have(name):
    workload = WORKLOADS[name]
    (loss,) = workload.losses
    maps, *_ = canonical_inputs(loss, workload, "float32", "cpu", 0).arguments
    assert sum(level.numel() // level.shape[1] for level in maps) == workload.rows


def test_detector_losses_are_checked_by_ours():
    from focalbench_suite.adapters import discover

    sources = discover()
    own = next(one for one in sources["own"].losses if one.name == "v8_detection")
    inputs = canonical_inputs("v8_detection", WORKLOADS["yolov8-head-160px-b1"], "float32", "cpu", 0)
    found = timed_loss(own, "own", inputs)
    assert checked(found, TimedLoss("own", own, found.parameters, None, own.call), [inputs]) == "agrees"


def test_a_loss_that_a_step_cannot_have_is_unsupported():
    def refuses(logits, targets, *, gamma, alpha):
        raise Unsupported("not on this machine")

    small = Workload("step", 0, 4, ("focal",), image=64, batch=1, step=True)
    steps = Group("focal", "cpu", "float32", small, {"own": loss(good), "other": loss(refuses)}, seconds=0)
    subjects = time_steps(steps, 0, 1).subjects
    assert subjects["other"] == StepTimes(reason="not on this machine", unsupported=True)
    assert len(subjects["own"].ms) == len(subjects["own"].without_ms) == LEAST_ROUNDS


def test_step_share_is_what_is_left_of_one():
    record = {
        "cell": {"suite": "throughput", "loss": "focal", "adapter": "own", "device": "cpu", "dtype": "float32",
                 "workload": "step"},
        "status": "ok",
        "data": {"device_name": "cpu", "rows": 9, "step": [{"ms": [10.0, 20.0], "without_ms": [9.0, 18.0]}]},
    }  # fmt: skip
    (row,) = step_table([record]).to_dict("records")
    assert row["loss_share"] == pytest.approx(0.1)
    assert row["rounds"] == 2
