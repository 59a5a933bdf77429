"""The gate's error rates by experiment: a thing against itself, and against itself with 5 % and 10 % more work.

``python -m suites.throughput.experiment FOLDER [--same 200] [--five 100] [--ten 100]`` appends an outcome a line to
FOLDER/comparisons.jsonl (a second call goes on where the first was stopped) and writes FOLDER/gate.csv, the table. A
call of the base repeats a loss 20 times; the head does it 21 or 22 times: a slowdown that is true by construction. Of
the cell that is called once, the head gets 5 % or 10 % more rows.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from focalbench_suite.results.statistics import wilson
from focalbench_suite.suites.throughput.gate import as_plain, rerun
from focalbench_suite.suites.throughput.side import PairedCell

REPEATS = 20
FACTORS = {"same": 1.0, "five": 1.05, "ten": 1.1}
CELLS = (
    PairedCell("focal", "torchvision", 100, 8, repeats=REPEATS),
    PairedCell("focal", "articles.second", 200, 20, repeats=REPEATS, backward=False),
    PairedCell("distribution_focal", "articles.second", 128, 17, repeats=REPEATS, backward=False),
    PairedCell("cross_entropy", "own", 64, 8, repeats=REPEATS, backward=False),
    PairedCell("balanced_cross_entropy", "own", 64, 8, repeats=REPEATS, backward=False),
)
MEMORY_BOUND = PairedCell("focal", "torchvision", 20_000, 8, repeats=1)  # tensors beyond a core's own cache
PER_RERUN = 80  # comparisons that share processes, as the cells of one `compare --rerun` do


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    for name, count in (("same", 200), ("five", 100), ("ten", 100)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--memory-bound", action="store_true", help="the cell that leaves the cache, alone")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asked.folder.mkdir(parents=True, exist_ok=True)
    file = asked.folder / "comparisons.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    missing = Counter({name: getattr(asked, name) for name in FACTORS}) - Counter(line["kind"] for line in lines)
    kinds = list(missing.elements())
    cells = (MEMORY_BOUND,) if asked.memory_bound else CELLS
    random.Random(len(lines)).shuffle(kinds)
    for start in range(0, len(kinds), PER_RERUN):
        with file.open("a") as stream:
            for line in one_rerun(kinds[start : start + PER_RERUN], cells, start + len(lines)):
                stream.write(json.dumps(line) + "\n")
    table([json.loads(line) for line in file.read_text().splitlines()]).to_csv(asked.folder / "gate.csv", index=False)


def one_rerun(kinds: list[str], cells: tuple[PairedCell, ...], first: int) -> list[dict]:
    """As many comparisons as there are kinds, in the same processes, and in new ones for confirmation."""
    chosen = [cells[(first + number) % len(cells)] for number in range(len(kinds))]
    started, load = time.perf_counter(), os.getloadavg()[0]
    outcomes = rerun((), (), chosen, slowed=[FACTORS[kind] for kind in kinds])
    seconds = (time.perf_counter() - started) / len(kinds)
    return [
        {"kind": kind, "load": load, "nice": os.nice(0), "seconds": round(seconds, 2), **as_plain(outcome)}
        for kind, outcome in zip(kinds, outcomes, strict=True)
    ]


def table(lines: list[dict]) -> pd.DataFrame:
    """How often each verdict came, by kind and cell; `share_changed` with Wilson's interval is error rate or power."""
    rows = []
    for kind in FACTORS:
        for cell in ("all cells", *dict.fromkeys(line["cell"] for line in lines)):
            chosen = [line for line in lines if line["kind"] == kind and cell in ("all cells", line["cell"])]
            counts = Counter(line["verdict"] for line in chosen)
            alarms = counts["slower"] + (counts["faster"] if kind == "same" else 0)
            share = wilson(alarms, len(chosen))
            rows.append({
                "head": f"{FACTORS[kind]:.2f} x base", "cell": cell, "comparisons": len(chosen),
                **{verdict: counts[verdict] for verdict in ("slower", "faster", "same", "undecided", "failed")},
                "share_changed": round(share.center, 4), "ci_low": round(share.low, 4), "ci_high": round(share.high, 4),
                "launches": pd.Series([len(line["launches"] + line["confirmation"]) for line in chosen]).mean(),
                "median_ratio": pd.Series([line["ratio"] for line in chosen]).median(),
                "load_mean": pd.Series([line["load"] for line in chosen]).mean(),
                "load_max": pd.Series([line["load"] for line in chosen]).max(),
                "nice": pd.Series([line["nice"] for line in chosen]).mean(),
                "seconds_each": pd.Series([line["seconds"] for line in chosen]).mean(),
            })  # fmt: skip
    return pd.DataFrame(rows).round(4)


if __name__ == "__main__":
    main()
