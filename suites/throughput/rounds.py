"""Rounds in which subjects are timed against each other, in random order, until their intervals are narrow."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from focalbench_suite.adapters import Loss
from focalbench_suite.results.statistics import within_launch
from focalbench_suite.suites.throughput import clocks
from focalbench_suite.suites.throughput.runner import Runner
from focalbench_suite.suites.throughput.workloads import Workload

REFERENCE = "own"
STREAM = "stream"
LOOK_EVERY = 5  # rounds between two looks at the intervals, which cost as much as a small loss


@dataclass(frozen=True)
class Group:
    """What is timed together: one loss at one workload, dtype and device, by every label in `losses`."""

    loss: str
    device: str
    dtype: str
    workload: Workload
    losses: dict[str, Loss]  # label -> loss; a label ending in +compile is compiled
    seconds: float  # a launch's budget of timed rounds
    least_rounds: int = 4
    most_rounds: int = 200
    width: float = 0.02  # stop where the relative half width of an interval is below this
    first: bool = True  # the first launch also checks, and measures memory


@dataclass
class Rounds:
    """What one subject did in one pass of one launch; lists are parallel, one entry a round."""

    ms: list[float] = field(default_factory=list)
    own_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)


def interleave(
    group: Group, runners: dict[str, Runner], machine: clocks.Machine, shuffle: random.Random
) -> tuple[dict[str, Rounds], dict[str, str]]:
    """Rounds in random order, each followed by its mirror image (ABBA), until intervals are narrow or time is up.

    A subject leaves when its own interval is narrow; ours stays as long as anyone does. Says of each which of
    ``narrow``, ``budget`` or ``rounds`` stopped it.
    """
    rounds = {label: Rounds() for label in (*runners, STREAM)}
    stopped: dict[str, str] = {}
    active = list(runners)
    deadline = time.perf_counter() + group.seconds
    for done in range(1, group.most_rounds + 1):
        order = [*active, STREAM]
        shuffle.shuffle(order)
        _round([*order, *reversed(order)], runners, machine, rounds)
        late = time.perf_counter() > deadline
        if done < group.least_rounds or (done % LOOK_EVERY and not late):
            continue
        narrow = [label for label in active if _half_width(rounds[label]) < group.width]
        stopped |= dict.fromkeys((label for label in narrow if label != REFERENCE), "narrow")
        active = [label for label in active if label not in stopped]
        if set(active) <= {REFERENCE} and (not active or REFERENCE in narrow):
            stopped |= dict.fromkeys(active, "narrow")
            break
        if late:
            break
    reason = "budget" if time.perf_counter() > deadline else "rounds"
    return rounds, {label: stopped.get(label, reason) for label in runners}


def _round(
    order: Sequence[str], runners: dict[str, Runner], machine: clocks.Machine, rounds: dict[str, Rounds]
) -> None:
    samples: dict[str, list[clocks.Sample]] = {}
    for label in order:
        samples.setdefault(label, []).append(machine.stream() if label == STREAM else runners[label].call())
    own = samples.get(REFERENCE)
    for label, pair in samples.items():
        kept = rounds[label]
        kept.ms.append(sum(sample.ms for sample in pair) / 2)
        kept.cpu_ms.append(sum(sample.cpu_ms for sample in pair) / 2)
        kept.faults.append(sum(sample.faults for sample in pair) // 2)
        kept.own_ms.append(sum(sample.ms for sample in own) / 2 if own else math.nan)


def _half_width(rounds: Rounds) -> float:
    """The wider of two relative half widths: of the time, and of its ratio to ours where ours was timed."""
    width = within_launch(rounds.ms).relative_half_width
    if math.isnan(rounds.own_ms[0]):
        return width
    return max(width, within_launch(np.divide(rounds.ms, rounds.own_ms)).relative_half_width)
