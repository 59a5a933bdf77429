"""Trainings that are killed at a seeded call of their loss go on from their last checkpoint to the same numbers."""

from __future__ import annotations

import dataclasses
import multiprocessing
import random
import signal

from focalbench_suite.suites import Selection
from focalbench_suite.suites import coco_map as suite
from focalbench_suite.suites.coco_map import execute
from focalbench_suite.suites.coco_map.schedules import SMOKE
from focalbench_suite.suites.coco_map.variants import users
from tests.suites.coco_map.test_resume import MEASURED, without_seconds

SHORT, LONG = 2, 14
STEPS = 9
KILLS_ITS_PROCESS = """
import os, signal
from pathlib import Path
from torchvision.ops import sigmoid_focal_loss

CALLS = Path(__file__).with_name("calls")

def focal(logits, targets, gamma, alpha):
    with CALLS.open("a") as file:
        file.write(".")
    if CALLS.stat().st_size == FATAL:
        os.kill(os.getpid(), signal.SIGKILL)
    return sigmoid_focal_loss(logits, targets, alpha, gamma)
"""
EPOCH = {"retinanet": 0, "yolov8n": 3}  # steps; Ultralytics' trainings keep themselves between two epochs
CALLS = {"retinanet": 5, "yolov8n": 1}  # of the loss a step: RetinaNet has five levels


def test_a_killed_training_goes_on_from_its_last_checkpoint(seed, tmp_path):
    dice = random.Random(seed)
    host = list(CALLS)[seed // (LONG // SHORT)]
    step, every = dice.randrange(STEPS), dice.randrange(2, 5)
    (tmp_path / "mine.py").write_text(KILLS_ITS_PROCESS.replace("FATAL", str(step * CALLS[host] + 1)))
    variant = next(found for found in users(f"{tmp_path / 'mine.py'}:focal", "focal") if found.host == host)
    schedule = dataclasses.replace(SMOKE, iterations=STEPS, checkpoint=every)
    task = suite._task(Selection(), schedule, variant, 0, "cpu")
    kept = dataclasses.replace(task, folder=tmp_path / "kept")
    process = multiprocessing.get_context("spawn").Process(target=execute, args=[kept])
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL

    resumed, going_on = counted(kept, tmp_path / "calls")
    whole, all_steps = counted(task, tmp_path / "calls")
    kept_steps = (all_steps - going_on) // CALLS[host]
    assert step - every - EPOCH[host] < kept_steps <= step  # what was not done again
    assert resumed.data["resampled_ap"] == whole.data["resampled_ap"]
    assert [*map(without_seconds, resumed.data["curve"])] == [*map(without_seconds, whole.data["curve"])]
    assert {name: resumed.data["run"][name] for name in MEASURED} == {
        name: whole.data["run"][name] for name in MEASURED
    }


def counted(task, calls):
    """The record, and how often the loss was called for it."""
    before = calls.stat().st_size
    (record,) = execute(task)
    return record, calls.stat().st_size - before
