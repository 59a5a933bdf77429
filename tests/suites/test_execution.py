"""How long a task may take (a training, as long as it goes on), and what the call that ran it finds afterwards."""

import dataclasses
import multiprocessing
import os
import time

from pebble import ProcessPool

from focalbench_suite.suites import Selection, claims
from focalbench_suite.suites.coco_map import plan
from focalbench_suite.suites.execution import ending, run_tasks
from focalbench_suite.suites.progress import Progress

LIMIT_S = 2.0


def stand():
    """A training that takes no step."""
    while True:
        pass


def walk(folder):
    """A training of twice the time, a step every moment."""
    progress, end = Progress(folder, "slow", 0, 10**9), time.monotonic() + 2 * LIMIT_S
    number = 0
    while time.monotonic() < end:
        number += 1
        progress.step(number)
    return number


def test_a_training_is_stopped_where_it_stands_and_not_where_it_is_slow(tmp_path):
    selection = Selection("smoke", devices=("cpu",), variants=("retinanet/own",))
    tasks = [
        dataclasses.replace(task, timeout_s=LIMIT_S, folder=tmp_path / name)
        for task, name in zip(plan(selection), ("stands", "walks"), strict=True)
    ]
    for task in tasks:
        task.own_folder.mkdir()
    with ProcessPool(max_workers=2, context=multiprocessing.get_context("fork")) as pool:
        standing, walking = pool.schedule(stand), pool.schedule(walk, args=[tmp_path / "walks"])
        order = list(ending({standing: tasks[0], walking: tasks[1]}))
    assert order == [standing, walking]
    assert standing.cancelled()
    assert walking.result() > 1


def test_running_leaves_the_callers_environment_as_it_was(tmp_path):
    before = dict(os.environ)
    tasks = claims.plan(Selection("smoke"))[:1]
    during = [dict(os.environ) for _ in run_tasks(tasks, tmp_path)]
    assert during
    assert all("PYTHONSAFEPATH" in there for there in during)
    assert dict(os.environ) == before
