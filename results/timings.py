"""Times of a run, or of a file that pytest-benchmark wrote, in the one form in which two of them are compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from focalbench_suite.results.baseline import Baseline
from focalbench_suite.results.statistics import BOOTSTRAP_REACH, Interval, launches_like
from focalbench_suite.results.store import Run
from focalbench_suite.results.throughput import is_timed, rounds_of

NAMED_BY = ("machine", "system", "node")  # where a processor has no name of its own, as ARM's have none
PASSES = ("forward", "forward_backward")
FEWEST_ROUNDS = 3  # of a single launch that is judged: of three, one odd round does not move the median


@dataclass(frozen=True)
class Timing:
    """One cell's pass: a median a launch in ms, and how long the machine's own stream took in that launch, in ms.

    `stream` is empty where it was not measured; `machine` is the processor's name, `pace` how fast that was found to
    be (`suites.environment.pace`), empty for a GPU and where it was not asked; `rounds` is of all launches; `others` is
    how many processes beyond the timed threads wanted a core meanwhile, as far as that was recorded.
    """

    launches: tuple[float, ...]
    stream: tuple[float, ...]
    machine: str
    rounds: int = FEWEST_ROUNDS
    others: float = 0.0
    pace: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_glance(self) -> bool:
        """One launch of a few rounds, as the smoke profile takes: it shows that a loss runs, not how fast it is.

        Smoke's runs of the same code lay a factor of 2.4 apart.
        """
        return len(self.launches) < 2 and self.rounds < FEWEST_ROUNDS


class Benchmarks:
    """A file of ``pytest --benchmark-json``. Raises `ValueError` with a sentence where it is none."""

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        try:
            content = json.loads(self.file.read_text(errors="replace"))
            self.entries: list[dict[str, Any]] = content["benchmarks"]
            machine = content["machine_info"]
            self.time = str(content.get("datetime") or "")
            self.commit = str((content.get("commit_info") or {}).get("id") or "")
            self.machine = str(machine["cpu"].get("brand_raw") or " ".join(map(str, map(machine.get, NAMED_BY))))
        except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{file} is not a file of pytest --benchmark-json: {error!r}") from None

    def timings(self) -> dict[str, Timing]:
        """Every benchmark, by the cell and pass that it says it timed, else by its name. One process: one launch."""
        return {entry["extra_info"].get("cell", entry["fullname"]): self._timing(entry) for entry in self.entries}

    def _timing(self, entry: dict[str, Any]) -> Timing:
        told = entry["extra_info"]
        others = told.get("load", 0.0) - told.get("threads", 0)
        rounds = entry["stats"].get("rounds", FEWEST_ROUNDS)
        return Timing((entry["stats"]["median"] * 1e3,), (), told.get("device_name", self.machine), rounds, others)


Source = Run | Baseline | Benchmarks


def open_source(path: str | Path) -> Source:
    """A run, a baseline or a benchmark file; raises `ValueError` with a sentence where `path` is none of them."""
    if Path(path).is_file():
        return Benchmarks(path)
    return Run.open(path) if Run(path).records_file.is_file() else Baseline(path)


def timings(source: Source) -> dict[str, Timing]:
    """Every cell that was timed, with its pass: ``throughput/focal/own/cpu/float32/WORKLOAD forward``."""
    if isinstance(source, Benchmarks):
        return source.timings()
    if isinstance(source, Baseline):
        return _medians(source)
    pace = source.environment().get("pace_us", {})
    return {
        f"{record['key']} {name}": _timing(record, name, pace)
        for record in source.records()
        if is_timed(record)
        for name in PASSES
    }


def _medians(baseline: Baseline) -> dict[str, Timing]:
    """The medians of a baseline, each with launches that scatter as its interval says.

    A baseline from before the column `interval` has bootstrap limits.
    """
    found = baseline.frames().get("throughput")
    if found is None:
        return {}
    reach = None if "interval" in found else BOOTSTRAP_REACH
    pace = baseline.environment().get("pace_us", {})
    return {
        f"{row['cell']} {row['pass']}": Timing(
            launches_like(Interval(row["median_ms"], row["ci_low_ms"], row["ci_high_ms"]), row["launches"], reach),
            (),
            row["device_name"],
            row["rounds"],
            pace=pace if "/cpu/" in row["cell"] else {},
        )
        for row in found.to_dict("records")
    }


def _timing(record: dict[str, Any], name: str, pace: Mapping[str, float]) -> Timing:
    launches, rounds = record["data"]["launches"], rounds_of(record, name)
    on_cpu = record["cell"]["device"] == "cpu"
    return Timing(
        tuple(float(np.median(one["ms"])) for one in rounds),
        tuple(float(np.median(launch["stream_ms"][name])) for launch in launches),
        record["data"]["device_name"],
        sum(len(one["ms"]) for one in rounds),
        max(launch["load"] for launch in launches) - record["data"]["threads"] if on_cpu else 0,
        pace if on_cpu else {},
    )
