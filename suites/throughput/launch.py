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
from typing import Any

import torch

from focalbench_suite.adapters import Unsupported
from focalbench_suite.suites.throughput import clocks, subjects, workloads
from focalbench_suite.suites.throughput.rounds import REFERENCE, STREAM, Group, interleave
from focalbench_suite.suites.throughput.runner import Runner
from focalbench_suite.suites.throughput.subjects import COMPILED, Subject
from focalbench_suite.suites.throughput.workloads import Inputs

PASSES = ("forward", "forward_backward")
MOST_SETS = 1024  # so only inputs of some ten kilobytes, where the overhead of a call is what is timed, stay in a cache
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


def measure(group: Group, seed: int, threads: int) -> dict[str, Any]:
    """Time the group once, in this process: the report of one launch.

    Per label either ``{"failed": reason}`` or ``{"unsupported": reason}``, or its check, parameters, memory and rounds.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if any(label.endswith(COMPILED) for label in group.losses):
        torch.compiler.reset()  # what an earlier group compiled counts against the limit of this one
    cache = clocks.cache_bytes(group.device)
    machine = clocks.Machine(group.device, cache)
    sets = _input_sets(group, cache, seed)
    report, ready = _prepare(group, sets)
    turn = itertools.count()
    runners = {label: Runner(found, sets, group.device, turn=turn) for label, found in ready.items()}
    for name in PASSES:
        for label in list(runners):
            runners[label].backward = name == "forward_backward"
            try:
                if label.endswith(COMPILED) and group.dtype == "float32":  # in less, compiled code rounds less often
                    runners[label].expect()
                report[label]["first_call_s"] += runners[label].warm_up()
                if group.first:
                    report[label].setdefault("memory", {})[name] = runners[label].memory()
            except Exception as error:  # a library may fail only in its backward pass
                report[label] = refusal(error, group.dtype, label)
                ready.pop(label), runners.pop(label)
        rounds, stopped = interleave(group, runners, machine, random.Random(f"{seed} {name}"))
        for label in runners:
            runners[label].again()
            report[label].setdefault("rounds", {})[name] = vars(rounds[label])
            report[label].setdefault("stopped", {})[name] = stopped[label]
            if runners[label].unsteady:
                report[label] = {"failed": f"{name}: {runners[label].unsteady}"}
        for label in [label for label, runner in runners.items() if runner.unsteady]:
            ready.pop(label), runners.pop(label)
        report.setdefault(STREAM, {})[name] = rounds[STREAM].ms
    own = ready.get(REFERENCE)
    bytes_of = {label: _bytes(found, sets[0]) for label, found in ready.items()}
    return {
        "subjects": {label: report.get(label, {"failed": "not timed"}) for label in group.losses},
        "bytes": bytes_of,
        "stream_ms": report[STREAM],
        "stream_bytes": machine.stream_bytes,
        "rates": machine.rates(),
        "device_name": clocks.device_name(group.device),
        "threads": threads,
        "elements": sum(leaf.numel() for leaf in sets[0].leaves),
        "sets": len(sets),
        "load": clocks.load_average(),
        "clock_mhz": clocks.clock_mhz(group.device),
        "own": own is not None,
    }


def _input_sets(group: Group, cache: int, seed: int) -> list[Inputs]:
    first = workloads.canonical_inputs(group.loss, group.workload, group.dtype, group.device, seed)
    count = min(max(2, math.ceil(2 * cache / first.bytes_read)), MOST_SETS)
    others = range(seed + 1, seed + count)
    return [
        first,
        *(workloads.canonical_inputs(group.loss, group.workload, group.dtype, group.device, s) for s in others),
    ]


def _prepare(group: Group, sets: list[Inputs]) -> tuple[dict[str, dict], dict[str, Subject]]:
    """Each label's subject with its check; a label that cannot be timed has its reason instead."""
    report, ready = {}, {}
    heads = [subjects.head(inputs, 2048) for inputs in sets[:3]]
    for label in sorted(
        group.losses, key=lambda label: label != REFERENCE
    ):  # ours first: it is what others are checked by
        started = time.perf_counter()
        try:
            found = subjects.subject(group.losses[label], label, heads[0])
            report[label] = {"parameters": found.parameters, "reduction": found.reduction}
            report[label]["first_call_s"] = time.perf_counter() - started  # of a library: lazy imports, compilation
            if group.first:
                ours = found if label == REFERENCE else ready.get(REFERENCE)
                report[label]["check"] = subjects.check(found, ours, heads)
            ready[label] = found
        except Exception as error:  # the boundary to a measured library
            report[label] = refusal(error, group.dtype, label)
    return report, ready


def refusal(error: Exception, dtype: str, label: str) -> dict[str, str]:
    """Why a label is not timed; what a library does not take in half precision is a limit of it, not a failure."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    limit = isinstance(error, Unsupported) or (dtype != "float32" and label != REFERENCE)
    return {"unsupported" if limit else "failed": str(error) if isinstance(error, Unsupported) else reason}


def _bytes(found: Subject, inputs: Inputs) -> dict[str, int]:
    native = found.native(inputs)
    return {"forward": native.bytes_read, "forward_backward": native.bytes_read + native.bytes_written}
