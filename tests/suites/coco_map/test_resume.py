"""A run that is killed in the middle of a training goes on and ends with the numbers of one that was not."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from focalbench_suite.results.store import Run
from focalbench_suite.suites import Selection
from focalbench_suite.suites import coco_map as suite
from focalbench_suite.suites.coco_map import execute, plan
from focalbench_suite.suites.coco_map.recording import Recorder
from focalbench_suite.suites.coco_map.schedules import SCHEDULES, SMOKE
from focalbench_suite.suites.coco_map.variants import VARIANTS

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, str(ROOT / "run_all.py"), "--json"]
WHAT = ["--suite", "coco-map", "--profile", "smoke", "--device", "cpu", "--variant", "retinanet/own"]
MEASURED = ("first_loss", "final_loss", "ap", "status", "initial_weights", "data_order", "augmented_inputs")


@pytest.mark.timeout(300)
def test_a_run_killed_in_the_middle_of_training_ends_with_the_same_table(tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, *WHAT, "--out", str(out)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    process.stdout.readline()  # the first training's record: the second is under way
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(Run.open(out).keys()) == 1

    subprocess.run([*COMMAND, "--resume", str(out)], check=True, stdout=subprocess.PIPE, timeout=250)
    resumed = {record["key"]: record["data"]["run"] for record in Run.open(out).records()}
    whole = {record.cell.key: record.data["run"] for record in trainings()}
    assert resumed.keys() == whole.keys()
    for key, row in whole.items():
        assert {name: resumed[key][name] for name in MEASURED} == {name: row[name] for name in MEASURED}
    assert not list(out.glob("unfinished/*"))


class Stopped(Exception):
    """What ends a training in the middle, in a test."""


@pytest.mark.parametrize("name", ["library", "own"])
def test_an_end_to_end_training_goes_on_with_the_weights_of_its_epoch(name, tmp_path, monkeypatch):
    """In its eighth step of nine, where the branches' weights have moved twice."""
    variant = next(found for found in VARIANTS if (found.host, found.name) == ("yolo26n", name))
    task = suite._task(Selection(), dataclasses.replace(SMOKE, iterations=9, checkpoint=3), variant, 0, "cpu")
    kept = dataclasses.replace(task, folder=tmp_path)
    step = Recorder.step

    def stopping(recorder, *watched):
        step(recorder, *watched)
        if len(recorder.curve) == 8:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "step", stopping)
        with pytest.raises(Stopped):
            execute(kept)
    (resumed,), (whole,) = execute(kept), execute(task)
    assert len(resumed.data["curve"]) == 9
    assert [without_seconds(point) for point in resumed.data["curve"]] == [
        without_seconds(point) for point in whole.data["curve"]
    ]


def test_a_training_detects_with_what_it_ended_with_not_with_its_last_checkpoint(tmp_path):
    schedule = dataclasses.replace(SMOKE, iterations=5, checkpoint=2)
    task = suite._task(Selection(), schedule, next(v for v in VARIANTS if v.host == "retinanet"), 0, "cpu")
    (kept,), (whole,) = execute(dataclasses.replace(task, folder=tmp_path)), execute(task)
    assert kept.data["run"]["iterations"] == 5
    assert kept.data["resampled_ap"] == whole.data["resampled_ap"]


def without_seconds(point):
    return {name: value for name, value in point.items() if name != "seconds"}


def test_the_long_schedules_keep_checkpoints():
    assert {name for name, schedule in SCHEDULES.items() if schedule.checkpoint} == {"short", "mini", "1x"}


def test_a_training_does_not_depend_on_what_its_process_did_before():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    after_one_thread = next(trainings()).data["run"]
    torch.set_num_threads(threads)
    assert {name: after_one_thread[name] for name in MEASURED} == {
        name: next(trainings()).data["run"][name] for name in MEASURED
    }


def trainings():
    """The records of the same trainings in this process, one after the other."""
    return (record for task in plan(Selection("smoke", variants=("retinanet/own",))) for record in execute(task))
