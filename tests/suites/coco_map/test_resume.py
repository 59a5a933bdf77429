"""A run that is killed in the middle of a training goes on and ends with the numbers of one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from results.store import Run
from suites import Selection
from suites.coco_map import execute, plan

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
