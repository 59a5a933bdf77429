"""The comparison of two runs, with a seeded change of each kind."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandas as pd
import pytest

from focalbench_suite.results.baseline import Baseline, renew
from focalbench_suite.results.compare import compare
from focalbench_suite.results.thresholds import read_thresholds
from focalbench_suite.results.timings import Benchmarks, open_source, timings
from focalbench_suite.run_all import command_line


def timed_record(record, adapter: str, slower: float = 1.0, launches: int = 3, machine: str = "Example CPU") -> dict:
    """A throughput record whose rounds scatter by a per cent."""
    scatter = [1.0, 1.01, 0.99, 1.005]
    rounds = {
        "ms": [10 * slower * s for s in scatter],
        "own_ms": [5 * s for s in scatter],
        "cpu_ms": [9 * slower] * 4,
        "faults": [0] * 4,
    }
    launch = {
        "rounds": {"forward": rounds, "forward_backward": rounds},
        "stopped": {"forward": "narrow", "forward_backward": "narrow"},
        "stream_ms": {"forward": scatter, "forward_backward": scatter},
        "stream_bytes": 1 << 20,
        "peak_bytes_per_ms": 1 << 20,
        "load": 0.5,
    }
    data = {
        "library": adapter, "version": "1.0", "rows": 100, "classes": 80, "elements": 8000, "device_name": machine,
        "threads": 2, "bytes": {"forward": 64000, "forward_backward": 96000}, "input_sets": 4, "check": "agrees",
        "cache_bytes": 1 << 15,
        "parameters": {"gamma": 2.0}, "reduction": "sum", "first_call_s": 0.1, "compiled": False,
        "memory": {"forward": 32000, "forward_backward": 64000},
        "launches": [json.loads(json.dumps(launch)) for _ in range(launches)],
    }  # fmt: skip
    return record("throughput", "focal", adapter, workload="yolov8-640px-b1", data=data)


def training(record, variant: str, aps: list[float]) -> list[dict]:
    """A coco-map record a seed."""
    return [
        record(
            "coco-map", "focal", "own", workload=f"{variant}-seed{seed}",
            rows={"coco_map": [{"host": "retinanet", "variant": variant, "adapter": "own", "dataset": "shapes",
                                "schedule": "quick", "seed": seed, "device": "cpu", "ap": ap, "status": "ok"}]},
        )
        for seed, ap in enumerate(aps)
    ]  # fmt: skip


@pytest.fixture
def make_record():
    from tests.results.made_up import record

    return record


@pytest.fixture
def baseline(records, make_record):
    lines = [timed_record(make_record, name) for name in ("own", "torchvision")]
    return records + lines + training(make_record, "own", [0.30, 0.31, 0.29])


@pytest.fixture
def against(tmp_path, baseline, write_run):
    """Compare the baseline with what a function makes of a copy of it."""

    def judged(change):
        new = copy.deepcopy(baseline)
        new = change(new) or new
        return compare(write_run(tmp_path / "old", baseline), write_run(tmp_path / "new", new))

    return judged


def find(lines: list[dict], suite: str, adapter: str) -> dict:
    return next(line for line in lines if line["cell"]["suite"] == suite and line["cell"]["adapter"] == adapter)


def test_a_run_is_the_same_as_itself(against):
    comparison = against(lambda lines: None)
    assert comparison.changes == []
    assert comparison.exit_status == 0
    assert comparison.same["throughput"] == 4
    assert "Nothing got worse" in comparison.markdown


def test_a_worse_verdict_is_a_regression(against):
    def change(lines):
        find(lines, "agreement", "torchvision")["rows"]["agreement"][0]["verdict"] = "differs"

    comparison = against(change)
    assert [c.table for c in comparison.regressions] == ["agreement"]
    assert "agrees -> differs" in comparison.regressions[0].detail
    assert comparison.exit_status == 1


def test_a_verdict_that_got_worse_in_one_form_is_not_hidden_by_the_other(tmp_path, baseline, write_run):
    both = copy.deepcopy(baseline)
    rows = find(both, "agreement", "torchvision")["rows"]["agreement"]
    rows.append(rows[0] | {"form": "elementwise"})
    worse = copy.deepcopy(both)
    find(worse, "agreement", "torchvision")["rows"]["agreement"][0]["verdict"] = "differs"
    comparison = compare(write_run(tmp_path / "both", both), write_run(tmp_path / "worse", worse))
    assert [change.detail for change in comparison.regressions] == ["agrees -> differs"]


def test_a_better_verdict_is_an_improvement(against):
    def change(lines):
        find(lines, "agreement", "ultralytics")["rows"]["agreement"][0]["verdict"] = "agrees"

    comparison = against(change)
    assert comparison.regressions == []
    assert [c.detail for c in comparison.of("improved")] == ["differs -> agrees"]


def test_a_new_finding_is_a_regression_and_a_vanished_one_is_not(against):
    def change(lines):
        found = find(lines, "agreement", "ultralytics")["rows"]["findings"]
        find(lines, "agreement", "torchvision")["rows"]["findings"].append(
            found[0] | {"adapter": "torchvision", "kind": "alpha", "code": "alpha_exchanged"}
        )
        found.clear()

    comparison = against(change)
    assert [("torchvision" in c.key, c.table) for c in comparison.regressions] == [(True, "findings")]
    assert ["ultralytics" in c.key for c in comparison.of("improved")] == [True]


def test_a_finding_with_other_figures_is_neither_new_nor_gone_but_a_second_one_is_new(against):
    def change(lines):
        (found,) = find(lines, "agreement", "torchvision")["rows"]["findings"]
        other = found | {name: found[name].replace("-16", "-17") for name in ("statement", "values")}
        assert other["statement"] != found["statement"]
        find(lines, "agreement", "torchvision")["rows"]["findings"] = [other]

    comparison = against(change)
    assert [(c.kind, "-16" in c.key, "-17" in c.detail) for c in comparison.changes] == [("undecided", True, True)]

    def another(lines):
        found = find(lines, "agreement", "torchvision")["rows"]["findings"]
        found.append(found[0] | {name: found[0][name].replace("-16", "-17") for name in ("statement", "values")})

    assert [(c.table, "-17" in c.key) for c in against(another).regressions] == [("findings", True)]


@pytest.mark.parametrize("launches", [1, 3])
def test_a_slower_cell_is_a_regression(against, make_record, launches):
    def change(lines):
        lines.remove(find(lines, "throughput", "torchvision"))
        lines.append(timed_record(make_record, "torchvision", slower=1.6, launches=launches))

    comparison = against(change)
    assert {c.table for c in comparison.regressions} == {"throughput"}
    assert all("torchvision" in c.key for c in comparison.regressions)
    assert len(comparison.regressions) == 2


@pytest.mark.parametrize(("times", "change"), [(1.36, "regressed"), (1 / 1.36, "improved")])
def test_the_more_times_two_runs_compare_the_less_one_of_them_says(times, change, tmp_path, make_record, write_run):
    """By one launch each 1.36 is 3 standard errors beyond the margin: p = 0.02 of 4 degrees of freedom, twice."""
    for others, kinds in ((0, {change}), (10, {"undecided"})):
        old, new = (
            [timed_record(make_record, name, times if (name, run) == ("torchvision", "new") else 1.0, launches=1)
             for name in ("torchvision", *(f"other{number}" for number in range(others)))]
            for run in ("old", "new")
        )  # fmt: skip
        result = compare(write_run(tmp_path / f"{others} old", old), write_run(tmp_path / f"{others} new", new))
        assert {one.kind for one in result.changes if "torchvision" in one.key} == kinds


def test_a_slower_machine_is_not_a_slower_loss(against):
    def change(lines):
        for line in lines:
            for launch in line["data"].get("launches", ()):
                for name in ("forward", "forward_backward"):
                    launch["stream_ms"][name] = [1.6 * ms for ms in launch["stream_ms"][name]]
                    launch["rounds"][name]["ms"] = [1.6 * ms for ms in launch["rounds"][name]["ms"]]

    comparison = against(change)
    assert comparison.regressions == []
    assert len(comparison.of("undecided")) == 4


def test_times_of_another_machine_decide_nothing(against, make_record):
    def change(lines):
        lines.remove(find(lines, "throughput", "torchvision"))
        lines.append(timed_record(make_record, "torchvision", slower=3, machine="Other CPU"))

    comparison = against(change)
    assert comparison.regressions == []
    assert ["another machine" in c.detail for c in comparison.of("undecided")] == [True, True]


@pytest.mark.parametrize(("pace", "kinds"), [(1.6, {"undecided"}), (1 / 1.6, {"undecided"}), (1.1, {"regressed"})])
def test_a_machine_of_the_same_name_is_told_by_how_fast_it_computes(pace, kinds, tmp_path, make_record, write_run):
    def measured(name, slower, pace):
        run = write_run(tmp_path / name, [timed_record(make_record, "torchvision", slower)])
        told = run.environment() | {"pace_us": {"elementwise": 20.0 * pace, "matmul": 40.0}}
        run.environment_file.write_text(json.dumps(told))
        return run

    old, new = measured("old", 1.0, 1.0), measured("new", 3.0, pace)
    renew(new, tmp_path / "baseline")
    for source in (new, Baseline(tmp_path / "baseline")):
        comparison = compare(old, source)
        assert {change.kind for change in comparison.changes if change.table == "throughput"} == kinds
        told = f"another machine of the same name: a fixed piece of work took {pace:.2f} times as long (elementwise)"
        assert (told in comparison.undecidable) == (kinds == {"undecided"})


def test_lower_precision_is_a_regression_beyond_its_interval_only(against):
    def lower(by):
        def change(lines):
            for line in lines:
                for row in line["rows"].get("coco_map", ()):
                    row["ap"] -= by

        return change

    assert [c.table for c in against(lower(0.1)).regressions] == ["coco_map"]


@pytest.mark.parametrize("by", [0.005, 0.02])
def test_a_small_difference_of_few_seeds_is_undecided(against, by):
    def change(lines):
        for line in lines:
            for row in line["rows"].get("coco_map", ()):
                row["ap"] -= by

    comparison = against(change)
    assert [(c.kind, c.table) for c in comparison.changes] == [("undecided", "coco_map")]
    assert comparison.exit_status == 0


def test_a_small_difference_of_many_seeds_is_the_same(tmp_path, make_record, write_run):
    old, new = (training(make_record, "own", [0.3 - by + 0.001 * (seed % 5) for seed in range(64)]) for by in (0, 2e-4))
    comparison = compare(write_run(tmp_path / "old", old), write_run(tmp_path / "new", new))
    assert comparison.changes == []
    assert comparison.same["coco_map"] == 1


def test_a_training_that_diverges_now_is_a_regression(against):
    def change(lines):
        row = find(lines, "coco-map", "own")["rows"]["coco_map"][0]
        row |= {"ap": None, "status": "diverged"}

    comparison = against(change)
    assert [c.table for c in comparison.regressions] == ["coco_map"]
    assert comparison.regressions[0].detail.startswith("diverged with seed 0")


def test_trainings_in_two_dtypes_are_not_taken_for_one_another(tmp_path, make_record, write_run):
    def both(single, double):
        lines = [*training(make_record, "own", [single]), *training(make_record, "own", [double])]
        for line, dtype in zip(lines, ("float32", "float64"), strict=True):
            line["rows"]["coco_map"][0]["dtype"] = dtype
            line["key"] = dtype
        return lines

    old, new = write_run(tmp_path / "old", both(0.5, 0.3)), write_run(tmp_path / "new", both(0.1, 0.3))
    assert ["float32" in change.key for change in compare(old, new).regressions] == [True]


def test_a_capability_that_is_lost_is_a_regression(against, make_record):
    def change(lines):
        find(lines, "agreement", "own")["rows"]["capability"][0]["supported"] = False

    comparison = against(change)
    assert [(c.table, c.detail) for c in comparison.regressions] == [("capability", "True -> False")]


def test_rows_that_vanish_from_a_cell_that_ran_are_no_passes(against):
    def change(lines):
        find(lines, "coco-map", "own")["rows"].clear()
        find(lines, "throughput", "torchvision")["data"].clear()

    comparison = against(change)
    assert sorted(c.table for c in comparison.of("vanished")) == ["coco_map", "throughput", "throughput"]
    assert comparison.exit_status == 3


def test_a_crash_is_not_a_regression_and_not_fine(against):
    def change(lines):
        line = find(lines, "throughput", "torchvision")
        line |= {"status": "failed", "reason": "RuntimeError: boom", "data": {}}

    comparison = against(change)
    assert comparison.regressions == []
    assert [c.detail for c in comparison.of("crashed")] == ["failed: RuntimeError: boom"]
    assert comparison.exit_status == 3


def test_a_reason_that_looks_like_a_tag_starts_none(against):
    def change(lines):
        find(lines, "throughput", "torchvision").update(status="failed", reason="<img src=x>", data={})

    comparison = against(change)
    assert "&lt;img src=x>" in comparison.markdown
    assert "<img" not in comparison.markdown


def test_a_missing_cell_and_a_missing_row_are_not_passes(against):
    def change(lines):
        lines.remove(find(lines, "throughput", "torchvision"))
        find(lines, "agreement", "own")["rows"]["agreement"].pop()

    comparison = against(change)
    assert comparison.regressions == []
    assert sorted(c.table for c in comparison.of("vanished")) == ["agreement", "cells"]
    assert comparison.exit_status == 3


def test_what_is_new_is_listed(against, make_record):
    comparison = against(lambda lines: [*lines, timed_record(make_record, "kornia")])
    assert [c.key for c in comparison.of("appeared")] == ["throughput/focal/kornia/cpu/float32/yolov8-640px-b1"]
    assert comparison.exit_status == 0


def test_what_is_no_alarm_is_told_shortly(against, make_record):
    comparison = against(lambda lines: [*lines, *(timed_record(make_record, f"new_{n}") for n in range(14))])
    assert len(comparison.of("appeared")) == 14
    assert comparison.markdown.count("| cells | throughput/focal/new_") == 10
    assert "and 4 more." in comparison.markdown


def test_a_repaired_cell_is_no_regression(against):
    def change(lines):
        find(lines, "agreement", "broken").update(status="ok", reason="")

    comparison = against(change)
    assert [c.kind for c in comparison.changes] == ["repaired"]


def benchmark_file(path, medians: dict[str, float], load: float = 2.0):
    entries = [
        {"fullname": f"bench[{cell}]",
         "extra_info": {"cell": cell, "device_name": "Example CPU", "threads": 2, "load": load},
         "stats": {"median": median}}
        for cell, median in medians.items()
    ]  # fmt: skip
    path.write_text(json.dumps({"benchmarks": entries, "machine_info": {"cpu": {"brand_raw": "Example CPU"}}}))
    return path


def test_benchmark_files_are_compared(tmp_path):
    old = benchmark_file(tmp_path / "old.json", {"a": 0.010, "b": 0.010, "c": 0.010})
    new = benchmark_file(tmp_path / "new.json", {"a": 0.0101, "b": 0.020, "d": 0.010})
    comparison = compare(open_source(old), open_source(new))
    assert [c.key for c in comparison.regressions] == ["b"]
    assert [c.key for c in comparison.of("vanished")] == ["c"]
    assert [c.key for c in comparison.of("appeared")] == ["d"]


def test_what_lies_below_the_floor_is_no_change(tmp_path):
    old = benchmark_file(tmp_path / "old.json", {"nothing": 0.40e-9, "something": 0.40e-6})
    new = benchmark_file(tmp_path / "new.json", {"nothing": 0.58e-9, "something": 0.80e-6})
    comparison = compare(open_source(old), open_source(new))
    assert [c.key for c in comparison.changes] == ["something"]
    assert comparison.same["throughput"] == 1


def test_a_file_says_how_much_slower_which_cell_may_be(tmp_path):
    old = benchmark_file(tmp_path / "old.json", {"throughput/focal": 0.010, "throughput/other": 0.010})
    new = benchmark_file(tmp_path / "new.json", {"throughput/focal": 0.017, "throughput/other": 0.017})
    assert len(compare(open_source(old), open_source(new)).regressions) == 2
    file = tmp_path / "thresholds.yaml"
    file.write_text('"throughput/*": {margin: 1}\n"*/focal": {floor_ms: 20}\n')
    comparison = compare(open_source(old), open_source(new), read_thresholds(file))
    assert comparison.regressions == []
    assert comparison.same["throughput"] == 1  # the other lies within a margin of 100 %, which one launch cannot say


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1, 2]", "holds no thresholds"),
        ('"a": {margin: -1}', "margin: Input should be greater than or equal to 0"),
        ('"a": {margin: .inf}', "finite"),
        ('"a": {slower: 1}', "slower: Extra inputs are not permitted"),
        ('"a": {', "is no YAML"),
    ],
)
def test_a_file_that_holds_no_thresholds_is_refused(tmp_path, content, told):
    file = tmp_path / "thresholds.yaml"
    file.write_text(content)
    with pytest.raises(ValueError, match=told):
        read_thresholds(file)


def test_times_of_another_machine_decide_nothing_and_that_is_said_first(tmp_path, capsys, monkeypatch):
    old = benchmark_file(tmp_path / "old.json", {"a": 0.010})
    content = old.read_text().replace("Example CPU", "Another CPU")
    (tmp_path / "new.json").write_text(content)
    comparison = compare(open_source(old), open_source(tmp_path / "new.json"))
    assert comparison.markdown.splitlines()[2].startswith("No time is compared: another machine: Example CPU")
    for more, status in (([], 0), (["--require-decision"], 1)):
        monkeypatch.setattr(
            "sys.argv", ["run_all.py", "compare", str(old), str(tmp_path / "new.json"), "--json", *more]
        )
        with pytest.raises(SystemExit) as ended:
            command_line()
        assert (ended.value.code or 0) == status
        told = json.loads(capsys.readouterr().out)
        assert [change["kind"] for change in told["changes"]] == ["undecided"]
        assert "another machine" in told["undecidable"]


@pytest.mark.parametrize(("rounds", "kind"), [(2, "undecided"), (3, "regressed")])
def test_a_single_launch_of_two_rounds_is_no_regression(tmp_path, make_record, write_run, rounds, kind):
    def timed(slower: float) -> list[dict]:
        line = timed_record(make_record, "own", slower, launches=1)
        for one in line["data"]["launches"][0]["rounds"].values():
            one.update({name: values[:rounds] for name, values in one.items()})
        return [line]

    comparison = compare(write_run(tmp_path / "old", timed(1.0)), write_run(tmp_path / "new", timed(4.3)))
    assert [change.kind for change in comparison.changes if change.table == "throughput"] == [kind] * 2
    assert ("one launch of 2 rounds" in comparison.undecidable) == (kind == "undecided")


def test_a_processor_without_a_name_of_its_own_is_told_by_its_machine(tmp_path):
    file = benchmark_file(tmp_path / "arm.json", {"a": 0.010})
    content = json.loads(file.read_text())
    content["machine_info"] = {"cpu": {"arch": "ARM_8"}, "machine": "aarch64", "system": "Linux", "node": "board"}
    del content["benchmarks"][0]["extra_info"]["device_name"]
    file.write_text(json.dumps(content))
    assert [timing.machine for timing in timings(open_source(file)).values()] == ["aarch64 Linux board"]


def test_what_is_found_of_a_loss_that_raised_before_is_new_and_no_regression(tmp_path, baseline, write_run):
    before, after = copy.deepcopy(baseline), copy.deepcopy(baseline)
    raised = find(before, "agreement", "ultralytics")["rows"]
    assert raised["findings"]
    raised["findings"].clear()
    for row in raised["agreement"]:
        row["verdict"] = "error"
    comparison = compare(write_run(tmp_path / "old", before), write_run(tmp_path / "new", after))
    assert comparison.regressions == []
    assert {change.kind for change in comparison.changes} == {"appeared", "repaired"}


def test_a_busy_machine_decides_nothing(tmp_path):
    quiet = benchmark_file(tmp_path / "old.json", {"slower": 0.010, "faster": 0.010, "same": 0.010})
    busy = benchmark_file(tmp_path / "new.json", {"slower": 0.180, "faster": 0.001, "same": 0.010}, load=9.8)
    comparison = compare(open_source(quiet), open_source(busy))
    assert comparison.exit_status == 0
    assert {c.key: "7.8 other processes" in c.detail for c in comparison.of("undecided") if c.key != "same"} == {
        "slower": True, "faster": True,
    }  # fmt: skip


def test_a_benchmark_file_is_compared_with_a_run(tmp_path, baseline, write_run):
    run = write_run(tmp_path / "run", baseline)
    key = "throughput/focal/own/cpu/float32/yolov8-640px-b1 forward"
    assert timings(run)[key].launches == pytest.approx((10.025,) * 3)
    comparison = compare(run, Benchmarks(benchmark_file(tmp_path / "new.json", {key: 0.030})))
    assert [c.key for c in comparison.regressions] == [key]


def test_what_is_neither_run_nor_benchmark_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match="is not a file of pytest --benchmark-json"):
        open_source(tmp_path / "other.json")
    with pytest.raises(ValueError, match="is not a run"):
        open_source(tmp_path)


@pytest.fixture
def committed(tmp_path, everything, write_run):
    """A run of every suite, and the baseline made of it."""
    run = write_run(tmp_path / "committed", everything)
    renew(run, tmp_path / "baseline")
    return run, Baseline(tmp_path / "baseline")


def test_a_baseline_holds_all_that_its_run_is_judged_by(committed):
    run, baseline = committed
    comparison = compare(baseline, run)
    assert comparison.changes == compare(run, run).changes
    assert comparison.same == compare(run, run).same
    assert (baseline.folder / "environment.json").read_bytes() == run.environment_file.read_bytes()


def test_a_regression_against_a_baseline_is_named_and_a_renewed_one_has_none(
    committed, everything, tmp_path, write_run
):
    _, baseline = committed
    lines = copy.deepcopy(everything)
    find(lines, "agreement", "torchvision")["rows"]["agreement"][0]["verdict"] = "differs"
    for launch in find(lines, "throughput", "torchvision")["data"]["launches"]:
        launch["rounds"]["forward"]["ms"] = [2 * ms for ms in launch["rounds"]["forward"]["ms"]]
    worse = write_run(tmp_path / "worse", lines)
    comparison = compare(baseline, worse)
    assert {change.table for change in comparison.regressions} == {"agreement", "throughput"}
    renew(worse, baseline.folder)
    assert compare(Baseline(baseline.folder), worse).regressions == []


def test_the_launches_of_a_baseline_scatter_as_its_intervals_were_made(committed):
    """By Student's t as the run's own did; by the normal reach of a resampled interval where the table is older."""
    run, baseline = committed
    (key, *_) = timings(run)
    assert timings(baseline)[key].launches == pytest.approx(sorted(timings(run)[key].launches))
    older = pd.read_csv(baseline.files["throughput"]).drop(columns="interval")
    older.to_csv(baseline.files["throughput"], index=False)
    low, high = np.log(timings(baseline)[key].launches)
    limits = older.set_index(older["cell"] + " " + older["pass"]).loc[key]
    assert (high - low) / 2 == pytest.approx(np.log(limits["ci_high_ms"] / limits["ci_low_ms"]) / 2 / 1.959964)


def test_of_a_baseline_of_one_suite_only_that_suite_is_judged(committed):
    run, baseline = committed
    for file in baseline.folder.glob("*.csv"):
        if file.stem != "throughput":
            file.unlink()
    comparison = compare(Baseline(baseline.folder), run)
    assert {*comparison.same, *(change.table for change in comparison.changes)} == {"throughput"}
