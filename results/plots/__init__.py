"""The report's plots, as plain Plotly figures of the records and the tables.

A figure is data and layout for plotly.js, without colours of its own for ink and paper: the page fills those in for
light and dark. Figures that differ in one choice (the loss, the dtype) share a `Plot` and are its options.
"""

from __future__ import annotations

from typing import Any

from focalbench_suite.results.frames import Frames
from focalbench_suite.results.plots import agreement, claims, coco_map, throughput
from focalbench_suite.results.plots.figure import Palette, Plot

__all__ = ["Plot", "every_plot"]


def every_plot(frames: Frames, records: list[dict[str, Any]]) -> dict[str, list[Plot]]:
    """The plots by suite; a plot that has no data is left out."""
    palette = Palette(sorted({record["cell"]["adapter"] for record in records}))
    rooms = {"agreement": agreement, "throughput": throughput, "coco-map": coco_map, "claims": claims}
    return {
        suite: [plot for plot in room.plots(frames, records, palette) if plot.options] for suite, room in rooms.items()
    }
