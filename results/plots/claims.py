"""The papers' figures, redrawn from our own losses."""

from __future__ import annotations

from typing import Any

from focalbench_suite.results.frames import Frames
from focalbench_suite.results.plots.figure import COLOURS, DASHES, Figure, Palette, Plot, figure, significant

FEW = 20  # points up to which each is marked: bins, not a curve


def plots(frames: Frames, records: list[dict[str, Any]], palette: Palette) -> list[Plot]:
    """One plot whose options are the figures that the claims' records keep."""
    figures = {
        drawn["title"]: _drawn(drawn)
        for record in records
        if record["cell"]["suite"] == "claims"
        for drawn in record["data"].get("figures", ())
    }
    figures = dict(sorted(figures.items()))
    return [Plot("papers", "The papers' figures, redrawn", "Computed with this project's own losses.", figures)]


def _drawn(drawn: dict[str, Any]) -> Figure:
    data = [
        {
            "type": "scatter",
            "mode": "lines" if len(series["x"]) > FEW else "lines+markers",
            "name": series["name"],
            "x": significant(series["x"]),
            "y": significant(series["y"]),
            "line": {
                "color": COLOURS[place % len(COLOURS)],
                "dash": DASHES[place % len(DASHES)],
                "width": 2,
            },
        }
        for place, series in enumerate(drawn["series"])
    ]
    return figure(data, drawn["x"], drawn["y"], drawn.get("log", ""))
