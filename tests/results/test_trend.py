"""Runs of many commits: a slow drift is seen and noise is not, machines stay apart, and what is torn costs itself."""

import copy
import datetime
import doctest
import json
import random
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from focalbench_suite.results import statistics, trend
from focalbench_suite.results.statistics import steps
from focalbench_suite.results.trend import points as extracting
from focalbench_suite.run_all import command_line
from tests.results import made_up, test_page

MIDNIGHT = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)
NOISE = 0.02
browser = test_page.browser


def commit(number):
    return f"{number:02x}" * 20


@pytest.fixture
def measured(write_run, tmp_path):
    """A function that makes the run of a commit: what our loss takes, and its verdict on one probe."""

    def made(number, ms, verdict="agrees", machine="Example CPU", stream=1.0, pace=1.0):
        timed = copy.deepcopy(made_up.timed("own", ms))
        timed["data"]["device_name"] = machine
        for launch in timed["data"]["launches"]:
            launch["stream_ms"] = {name: [stream, stream] for name in launch["stream_ms"]}
        judged = made_up.agreement("own", "moderate", verdict)
        lines = [timed, made_up.record("agreement", "focal", "own", "probes", rows={"agreement": [judged]})]
        run = write_run(tmp_path / "runs" / f"{number}-{machine}", lines)
        told = (MIDNIGHT + datetime.timedelta(hours=number)).isoformat()
        said = made_up.ENVIRONMENT | {"time": told, "commit": commit(number), "cpu": machine}
        said["pace_us"] = {"elementwise": 20.0 * pace, "matmul": 40.0 * pace}
        run.environment_file.write_text(json.dumps(said))
        return run.folder

    return made


@pytest.fixture
def call(monkeypatch, capsys):
    """The command's exit status and the lines that it says, on standard output and on standard error."""

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_all.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line()
        out, error = capsys.readouterr()
        return ended.value.code or 0, out, error.strip().splitlines()

    return called


def curve(folder, forward=True):
    """The steps of our loss in one pass, the first commit first."""
    points, objections = trend.read(folder)
    assert objections == []
    rows = trend.steps_table(points).iloc[::-1]
    return rows[rows["what"].str.endswith(" forward" if forward else " forward_backward")].to_dict("records")


def test_a_slow_drift_over_fifty_commits_is_seen(measured, tmp_path):
    dice = random.Random(1)
    for number in range(50):
        run = measured(number, 4.0 * 1.005**number * dice.gauss(1, NOISE))
        trend.keep(tmp_path / "kept", [run], "")
    found = curve(tmp_path / "kept")
    assert len(found) >= 2
    assert all(row["after"] > row["before"] for row in found)
    assert 1.15 < float(found[-1]["since_first"].removeprefix("× ")) < 1.005**50


def test_a_step_is_told_at_its_commit_and_one_bad_run_is_none(measured, tmp_path):
    dice = random.Random(2)
    for number in range(20):
        bad = 1.6 if number == 5 else 1.0
        run = measured(number, (4.0 if number < 12 else 4.8) * bad * dice.gauss(1, NOISE))
        trend.keep(tmp_path / "kept", [run], "")
    (step,) = curve(tmp_path / "kept")
    assert step["commit"] == commit(12)[:9]
    assert 1.15 < float(step["change"].removeprefix("× ")) < 1.25
    assert step["reason"] == ""


@pytest.mark.parametrize("module", [statistics, extracting])
def test_the_examples_hold(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_noise_alone_is_no_step():
    dice = np.random.default_rng(0)
    assert sum(bool(steps(NOISE * dice.standard_normal(50))) for _ in range(200)) <= 4
    assert sum(bool(steps(NOISE * dice.standard_t(3, 50))) for _ in range(200)) <= 8
    assert steps([0.0] * 50) == steps([0.5] * 5) == steps([]) == []


@pytest.mark.parametrize("cause", ["stream", "pace"])
def test_a_machine_that_became_slower_is_not_the_loss(cause, measured, tmp_path):
    dice = random.Random(3)
    for number in range(20):
        slow = 1.0 if number < 10 else 1.3
        run = measured(number, 4.0 * slow * dice.gauss(1, NOISE), **{cause: slow})
        trend.keep(tmp_path / "kept", [run], "")
    (step,) = curve(tmp_path / "kept")
    assert step["reason"] == f"the machine: its {cause} changed with it"


def test_a_run_that_was_kept_before_the_pace_was_measured_is_read(measured, tmp_path):
    (file,) = trend.keep(tmp_path, [measured(1, 4.0)], "")
    pd.read_parquet(file).drop(columns="pace").to_parquet(file)
    points, objections = trend.read(tmp_path)
    assert not objections
    assert points["pace"].isna().all()
    assert (points["table"] == "throughput").sum() == 2


def test_two_machines_merge_by_copying_and_are_not_mixed(measured, tmp_path):
    dice = random.Random(4)
    for number in range(24):
        slow = number % 2
        run = measured(number, (9.0 if slow else 4.0) * dice.gauss(1, NOISE), machine="Slow" if slow else "Fast")
        trend.keep(tmp_path / ("slow" if slow else "fast"), [run], "")
    for file in (tmp_path / "slow").iterdir():
        shutil.copy(file, tmp_path / "fast")
    assert curve(tmp_path / "fast") == []
    points, _ = trend.read(tmp_path / "fast")
    times = points[points["table"] == "throughput"].groupby("machine")["value"]
    assert times.size().to_dict() == {"Fast": 24, "Slow": 24}  # two passes of twelve runs
    assert times.max()["Fast"] < times.min()["Slow"]


def test_a_verdict_that_changes_is_told_with_its_commit(measured, tmp_path):
    for number in range(5):
        trend.keep(tmp_path / "kept", [measured(number, 4.0, "differs" if number == 2 else "agrees")], "")
    points, _ = trend.read(tmp_path / "kept")
    rows = trend.verdicts_table(points).to_dict("records")
    told = [(row["commit"], row["before"], row["after"]) for row in rows]
    assert told == [(commit(3)[:9], "differs", "agrees"), (commit(2)[:9], "agrees", "differs")]
    assert "moderate" in rows[0]["what"]


def test_a_run_is_kept_once_and_says_the_same_as_its_folder(measured, tmp_path):
    run = measured(7, 4.0)
    assert trend.keep(tmp_path / "kept", [run], "") == trend.keep(tmp_path / "kept", [run], "")
    shutil.copytree(run, tmp_path / "whole" / "run")
    kept, whole = (trend.read(tmp_path / name)[0] for name in ("kept", "whole"))
    assert len(kept) > 2
    pd.testing.assert_frame_equal(kept, whole)
    assert set(kept["commit"]) == {commit(7)}


def test_average_precision_has_curves_too(write_run, tmp_path):
    run = write_run(tmp_path / "run", made_up.every_record())
    trend.keep(tmp_path / "kept", [run.folder], "")
    points, _ = trend.read(tmp_path / "kept")
    values = points[points["table"] == "coco_map"].set_index("line")["value"].to_dict()
    assert values == {"library (mmdetection)": pytest.approx(1.0), "no prior (own)": pytest.approx(0.25, abs=0.02)}


def test_a_benchmark_file_and_an_answer_of_check_are_runs_of_their_commit(tmp_path):
    benchmarks = {
        "benchmarks": [{"fullname": "test_focal", "stats": {"median": 2e-3}, "extra_info": {}}],
        "machine_info": {"cpu": {"brand_raw": "Some CPU"}},
        "datetime": "2026-10-02T00:00:00+00:00",
        "commit_info": {"id": commit(1)},
    }
    (tmp_path / "benchmarks.json").write_text(json.dumps(benchmarks))
    findings = [{"kind": "alpha"}, {"kind": "nonfinite"}, {"kind": "alpha"}]
    answer = {"reference": "losses.py:focal", "loss": "focal", "verdict": "different", "findings": findings}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    for name in ("benchmarks.json", "answer.json"):
        trend.keep(tmp_path / "kept", [tmp_path / name], commit(2))
    points, _ = trend.read(tmp_path / "kept")
    rows = points.set_index("what").to_dict("index")
    assert rows["test_focal"]["value"] == pytest.approx(2.0)
    assert (rows["test_focal"]["commit"], rows["test_focal"]["machine"]) == (commit(1), "Some CPU")
    assert rows["losses.py:focal as focal"]["verdict"] == "different: alpha, nonfinite"
    assert rows["losses.py:focal as focal"]["commit"] == commit(2)


def test_what_is_torn_costs_itself_alone(measured, tmp_path, call):
    kept = tmp_path / "kept"
    for number in range(3):
        trend.keep(kept, [measured(number, 4.0)], "")
    whole = next(kept.glob("*.parquet")).read_bytes()
    (kept / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (kept / "words.parquet").write_text("no parquet")
    (kept / "notes.txt").write_text("nothing of ours")
    shutil.copytree(measured(9, 4.0), kept / "torn")
    with (kept / "torn" / "records.jsonl").open("a") as stream:
        stream.write('{"key": "cut')
    shutil.copytree(measured(9, 4.0), kept / "unsaid")
    (kept / "unsaid" / "environment.json").write_text("[")
    status, out, errors = call("trend", kept)
    assert status == 0
    assert [line.partition(f"{kept}/")[2][:3] for line in errors] == ["cut", "tor", "uns", "wor"]
    assert "Curves: " in out
    assert len(set(trend.read(kept)[0]["commit"])) == 4


def test_one_that_is_no_run_keeps_the_others_out(tmp_path, call, measured):
    (tmp_path / "none").mkdir()
    status, out, errors = call("trend", tmp_path / "kept", measured(0, 4.0), tmp_path / "none")
    assert (status, out, len(errors)) == (2, "", 1)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("name", ["missing", "empty", "a file", "broken"])
def test_a_folder_without_a_run_is_one_line(tmp_path, call, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.parquet").touch()
    status, out, errors = call("trend", tmp_path / name)
    assert (status, out, len(errors)) == (2, "", 1)
    assert name in errors[0]
    assert not list(tmp_path.rglob("*.html"))


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", '{"benchmarks": 3}', '{"verdict": "same"}', "[]"])
def test_a_file_that_is_no_run_is_one_line(tmp_path, call, text):
    (tmp_path / "file.json").write_text(text)
    status, out, errors = call("trend", tmp_path / "kept", tmp_path / "file.json")
    assert (status, out, len(errors)) == (2, "", 1)
    assert "file.json" in errors[0]
    assert not (tmp_path / "kept").exists()


@test_page.needs_browser
def test_the_page_draws_its_curves_and_fits_a_phone(measured, tmp_path, call, browser):
    dice = random.Random(5)
    runs = [measured(number, 4.0 * (1 + (number > 5)) * dice.gauss(1, NOISE)) for number in range(12)]
    assert call("trend", tmp_path / "kept", *runs)[0] == 0
    context = browser.new_context(viewport=test_page.PHONE, color_scheme="dark")
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "kept" / "trend.html").as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    assert "12 runs from 2026-10-01" in page.locator(".facts").inner_text()
    for name in ("throughput", "verdicts"):
        place = page.locator(f"[data-plot='trend/{name}']")
        place.scroll_into_view_if_needed()
        place.locator("[data-drawn] .trace").first.wait_for()
    assert page.locator("[data-plot='trend/throughput'] .trace").count() == 2  # the runs, and their levels
    page.locator("#table-steps tbody button").first.click()
    assert commit(6)[:9] in page.locator("dialog[open]").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= test_page.PHONE["width"]
    context.close()
    assert complaints == []
