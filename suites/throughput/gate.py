"""The gate: is one version of the code slower than another? Paired launches until it is clear, then once more afresh.

A process's address layout alone can make 2 per cent, the same in every launch of it (Mytkowicz et al., ASPLOS 2009), so
launches go round several pairs of processes. What seems slower or faster is compared again in new pairs; only what both
say counts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from focalbench_suite.results.statistics import MOST_LAUNCHES, gate_verdict, launch_log_ratio
from focalbench_suite.suites.throughput.paired import Side, SideFailed, launch
from focalbench_suite.suites.throughput.side import PairedCell

SMALLEST_SLOWDOWN = 0.05  # to be detected, unless calibration found that this machine cannot see it
BLOCKS, CALLS = 8, 3  # of a launch: turns of base and head, and timed calls a turn; 8 x 4 x (3 + 1) ms
PAIRS = 3  # of processes, since an address layout that is the same in every launch makes up to 2 per cent
CHANGED = ("slower", "faster")


@dataclass
class Outcome:
    """What the gate found of one cell; `launches` holds log(head / base) by wall and CPU clock of every launch."""

    cell: str
    verdict: str  # slower | faster | same | undecided | failed
    ratio: float = float("nan")
    find: float = SMALLEST_SLOWDOWN
    launches: list[tuple[float, float]] = field(default_factory=list)
    confirmation: list[tuple[float, float]] = field(default_factory=list)
    faults: float = 0.0
    reason: str = ""


def rerun(
    base: Sequence[Path],
    head: Sequence[Path],
    cells: Sequence[PairedCell],
    find: Mapping[str, float] | None = None,
    slowed: Sequence[float] | None = None,
) -> list[Outcome]:
    """Compare two versions of the code, each given by folders that come first on its path, cell by cell.

    `find` says, by a cell's name, the slowdown to find where it is not 5 %. `slowed` multiplies the head's work, cell
    by cell, which is how the gate itself is measured.
    """
    slowed = slowed or [1.0] * len(cells)
    find = find or {}
    outcomes = _stage(base, head, cells, find, slowed)
    suspects = [index for index, outcome in enumerate(outcomes) if outcome.verdict in CHANGED]
    if suspects:
        again = _stage(base, head, [cells[i] for i in suspects], find, [slowed[i] for i in suspects])
        for index, second in zip(suspects, again, strict=True):
            outcomes[index] = confirmed(outcomes[index], second)
    return outcomes


def confirmed(first: Outcome, second: Outcome) -> Outcome:
    """The first outcome in the light of a second, independent one: a change that is not seen twice is undecided."""
    agreed = first.verdict == second.verdict
    reason = "" if agreed else f"seemed {first.verdict}, then {second.verdict} {second.reason}".strip()
    return Outcome(
        first.cell, first.verdict if agreed else "undecided", _ratio(first.launches + second.launches), first.find,
        first.launches, second.launches, first.faults, reason,
    )  # fmt: skip


def _stage(
    base: Sequence[Path],
    head: Sequence[Path],
    cells: Sequence[PairedCell],
    find: Mapping[str, float],
    slowed: Sequence[float],
) -> list[Outcome]:
    with ExitStack() as stack:
        pairs = [
            (stack.enter_context(closing(Side("base", base))), stack.enter_context(closing(Side("head", head))))
            for _ in range(PAIRS)
        ]
        outcomes = []
        for cell, factor in zip(cells, slowed, strict=True):
            try:
                outcomes.append(compare_cell(pairs, cell, find.get(cell.name, SMALLEST_SLOWDOWN), factor))
            except SideFailed as failure:
                outcomes.append(Outcome(cell.name, "failed", reason=str(failure)))
                for side in (side for pair in pairs for side in pair):
                    side.restart()
        return outcomes


def compare_cell(
    pairs: Sequence[tuple[Side, Side]], cell: PairedCell, find: float = SMALLEST_SLOWDOWN, slowed: float = 1.0
) -> Outcome:
    """Launch pair after pair, on alternating cores, until the verdict is clear or the cap is reached."""
    outcome = Outcome(cell.name, "unclear", find=find)
    while outcome.verdict == "unclear":
        number = len(outcome.launches)
        logs, faults = log_ratios(*pairs[number % len(pairs)], cell, number, slowed)
        outcome.launches.append(logs)
        outcome.faults = max(outcome.faults, faults)
        outcome.verdict = gate_verdict(outcome.launches, find, last=number + 1 >= MOST_LAUNCHES)
    outcome.ratio = _ratio(outcome.launches)
    logging.info("%s: %s after %d launches, ratio %.4f", cell.name, outcome.verdict, number + 1, outcome.ratio)
    return outcome


def log_ratios(
    base: Side, head: Side, cell: PairedCell, number: int, slowed: float = 1.0
) -> tuple[tuple[float, float], float]:
    """log(head / base) of one launch by wall and CPU clock, and minor faults a call; cores take turns by `number`."""
    cores = sorted(os.sched_getaffinity(0))
    times = launch(base, head, cell, cores[number % len(cores)], BLOCKS, CALLS, slowed)
    wall, cpu = (launch_log_ratio(*times.by_clock(clock)) for clock in (0, 1))
    return (wall, cpu), max(times.faults)


def _ratio(launches: Sequence[tuple[float, float]]) -> float:
    """head / base by the wall clock: the median over launches."""
    return float(np.exp(np.median([wall for wall, _ in launches])))


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON-able data."""
    return asdict(outcome)
