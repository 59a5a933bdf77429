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
from concurrent.futures import TimeoutError as TaskTimeout
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

import suites
from suites import Cell, Record, Task, processes, progress

# glibc gives memory back and faults it in again unless told otherwise, and one process then runs at half the speed of
# the next: the same op took 0.41 ms in one and 1.1 ms in the other. Read when a process starts.
ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
MOST_WORKERS = 4  # side by side: a worker with its libraries takes more than a gigabyte


UNFINISHED, LOG = "unfinished", "worker.log"  # in a run's folder
TRAININGS = "coco-map"  # the suite whose tasks may run as jobs: each works on one file system, none measures time


def run_tasks(tasks: Iterable[Task], folder: Path, executor: str | None = None) -> Iterator[tuple[Task, list[Record]]]:
    """Run the tasks and yield each, as it ends, with a record for every one of its cells.

    A few run side by side; then, one after the other, those that must be alone, in a process for each suite. A worker
    process that dies or exceeds its task's time is replaced. What the measured libraries print goes to `LOG` in the
    run's `folder`; what a task keeps to go on from is removed once its records have been taken. With an `executor`
    (``local``, ``slurm``) trainings run as jobs, many at once.
    """
    tasks = [dataclasses.replace(task, folder=_unfinished(task, folder)) for task in tasks]
    if processes.rank() == 0:
        _tidy(folder / UNFINISHED, {task.folder for task in tasks})
    for task, records in _run_all(tasks, folder / LOG, executor):
        yield task, records
        if processes.rank() == 0:
            shutil.rmtree(task.folder, ignore_errors=True)


def _run_all(tasks: list[Task], log: Path, executor: str | None) -> Iterator[tuple[Task, list[Record]]]:
    from suites.jobs import run_jobs

    yield from _run([task for task in tasks if not task.alone], min(cores(), MOST_WORKERS), log)
    for suite in dict.fromkeys(task.suite for task in tasks if task.alone):
        chosen = [task for task in tasks if task.alone and task.suite == suite]
        yield from run_jobs(chosen, executor) if executor and suite == TRAININGS else _run(chosen, 1, log)


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


def cores() -> int:
    """How many processors this process may use."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, mine // processes.on_this_machine())


def _run(tasks: list[Task], workers: int, log: Path) -> Iterator[tuple[Task, list[Record]]]:
    if not tasks:
        return
    os.environ.update(ALLOCATOR | {"OMP_NUM_THREADS": str(cores() // workers)})  # read by workers when they start
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=workers, context=context, initializer=_print_to, initargs=[log]) as pool:
        futures = {pool.schedule(work, args=[task], timeout=task.timeout_s): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], _records(futures[future], future)
        finally:
            pool.stop()


def _print_to(log: Path) -> None:
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())


def _records(task: Task, future: ProcessFuture) -> list[Record]:
    try:
        return future.result()
    except TaskTimeout:
        return complete(task, failed(task, f"no result after {task.timeout_s:.0f} s", "timeout"), task.timeout_s)
    except ProcessExpired as death:
        return complete(task, failed(task, f"the worker process died with exit code {death.exitcode}"), 0.0)


def work(task: Task) -> list[Record]:
    """Run a task in this process, for a record of every one of its cells."""
    started = time.perf_counter()
    try:
        records = suites.load(task.suite).execute(task)
    except Exception as error:  # the boundary: whatever a measured library raises becomes this cell's record
        records = failed(task, f"{type(error).__name__}: {error}")
    return complete(task, records, time.perf_counter() - started)


def complete(task: Task, records: list[Record], elapsed: float) -> list[Record]:
    """The records, with one for every cell that the suite forgot and their share of the elapsed seconds."""
    missing = set(task.cells) - {record.cell for record in records}
    records = records + [Record(cell, "failed", "the suite left no record") for cell in sorted(missing, key=_key)]
    for record in records:
        record.seconds = record.seconds or round(elapsed / len(records), 4)
    return records


def failed(task: Task, reason: str, status: str = "failed") -> list[Record]:
    """A record of that status for every cell of the task."""
    return [Record(cell, status, reason) for cell in task.cells]


def _key(cell: Cell) -> str:
    return cell.key


def as_line(record: Record) -> dict[str, Any]:
    """The record as it is written to ``records.jsonl``: plain data with the cell's key."""
    return {"key": record.cell.key, **dataclasses.asdict(record)}
