"""Runs tasks in worker processes and turns whatever happens to them into records."""

from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures import TimeoutError as TaskTimeout
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from focalbench_suite.suites import Record, Task, processes, progress
from focalbench_suite.suites.jobs import run_jobs
from focalbench_suite.suites.worker import (
    ALLOCATOR,
    MOST_WORKERS,
    SAFE_PATH,
    complete,
    cores,
    end_with_parent,
    environment,
    failed,
    work,
)

UNFINISHED, LOG = "unfinished", "worker.log"  # in a run's folder
WAIT_POLICY = "OMP_WAIT_POLICY"  # read by OpenMP's library when a process loads it
TIMED = "throughput"  # the suite that measures time
LOOKED_S = 1.0  # between two looks at how far the trainings have come
TRAININGS = "coco-map"  # the suite whose tasks may run as jobs: each works on one file system, none measures time


def run_tasks(tasks: Iterable[Task], folder: Path, executor: str | None = None) -> Iterator[tuple[Task, list[Record]]]:
    """Run the tasks and yield each, as it ends, with a record for every one of its cells.

    A few run side by side; then, suite by suite, those that must be alone, one after the other or with their like. A
    worker process that dies or exceeds its task's time is replaced. What the measured libraries print goes to `LOG` in
    the run's `folder`; what a task keeps to go on from is removed once its records have been taken. With an `executor`
    (``local``, ``slurm``) trainings run as jobs, many at once.
    """
    tasks = [dataclasses.replace(task, folder=_unfinished(task, folder)) for task in tasks]
    if processes.rank() == 0:
        _tidy(folder / UNFINISHED, {task.own_folder for task in tasks})
    for task, records in _run_all(tasks, folder / LOG, executor):
        yield task, records
        if processes.rank() == 0:
            shutil.rmtree(task.own_folder, ignore_errors=True)


def _run_all(tasks: list[Task], log: Path, executor: str | None) -> Iterator[tuple[Task, list[Record]]]:
    yield from _run([task for task in tasks if not task.alone], min(cores(), MOST_WORKERS), log)
    for suite in dict.fromkeys(task.suite for task in tasks if task.alone):
        chosen = [task for task in tasks if task.alone and task.suite == suite]
        if executor and suite == TRAININGS:
            yield from run_jobs([dataclasses.replace(task, threads=0) for task in chosen], executor)
        else:
            yield from _run(chosen, _side_by_side(chosen), log)


def _side_by_side(tasks: list[Task]) -> int:
    """How many of these at once, each with the threads that its results are for."""
    threads = min(task.threads for task in tasks)
    return min(cores() // threads, MOST_WORKERS, len(tasks)) if threads else 1


def _unfinished(task: Task, folder: Path) -> Path:
    """The same for the same cells, so that a later call finds it again."""
    keys = "\n".join(cell.key for cell in task.cells)
    return folder.resolve() / UNFINISHED / hashlib.sha256(keys.encode()).hexdigest()[:16]


def _tidy(unfinished: Path, wanted: set[Path]) -> None:
    """After a kill: what has its records by now, and how far the killed had come."""
    for kept in unfinished.glob("*"):
        (kept / progress.FILE).unlink(missing_ok=True)
        if kept.resolve() not in wanted:
            shutil.rmtree(kept)


def _run(tasks: list[Task], workers: int, log: Path) -> Iterator[tuple[Task, list[Record]]]:
    if not tasks:
        return
    threads = {"OMP_NUM_THREADS": str(cores() // workers)}
    waiting = _waiting(patiently=tasks[0].suite != TIMED)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(max_workers=workers, context=context, initializer=_start, initargs=[log])
    with environment(ALLOCATOR | SAFE_PATH | threads | waiting), pool:  # read by workers when they start
        futures: dict[Future[list[Record]], Task] = {
            pool.schedule(work, args=[task], timeout=None if task.suite == TRAININGS else task.timeout_s): task
            for task in tasks
        }
        try:
            for future in ending(futures):
                yield futures[future], _records(futures[future], future)
        finally:
            pool.stop()


def ending(futures: dict[Future[list[Record]], Task]) -> Iterator[Future[list[Record]]]:
    """The tasks as they end. A training that has taken no step for its time is stopped, however long it has run.

    On a busy machine a training takes many times as long, and is none the worse for it.
    """
    trainings = {future: time.time() for future, task in futures.items() if task.suite == TRAININGS}
    waiting = set(futures)
    while waiting:
        ended, waiting = wait(waiting, timeout=LOOKED_S if trainings else None, return_when=FIRST_COMPLETED)
        yield from ended
        for future in waiting & trainings.keys():
            task, now = futures[future], time.time()
            trainings[future] = max(progress.last_step(task.own_folder), trainings[future]) if future.running() else now
            if now - trainings[future] > task.timeout_s:
                future.cancel()


def _waiting(patiently: bool) -> dict[str, str]:
    """How the threads of workers wait for each other: not by spinning, which starves whatever else runs.

    Where time is measured they wait as they do in a user's program.
    """
    return {WAIT_POLICY: "PASSIVE"} if patiently and WAIT_POLICY not in os.environ else {}


def _start(log: Path) -> None:
    """What a worker does first: it ends with the process that started it, and prints to the run's log."""
    end_with_parent()
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())


def _records(task: Task, future: Future[list[Record]]) -> list[Record]:
    try:
        return future.result()
    except TaskTimeout:
        return complete(task, failed(task, f"no result after {task.timeout_s:.0f} s", "timeout"), task.timeout_s)
    except CancelledError:
        return complete(task, failed(task, f"no step for {task.timeout_s:.0f} s", "timeout"), task.timeout_s)
    except ProcessExpired as death:
        return complete(task, failed(task, f"the worker process died with exit code {death.exitcode}"), 0.0)
