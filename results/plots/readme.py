"""The README's picture, drawn from the committed baseline: ``uv run python -m focalbench_suite.results.plots.readme``.

A Markdown page runs no script, so this one plot is an SVG of matplotlib's; everything that moves is in the report.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from focalbench_suite.results.plots.figure import COLOURS

REFERENCE = Path(__file__).parents[1] / "reference" / "throughput"
SHOWN = {"loss": "focal", "pass": "forward_backward", "workload": "yolov8-640px-b8", "dtype": "float32"}
OURS, THEIRS, ANOTHER = COLOURS[2], COLOURS[3], COLOURS[4]


def draw(table: pd.DataFrame, file: Path) -> None:
    """Write an SVG of how many times our time each focal loss takes, with 95 % intervals, the same bytes each time."""
    rows = table[(table[list(SHOWN)] == pd.Series(SHOWN)).all(axis=1)].sort_values("ratio_to_own", ascending=False)
    matplotlib.rcParams |= {"svg.hashsalt": "focalbench", "svg.fonttype": "none"}
    figure = Figure(figsize=(8, 0.6 + 0.24 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows.to_dict("records")):
        colour = OURS if row["adapter"] == "own" else ANOTHER if row["check"] == "differs" else THEIRS
        axes.plot([row["ratio_ci_low"], row["ratio_ci_high"]], [place, place], color=colour, linewidth=2)
        axes.plot(row["ratio_to_own"], place, "o", color=colour, fillstyle="none" if colour == ANOTHER else "full")
    axes.set_yticks(range(len(rows)), ["ours" if name == "own" else name for name in rows["adapter"]], fontsize=9)
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set_xlabel("times our time (hollow: another function)")
    axes.grid(axis="x", color="0.85")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    draw(pd.read_csv(REFERENCE / "throughput.csv"), REFERENCE / "focal.svg")
