"""Runs tasks in worker processes and turns whatever happens to them into records."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import TimeoutError as TaskTimeout
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

import suites
from suites import Cell, Record, Task

# glibc gives memory back and faults it in again unless told otherwise, and one process then runs at half the speed of
# the next: the same op took 0.41 ms in one and 1.1 ms in the other. Read when a process starts.
ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
MOST_WORKERS = 4  # side by side: a worker with its libraries takes more than a gigabyte


def run_tasks(tasks: Iterable[Task], log: Path) -> Iterator[tuple[Task, list[Record]]]:
    """Run the tasks and yield each, as it ends, with a record for every one of its cells.

    A few run side by side; then, one after the other, those that must be alone, in a process for each suite. A worker
    process that dies or exceeds its task's time is replaced. What the measured libraries print goes to the file `log`.
    """
    tasks = list(tasks)
    yield from _run([task for task in tasks if not task.alone], min(cores(), MOST_WORKERS), log)
    for suite in dict.fromkeys(task.suite for task in tasks if task.alone):
        yield from _run([task for task in tasks if task.alone and task.suite == suite], 1, log)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _run(tasks: list[Task], workers: int, log: Path) -> Iterator[tuple[Task, list[Record]]]:
    if not tasks:
        return
    os.environ.update(ALLOCATOR | {"OMP_NUM_THREADS": str(cores() // workers)})  # read by workers when they start
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=workers, context=context, initializer=_print_to, initargs=[log]) as pool:
        futures = {pool.schedule(_work, args=[task], timeout=task.timeout_s): task for task in tasks}
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
        records, elapsed = future.result()
    except TaskTimeout:
        records, elapsed = _all_failed(task.cells, "timeout", f"no result after {task.timeout_s:.0f} s"), task.timeout_s
    except ProcessExpired as death:
        reason = f"the worker process died with exit code {death.exitcode}"
        records, elapsed = _all_failed(task.cells, "failed", reason), 0.0
    except Exception as error:  # the boundary: whatever a measured library raises becomes this cell's record
        records, elapsed = _all_failed(task.cells, "failed", f"{type(error).__name__}: {error}"), 0.0
    missing = set(task.cells) - {record.cell for record in records}
    records += _all_failed(tuple(sorted(missing, key=lambda cell: cell.key)), "failed", "the suite left no record")
    for record in records:
        record.seconds = record.seconds or round(elapsed / len(records), 4)
    return records


def _work(task: Task) -> tuple[list[Record], float]:
    started = time.perf_counter()
    return suites.load(task.suite).execute(task), time.perf_counter() - started


def _all_failed(cells: tuple[Cell, ...], status: str, reason: str) -> list[Record]:
    return [Record(cell, status, reason) for cell in cells]


def as_line(record: Record) -> dict[str, Any]:
    """The record as it is written to ``records.jsonl``: plain data with the cell's key."""
    return {"key": record.cell.key, **dataclasses.asdict(record)}
