"""This machine's noise: how small a slowdown the gate can see here, of which cell, and at what error rates.

Each cell is compared with itself in several pairs of processes. What scatters, between pairs and between launches of a
pair, goes into a simulation of the gate's own rule, which gives the false alarms and the slowdowns missed for every
size of slowdown; the smallest with acceptable rates is the cell's margin. It is kept in the user's cache and used by
``compare --rerun``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from focalbench_suite.results.statistics import MOST_LAUNCHES, gate_verdict
from focalbench_suite.suites.environment import cpu_model
from focalbench_suite.suites.throughput.gate import PAIRS, SMALLEST_SLOWDOWN, log_ratios
from focalbench_suite.suites.throughput.paired import Side
from focalbench_suite.suites.throughput.side import PairedCell

CELLS = (
    PairedCell("focal", "own", 400, 20),
    PairedCell("quality_focal", "own", 400, 20),
    PairedCell("distribution_focal", "own", 1024, 17),
    PairedCell("focal", "torchvision", 400, 20),
    PairedCell("focal", "torchvision", 40_000, 8),
)
MEASURED_PAIRS, LAUNCHES = 4, 3
SLOWDOWNS = (0.03, SMALLEST_SLOWDOWN, 0.07, 0.10, 0.15, 0.20, 0.30, 0.50)
SIMULATED = 400
FALSE_ALARMS, FOUND = 0.01, 0.95


@dataclass(frozen=True)
class Noise:
    """What was seen of a cell: scatter of log ratios between pairs of processes and between launches of one pair.

    `find` is the smallest slowdown with at most `FALSE_ALARMS` and at least `FOUND`, by simulation; None where even the
    largest tried cannot be told from noise.
    """

    cell: str
    between_pairs: float
    between_launches: float
    find: float | None
    false_alarms: float
    found: float


def calibrate(cells: Sequence[PairedCell] = CELLS, pairs: int = MEASURED_PAIRS, folder: Path | None = None) -> Table:
    """Measure every cell, keep the margins in `folder` (default: the user's cache), and return them as a table."""
    launches: dict[PairedCell, list[list[tuple[float, float]]]] = {cell: [] for cell in cells}
    for _ in range(pairs):
        with closing(Side("base")) as base, closing(Side("head")) as head:
            for cell in cells:
                launches[cell].append([log_ratios(base, head, cell, number)[0] for number in range(LAUNCHES)])
    noises = [noise_of(cell.name, seen) for cell, seen in launches.items()]
    file = calibration_file(folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"cpu": cpu_model(), "load": os.getloadavg()[0], "cells": [asdict(noise) for noise in noises]}
    file.write_text(json.dumps(content, indent=2) + "\n")
    return as_table(noises, str(file))


def calibration_file(folder: Path | None = None) -> Path:
    """Where the margins are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "focalbench"
    return (folder or cache) / "calibration.json"


def margins(folder: Path | None = None) -> dict[str, float]:
    """The slowdown to find by cell name, as far as this machine has been calibrated."""
    file = calibration_file(folder)
    if not file.is_file():
        return {}
    content = json.loads(file.read_text())
    if content["cpu"] != cpu_model():
        return {}
    return {cell["cell"]: max(cell["find"] or SLOWDOWNS[-1], SMALLEST_SLOWDOWN) for cell in content["cells"]}


def noise_of(name: str, pairs: Sequence[Sequence[tuple[float, float]]]) -> Noise:
    """The cell's noise, and what the gate can see through it, from launches (wall, CPU) of several pairs."""
    walls = [np.array(launches)[:, 0] for launches in pairs]
    within = float(np.sqrt(np.mean([np.var(values, ddof=1) for values in walls])))
    between = float(np.sqrt(np.mean([np.median(values) ** 2 for values in walls])))  # the truth is 0
    for find in SLOWDOWNS:
        alarms, found = rates(find, between, within)
        if alarms <= FALSE_ALARMS and found >= FOUND:
            return Noise(name, between, within, find, alarms, found)
    return Noise(name, between, within, None, alarms, found)


def rates(find: float, between: float, within: float, simulated: int = SIMULATED, seed: int = 0) -> tuple[float, float]:
    """Shares of simulated comparisons that are called slower: of a thing with itself, and with one slower by `find`."""
    generator = np.random.default_rng(seed)
    shares = []
    for truth in (0.0, float(np.log1p(find))):
        called = [_simulated(truth, find, between, within, generator) for _ in range(simulated)]
        shares.append(called.count("slower") / simulated)
    return shares[0], shares[1]


def _simulated(truth: float, find: float, between: float, within: float, generator: np.random.Generator) -> str:
    """One comparison by the gate's rule, confirmation included, with normal noise."""
    for _ in range(2):
        centers = truth + generator.normal(0, between, PAIRS)
        launches: list[tuple[float, float]] = []
        verdict = "unclear"
        while verdict == "unclear":
            value = centers[len(launches) % PAIRS] + generator.normal(0, within)
            launches.append((value, value))
            verdict = gate_verdict(launches, find, last=len(launches) == MOST_LAUNCHES)
        if verdict != "slower":
            return verdict
    return verdict


def as_table(noises: Sequence[Noise], place: str) -> Table:
    """The margins for a reader."""
    table = Table(
        "cell", "scatter of processes", "of launches", "smallest slowdown seen", "false alarms", "found",
        title="What the gate can see on this machine", caption=f"kept in {place}",
    )  # fmt: skip
    for noise in noises:
        smallest = f"{noise.find:.0%}" if noise.find else f"none up to {SLOWDOWNS[-1]:.0%}"
        scatter = (f"{noise.between_pairs:.2%}", f"{noise.between_launches:.2%}")
        table.add_row(noise.cell, *scatter, smallest, f"{noise.false_alarms:.1%}", f"{noise.found:.1%}")
    return table
