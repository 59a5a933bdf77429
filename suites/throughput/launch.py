"""One worker launch: a forked process that times a group's subjects against each other and reports plain data.

Rounds of one process share its heap layout, so several launches are taken and are the unit of the statistics. A launch
is a fork of the suite's worker, which has imported the libraries but has run nothing in parallel (a forked OpenMP or
CUDA runtime is dead): the import is paid once.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import pickle
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from focalbench_suite.adapters import Unsupported
from focalbench_suite.suites.throughput import clocks, subjects, workloads
from focalbench_suite.suites.throughput.rounds import REFERENCE, STREAM, Group, Rounds, interleave
from focalbench_suite.suites.throughput.runner import Runner
from focalbench_suite.suites.throughput.subjects import MODES, TimedLoss
from focalbench_suite.suites.throughput.workloads import InputSet

PASSES = ("forward", "forward_backward")
MOST_SETS = 1024  # fit into a cache only if a set has some ten kilobytes, where a call's overhead is what is timed
CHECKED_ROWS = 2048  # of a workload's first input sets: enough to tell two functions apart, in a few milliseconds
PR_SET_PDEATHSIG = 1


class LaunchDied(Exception):
    """The launch ended without a report."""


def forked(function: Callable[..., Any], *arguments: Any, seconds: float | None = None) -> Any:
    """The function's result, computed in a fork of this process; raises `LaunchDied` where none comes back in time."""
    sys.stdout.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a worker that is stopped takes its launch along
        with os.fdopen(writing, "wb") as stream:
            try:
                stream.write(pickle.dumps((True, function(*arguments))))
            except BaseException as error:
                stream.write(pickle.dumps((False, f"{type(error).__name__}: {error}")))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        in_time = select.select([stream], [], [], seconds)[0]
        if not in_time:
            os.kill(child, signal.SIGKILL)
        report = stream.read()
    _, status = os.waitpid(child, 0)
    if not in_time:
        raise LaunchDied(f"no answer after {seconds:.0f} s")
    if not report:
        raise LaunchDied(f"a launch died with status {os.waitstatus_to_exitcode(status)}")
    fine, result = pickle.loads(report)
    if not fine:
        raise LaunchDied(result)
    return result


def here(function: Callable[..., Any], *arguments: Any, seconds: float | None = None) -> Any:
    """The function's result, computed in this process: a GPU has no heap that differs between launches, and CUDA does
    not survive a fork of a library that has looked for it.

    A kernel that broke the device's context breaks all that follows in its process, which therefore ends: the group
    has failed, and the next one has a process of its own. The task's own limit is the only one: `seconds` is not used.
    """
    torch.cuda.empty_cache()
    report = function(*arguments)
    try:
        torch.cuda.synchronize()
    except RuntimeError as broken:
        print(broken, file=sys.stderr, flush=True)
        os._exit(1)
    return report


@dataclass
class SubjectReport:
    """What one launch says of one label: its times, or the reason why it was not timed.

    `replays` has the ms a call of replayed CUDA graphs, by pass: none on a CPU, or of a loss that waits for the device.
    `reason` is empty where it was timed, and `unsupported` says that the reason is a limit of the library, not a
    failure. `rounds`, `stopped`, `memory` and `bytes` have an entry a pass; `check` and `memory` are taken in the first
    launch alone.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    reduction: str | None = None
    first_call_s: float = 0.0
    check: str = ""
    bytes: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    rounds: dict[str, Rounds] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    replays: dict[str, list[float]] = field(default_factory=dict)
    reason: str = ""
    unsupported: bool = False


@dataclass
class LaunchReport:
    """One launch: what it says of every label, and what the machine was capable of meanwhile."""

    subjects: dict[str, SubjectReport]
    threads: int
    elements: int = 0
    input_sets: int = 0
    device_name: str = ""
    stream_ms: dict[str, list[float]] = field(default_factory=dict)  # of each round, by pass
    stream_bytes: int = 0
    peak_bytes_per_ms: float = 0.0
    cache_bytes: int = 0
    load: float = 0.0
    clock_mhz: float | None = None


def time_group(group: Group, seed: int, threads: int) -> LaunchReport:
    """Time the group once, in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if any(label.endswith(tuple(MODES)) for label in group.losses):
        torch.compiler.reset()  # what an earlier group compiled counts against the limit of this one
    cache = clocks.cache_bytes(group.device)
    machine = clocks.Machine(group.device, cache)
    sets = _input_sets(group, cache, seed)
    reports, ready = _prepare(group, sets)
    turn = itertools.count()
    runners = {label: Runner(found, sets, group.device, turn=turn) for label, found in ready.items()}
    stream_ms = {}
    for name in PASSES:
        for label in list(runners):
            runners[label].backward = name == "forward_backward"
            try:
                # in less than float32 compiled code rounds less often
                if label.endswith(tuple(MODES)) and group.dtype == "float32":
                    runners[label].expect()
                reports[label].first_call_s += runners[label].warm_up()
                if group.first:
                    reports[label].memory[name] = runners[label].memory()
            except Exception as error:  # a library may fail only in its backward pass
                reports[label] = refused(error, group.dtype, label)
                del runners[label]
        rounds, stopped = interleave(group, runners, machine, random.Random(f"{seed} {name}"))
        for label in list(runners):
            runners[label].again()
            reports[label].rounds[name], reports[label].stopped[name] = rounds[label], stopped[label]
            if runners[label].unsteady:
                reports[label] = SubjectReport(reason=f"{name}: {runners[label].unsteady}")
                del runners[label]
        stream_ms[name] = rounds[STREAM].ms
    if group.device == "cuda":
        _replay(runners, reports)
    return LaunchReport(
        subjects={label: reports[label] for label in group.losses},
        threads=threads,
        elements=sum(leaf.numel() for leaf in sets[0].leaves),
        input_sets=len(sets),
        device_name=clocks.device_name(group.device),
        stream_ms=stream_ms,
        stream_bytes=machine.stream_bytes,
        peak_bytes_per_ms=machine.peak_bytes_per_ms(),
        cache_bytes=cache,
        load=clocks.load_average(),
        clock_mhz=clocks.clock_mhz(group.device),
    )


def _replay(runners: dict[str, Runner], reports: dict[str, SubjectReport]) -> None:
    """Note what kernels take without their launches; last of all, since a capture that fails may leave traces.

    Only a loss that never waits for the device can be captured, so that others have none. Ours goes first.
    """
    for name in PASSES:
        for label, runner in sorted(runners.items(), key=lambda one: one[0] != REFERENCE):
            runner.backward = name == "forward_backward"
            try:
                reports[label].replays[name] = runner.replays()
            except RuntimeError:
                reports[label].replays[name] = []


def _input_sets(group: Group, cache: int, seed: int) -> list[InputSet]:
    first = workloads.canonical_inputs(group.loss, group.workload, group.dtype, group.device, seed)
    count = min(max(2, math.ceil(2 * cache / first.bytes_read)), MOST_SETS)
    others = range(seed + 1, seed + count)
    return [
        first,
        *(workloads.canonical_inputs(group.loss, group.workload, group.dtype, group.device, s) for s in others),
    ]


def _prepare(group: Group, sets: list[InputSet]) -> tuple[dict[str, SubjectReport], dict[str, TimedLoss]]:
    """Each label's subject with its check; a label that cannot be timed has its reason instead.

    Ours comes first, since the others are checked by it.
    """
    reports: dict[str, SubjectReport] = {}
    ready: dict[str, TimedLoss] = {}
    heads = [subjects.head(inputs, CHECKED_ROWS) for inputs in sets[:3]]
    for label in sorted(group.losses, key=lambda label: label != REFERENCE):
        started = time.perf_counter()
        try:
            found = subjects.timed_loss(group.losses[label], label, heads[0])
            report = SubjectReport(found.parameters, found.reduction, bytes=_bytes(found, sets[0]))
            report.first_call_s = time.perf_counter() - started  # of a library: lazy imports, compilation
            if group.first:
                report.check = subjects.checked(found, found if label == REFERENCE else ready.get(REFERENCE), heads)
            reports[label], ready[label] = report, found
        except Exception as error:  # the boundary to a measured library
            reports[label] = refused(error, group.dtype, label)
    return reports, ready


def refused(error: Exception, dtype: str, label: str) -> SubjectReport:
    """Why a label is not timed; what a library does not take in half precision is a limit of it, not a failure."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    limit = isinstance(error, Unsupported) or (dtype != "float32" and label != REFERENCE)
    return SubjectReport(reason=str(error) if isinstance(error, Unsupported) else reason, unsupported=limit)


def _bytes(found: TimedLoss, inputs: InputSet) -> dict[str, int]:
    native = found.native(inputs)
    return {"forward": native.bytes_read, "forward_backward": native.bytes_read + native.bytes_written}
