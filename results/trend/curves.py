"""Curves over commits: times and AP with their levels, and how many verdicts there were of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from focalbench_suite.results.plots.figure import Figure, Palette, Plot, by_option, figure, significant
from focalbench_suite.results.trend.changes import Series
from focalbench_suite.results.trend.points import PRECISION, SHORT, TIMES

TICKS = 4  # labels of an axis of commits, which a phone has room for
UNITS = {TIMES: "times the first level", PRECISION: "AP"}
TITLES = {TIMES: "Times", PRECISION: "Average precision"}


def plots(points: pd.DataFrame, series: Sequence[Series]) -> list[Plot]:
    """The plots that have data: an option for every panel of every machine."""
    palette = Palette(sorted(set(points["line"])))
    drawn = [_values(table, series, palette) for table in TITLES]
    return [plot for plot in (*drawn, _verdicts(points)) if plot.options]


def _values(table: str, series: Sequence[Series], palette: Palette) -> Plot:
    panels = by_option([(_panel(one), one) for one in series if one.table == table])
    caption = (
        "A thick line is a level: where it moves, a step was found. Commits in the order in which they were measured."
    )
    return Plot(
        table, TITLES[table], caption, {name: _curves(table, members, palette) for name, members in panels.items()}
    )


def _panel(series: Series) -> str:
    return f"{series.rows['panel'].iloc[0]} · {series.machine}"


def _curves(table: str, members: Sequence[Series], palette: Palette) -> Figure:
    runs = sorted({run for one in members for run in _runs(one.rows)})
    place = {run: number for number, run in enumerate(runs)}
    data = [trace for one in members for trace in _lines(one, place, palette)]
    return figure(data, "commit", UNITS[table], xaxis=_axis(runs), hovermode="closest")


def _runs(rows: pd.DataFrame) -> list[tuple[Any, str]]:
    return list(zip(rows["time"], rows["commit"], strict=True))


def _lines(series: Series, place: dict[tuple[Any, str], int], palette: Palette) -> list[Figure]:
    """The runs of a curve, and its levels where it has more than one."""
    name = series.rows["line"].iloc[0]
    runs = _runs(series.rows)
    x = [place[run] for run in runs]
    unit, scale = ("ms", series.levels[0][2]) if series.table == TIMES else ("AP", 1.0)
    measured = series.rows["value"].tolist()
    told = [
        f"{commit[:SHORT]} {time:%Y-%m-%d %H:%M}, {value:.4g} {unit}"
        for (time, commit), value in zip(runs, measured, strict=True)
    ]
    common = {"type": "scatter", "name": name, "legendgroup": name}
    values = significant([value / scale for value in measured])
    points = {"x": x, "y": values, "text": told, "mode": "lines+markers", "marker": palette.marker(name)}
    lines = [common | points | {"line": palette.line(name) | {"width": 1}}]
    if series.places:
        level = [value / scale for a, b, value in series.levels for _ in range(a, b)]
        shape = {"color": palette.colour(name), "width": 4, "shape": "hv"}
        lines.append(
            common | {"x": x, "y": significant(level), "mode": "lines", "line": shape, "opacity": 0.5}
            | {"showlegend": False, "hoverinfo": "skip"}
        )  # fmt: skip
    return lines


def _axis(runs: Sequence[tuple[Any, str]]) -> Figure:
    """Runs side by side, whatever time lies between them, a few with their commits."""
    shown = sorted({round(number * (len(runs) - 1) / (TICKS - 1)) for number in range(TICKS)}) if runs else []
    labels = [runs[place][1][:SHORT] or f"{runs[place][0]:%Y-%m-%d}" for place in shown]
    return {"tickmode": "array", "tickvals": shown, "ticktext": labels}


def _verdicts(points: pd.DataFrame) -> Plot:
    judged = points[points["verdict"] != ""]
    options = {
        f"{table} · {machine}" if machine else str(table): _counts(rows)
        for (table, machine), rows in judged.groupby(["table", "machine"], sort=True)
    }
    return Plot("verdicts", "Verdicts", "How many there were of each in every run.", options)


def _counts(rows: pd.DataFrame) -> Figure:
    runs = sorted(set(_runs(rows)))
    count = Counter(zip(rows["time"], rows["commit"], rows["verdict"], strict=True))
    verdicts = sorted(set(rows["verdict"]))
    palette = Palette(verdicts)
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": verdict,
            "x": list(range(len(runs))),
            "y": [count[(*run, verdict)] for run in runs],
            "marker": palette.marker(verdict),
            "line": palette.line(verdict),
        }
        for verdict in verdicts
    ]
    return figure(data, "commit", "verdicts", height=320, xaxis=_axis(runs))
