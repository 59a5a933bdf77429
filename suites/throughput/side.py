"""One side of a paired comparison: a process that forks workers, each of which times one cell when it is told to.

Run as ``python -m focalbench_suite.suites.throughput.side READ_FD WRITE_FD``, its own code first on the path. Libraries
are imported once; a worker is a fork of it that takes over the conversation until it is told to end. What is said, as
pickled tuples:

* ``("start", PairedCell, core)`` -> ``("ready", seconds of a call)`` or ``("failed", reason)``;
* a number of calls -> as many ``(wall_ns, cpu_ns)``, and the minor faults;
* ``None`` -> the worker ends.
"""

from __future__ import annotations

import functools
import gc
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

TARGET_S = 1e-3  # a timed call repeats the loss until it takes about this long
PATIENCE = 4  # times as many calls as asked for, at most, to get them undisturbed


@dataclass(frozen=True)
class PairedCell:
    """What both sides time: one loss of one adapter on `rows` x `classes` logits, with its gradient or without.

    `repeats` losses make one timed call (0: as many as fill a millisecond).
    """

    loss: str
    adapter: str
    rows: int
    classes: int
    dtype: str = "float32"
    repeats: int = 0
    backward: bool = True

    @property
    def name(self) -> str:
        passes = "forward_backward" if self.backward else "forward"
        return f"{self.loss} {self.adapter} {self.rows}x{self.classes} {self.dtype} {passes}"


def main(reading: int, writing: int) -> None:
    """Serve until the other end closes."""
    import torch

    torch.set_num_threads(1)
    conversation = Connection(reading, writable=False), Connection(writing, readable=False)
    while True:
        try:
            word, cell, core = conversation[0].recv()
        except EOFError:
            return
        assert word == "start"
        warm_import(cell)
        child = os.fork()
        if child == 0:
            work(conversation, cell, core)
            os._exit(0)
        os.waitpid(child, 0)


def warm_import(cell: PairedCell) -> None:
    """Import the cell's library before the fork, so that every worker finds it there."""
    try:
        subject_of(cell, rows=4)()
    except Exception:  # the worker meets it again and reports it
        return


def work(conversation: tuple[Connection, Connection], cell: PairedCell, core: int | None) -> None:
    """Be a worker: one cell on one core until told to end."""
    incoming, outgoing = conversation
    try:
        if core is not None:
            os.sched_setaffinity(0, {core})
        call = subject_of(cell)
        repeats = cell.repeats or max(1, round(TARGET_S / seconds_of(call)))
        gc.disable()
        outgoing.send(("ready", repeats))
        repeats = incoming.recv()
        while (calls := incoming.recv()) is not None:
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            times = turn(call, repeats, calls)
            outgoing.send((times, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults))
    except EOFError:
        return
    except Exception as error:  # the boundary to a measured library
        outgoing.send(("failed", f"{type(error).__name__}: {error}"))


@functools.cache
def losses() -> dict[tuple[str, str], Any]:
    """Every loss of this side by name and label; looked up once, before the forks.

    Not by `adapters.find`: this side's adapters may be those of a commit before it.
    """
    from focalbench_suite.adapters import discover

    return {(loss.name, loss.label): loss for adapter in discover().values() for loss in adapter.losses}


def subject_of(cell: PairedCell, rows: int = 0) -> Callable[[], Any]:
    """The cell as a closure: value and gradient of one input set."""
    from focalbench_suite.suites.throughput.subjects import timed_loss
    from focalbench_suite.suites.throughput.workloads import Workload, canonical_inputs

    loss = losses()[cell.loss, cell.adapter]
    workload = Workload("paired", rows or cell.rows, cell.classes, (cell.loss,), image=64, batch=1)
    inputs = canonical_inputs(cell.loss, workload, cell.dtype, "cpu", seed=0)
    found = timed_loss(loss, cell.adapter, inputs)
    native = found.native(inputs)
    if not cell.backward:
        return lambda: found.value(native)
    for leaf in native.leaves:
        leaf.requires_grad_()

    def call() -> None:
        for leaf in native.leaves:
            leaf.grad = None
        found.value(native).backward()

    return call


def turn(call: Callable[[], Any], repeats: int, calls: int) -> list[tuple[int, int]]:
    """`calls` calls during which no other process took the core, after one that warms the cache.

    A call that was preempted measures the other process, too: on a busy machine that is most of its noise. Where the
    machine leaves none in peace, what there is.
    """
    timed(call, repeats)
    clean: list[tuple[int, int]] = []
    every: list[tuple[int, int]] = []
    while len(clean) < calls and len(every) < PATIENCE * calls:
        preempted = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        every.append(timed(call, repeats))
        if resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw == preempted:
            clean.append(every[-1])
    return clean or every


def timed(call: Callable[[], Any], repeats: int) -> tuple[int, int]:
    """Wall and process time of `repeats` calls, in nanoseconds."""
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(repeats):
        call()
    return time.perf_counter_ns() - wall, time.process_time_ns() - cpu


def seconds_of(call: Callable[[], Any]) -> float:
    """What a warm call takes: the fastest of ten."""
    for _ in range(3):
        call()
    return max(min(timed(call, 1)[0] for _ in range(10)), 1) / 1e9


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
