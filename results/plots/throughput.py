"""Time: who takes how long, how that grows with size, and how far it is from what the machine can do."""

from __future__ import annotations

from typing import Any

from focalbench_suite.results.frames import Frames, Row, rows
from focalbench_suite.results.plots.figure import INK, Palette, Plot, by_option, figure, significant

WIDE = 24  # characters
PASSES = {"forward": "forward", "forward_backward": "forward and backward"}


def plots(frames: Frames, records: list[dict[str, Any]], palette: Palette) -> list[Plot]:
    """Times, ratios, scaling and roofline, of the throughput table."""
    timed = [row for row in rows(frames["throughput"]) if row["median_ms"] is not None]
    fixed = [row for row in timed if not row["workload"].startswith("scaling")]
    intervals = _intervals(timed)
    return [
        Plot(
            "ratios",
            "Times as slow as ours",
            f"Paired ratios of the same rounds{intervals}. Hollow points compute another function.",
            {option: _ratios(members, palette) for option, members in by_option(_labelled(fixed)).items()},
        ),
        Plot(
            "times",
            "Time of one call",
            f"Medians{intervals}. The line is the floor: the least time in which the bytes that must pass the memory"
            " can do so, as fast as the machine ever moved bytes in the same run.",
            {option: _times(members, palette) for option, members in by_option(_labelled(fixed)).items()},
        ),
        Plot(
            "scaling",
            "Time against size",
            "On logarithmic axes; the flat start is the cost of launching, not of computing. Dotted: the floor.",
            {option: _scaling(members, palette) for option, members in by_option(_scaled(timed)).items()},
        ),
        Plot(
            "roofline",
            "Roofline",
            "The floor as a share of each call's time, against its size where several were timed. At 1 it moves its"
            " bytes as fast as the machine can; without a point are inputs that may have been in the cache. Hollow"
            " points compute another function.",
            {option: _roofline(members, palette) for option, members in by_option(_by_pass(timed)).items()},
        ),
    ]


def _intervals(timed: list[Row]) -> str:
    """What a caption says of the bars: over how many launches they are, and which points have none and why."""
    kinds = sorted({row["interval"] for row in timed}, reverse=True)
    bars = [kind for kind in kinds if not kind.startswith("none")]
    told = f" with 95 % intervals ({'; '.join(bars)})" if bars else ""
    if len(bars) < len(kinds):
        told += "; one launch says nothing of the next, so its points have no interval"
    return told


def _labelled(timed: list[Row]) -> list[tuple[str, Row]]:
    several_devices = len({row["device"] for row in timed}) > 1
    return [
        (
            ", ".join(
                [row["loss"], row["workload"], PASSES[row["pass"]], row["dtype"]]
                + ([row["device"]] if several_devices else [])
            ),
            row,
        )
        for row in sorted(timed, key=lambda row: row["pass"] == "forward")
    ]


def _by_pass(timed: list[Row]) -> list[tuple[str, Row]]:
    return [
        (f"{row['loss']}, {PASSES[row['pass']]}, {row['device']}", row)
        for row in sorted(timed, key=lambda row: row["pass"] == "forward")
        if row["bandwidth_fraction"]
    ]


def _scaled(timed: list[Row]) -> list[tuple[str, Row]]:
    found = []
    for row in timed:
        _, _, rest = row["workload"].partition("scaling-")
        if rest:
            found.append((f"{row['loss']} over {rest.partition('-')[0]}, {PASSES[row['pass']]}, {row['device']}", row))
    return found


def _error(members: list[Row], center: str, low: str, high: str) -> dict[str, Any]:
    """Asymmetric bars from a value to its bounds; none where an interval is unbounded."""
    return {
        "type": "data",
        "symmetric": False,
        "array": significant([_gap(row[high], row[center]) for row in members]),
        "arrayminus": significant([_gap(row[center], row[low]) for row in members]),
        "thickness": 1.5,
    }


def _gap(upper: float | None, lower: float | None) -> float:
    gap = (upper or 0) - (lower or 0) if upper is not None and lower is not None else 0
    return gap if gap < float("inf") else 0


def _markers(members: list[Row], palette: Palette) -> dict[str, Any]:
    """Filled for what computes the loss, hollow for what was timed but computes something else."""
    marks = [palette.marker(row["adapter"]) for row in members]
    hollow = [row.get("check") in ("differs", "nonfinite") for row in members]
    return {
        "color": [mark["color"] for mark in marks],
        "symbol": [mark["symbol"] + ("-open" if open_ else "") for mark, open_ in zip(marks, hollow, strict=True)],
        "size": 10,
    }


def _points(members: list[Row], palette: Palette, center: str, low: str, high: str, hover: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": significant([row[center] for row in members]),
        "y": [_lines(row["adapter"]) for row in members],
        "error_x": _error(members, center, low, high) | {"color": INK},
        "marker": _markers(members, palette),
        "hovertemplate": hover,
        "showlegend": False,
    }


def _lines(adapter: str) -> str:
    """A long name in two lines, so that on a phone the names leave room for the plot."""
    return adapter.replace(".", ".<br>") if len(adapter) > WIDE else adapter


def _height(members: list[Row]) -> int:
    return 130 + 26 * len(members)


def _ratios(members: list[Row], palette: Palette) -> dict[str, Any]:
    members = sorted((row for row in members if row["ratio_to_own"] is not None), key=lambda row: -row["ratio_to_own"])
    data = _points(members, palette, "ratio_to_own", "ratio_ci_low", "ratio_ci_high", "%{y}: %{x:.3g} ×<extra></extra>")
    line = {"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": INK, "dash": "dot"}}
    return figure([data], "time / ours", "", "x", _height(members), shapes=[line])


def _times(members: list[Row], palette: Palette) -> dict[str, Any]:
    members = sorted(members, key=lambda row: -row["median_ms"])
    data = [_points(members, palette, "median_ms", "ci_low_ms", "ci_high_ms", "%{y}: %{x:.4g} ms<extra></extra>")]
    floors = [row["floor_ms"] for row in members if row.get("floor_ms")]
    line = [
        {"type": "line", "x0": floor, "x1": floor, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": INK}}
        for floor in floors[:1]
    ]
    return figure(data, "ms a call", "", "x", _height(members), shapes=line)


def _scaling(members: list[Row], palette: Palette) -> dict[str, Any]:
    data = []
    by_adapter = by_option([(row["adapter"], row) for row in members])
    for adapter, points in by_adapter.items():
        points = sorted(points, key=_size)
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": adapter,
                "x": [_size(row) for row in points],
                "y": significant([row["median_ms"] for row in points]),
                "error_y": _error(points, "median_ms", "ci_low_ms", "ci_high_ms"),
                "line": palette.line(adapter),
                "marker": palette.marker(adapter),
                "hovertemplate": f"{adapter}: %{{y:.4g}} ms at %{{x}}<extra></extra>",
            }
        )
    floors = sorted({(_size(row), row["floor_ms"]) for row in members if row.get("floor_ms")})
    if floors:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "the floor",
                "x": [size for size, _ in floors],
                "y": significant([floor for _, floor in floors]),
                "line": {"color": INK, "dash": "dot"},
                "hovertemplate": "floor: %{y:.4g} ms<extra></extra>",
            }
        )
    return figure(data, "elements", "ms a call", "xy")


def _size(row: Row) -> int:
    return row["rows"] * row["classes"]


def _roofline(members: list[Row], palette: Palette) -> dict[str, Any]:
    share = "share of streaming bandwidth"
    if len({_size(row) for row in members}) == 1:  # a column of points would lie one over the other
        members = sorted(members, key=lambda row: row["bandwidth_fraction"])
        center = ("bandwidth_fraction",) * 3
        points = _points(members, palette, *center, "%{y}: %{x:.2%} of the bandwidth<extra></extra>")
        del points["error_x"]  # a share has no interval
        line = {"type": "line", "x0": 1, "x1": 1, "yref": "paper", "y0": 0, "y1": 1}
        return figure(
            [points], share, "", "x", _height(members), shapes=[line | {"line": {"color": INK, "dash": "dot"}}]
        )
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": adapter,
            "x": [_size(row) for row in points],
            "y": significant([row["bandwidth_fraction"] for row in points]),
            "text": [f"{row['workload']}, {row['dtype']}" for row in points],
            "marker": palette.marker(adapter),
            "hovertemplate": f"{adapter}: %{{y:.2%}} of the bandwidth<br>%{{text}}<extra></extra>",
        }
        for adapter, points in by_option([(row["adapter"], row) for row in members]).items()
    ]
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 1, "y1": 1, "line": {"color": INK, "dash": "dot"}}
    return figure(data, "elements", share, "xy", shapes=[line])
