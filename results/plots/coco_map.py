"""Training: the course of the loss, and what is left of average precision's differences when only the loss differs."""

from __future__ import annotations

from typing import Any

from focalbench_suite.results.coco_map import BACKGROUND
from focalbench_suite.results.frames import Frames, Row, rows
from focalbench_suite.results.pairs import pair_name
from focalbench_suite.results.plots.figure import COLOURS, DASHES, INK, Palette, Plot, by_option, figure, significant

VERDICT_MARKS = {"different": "diamond", "undecided": "circle-open", "equivalent": "circle"}


def plots(frames: Frames, records: list[dict[str, Any]], palette: Palette) -> list[Plot]:
    """Training curves, average precision by seed, and paired differences."""
    return [
        Plot(
            "differences",
            "Differences in average precision, paired by seed",
            "Mean of variant A minus variant B over seeds, with a 95 % interval. Diamonds are different, filled circles"
            " equivalent, open ones undecided.",
            {host: _differences(members) for host, members in _hosts(rows(frames["coco_map_compare"])).items()},
        ),
        Plot(
            "precision",
            "Average precision by variant",
            "One point a training run; the line joins runs of the same seed.",
            {host: _precision(members) for host, members in _hosts(rows(frames["coco_map"])).items()},
        ),
        Plot(
            "confusion",
            "Confusion matrix",
            "What share of a class's boxes was found as which class, by detections of score 0.3 and more that overlap"
            " it by half; found as background are those that were missed. Over all seeds.",
            {option: _confusion(members) for option, members in by_option(_variants(frames)).items()},
        ),
        Plot(
            "training",
            "Training curves",
            "The loss of each step, as the host sums its terms.",
            {option: _training(members) for option, members in by_option(_curves(records)).items()},
        ),
    ]


def _hosts(members: list[Row]) -> dict[str, list[Row]]:
    return by_option([(row["host"], row) for row in members])


def _differences(members: list[Row]) -> dict[str, Any]:
    bounded = [row for row in members if row["ci_low"] is not None and abs(row["ci_low"]) < float("inf")]
    labels = [pair_name(row) for row in members]
    ends = {
        id(row): (row["mean_difference"] - row["ci_low"], row["ci_high"] - row["mean_difference"]) for row in bounded
    }
    data = {
        "type": "scatter",
        "mode": "markers",
        "x": significant([row["mean_difference"] for row in members]),
        "y": labels,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": significant([ends.get(id(row), (0, 0))[1] for row in members]),
            "arrayminus": significant([ends.get(id(row), (0, 0))[0] for row in members]),
            "color": INK,
        },
        "marker": {
            "color": INK,
            "size": 10,
            "symbol": [VERDICT_MARKS.get(row["verdict"], "circle") for row in members],
        },
        "text": [f"{row['verdict']}, {row['seeds']} seeds" for row in members],
        "hovertemplate": "%{y}: %{x:.4f}<br>%{text}<extra></extra>",
        "showlegend": False,
    }
    line = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": INK, "dash": "dot"}}
    return figure([data], "AP of A − AP of B", "", height=130 + 34 * len(members), shapes=[line])


def _precision(members: list[Row]) -> dict[str, Any]:
    data = []
    for place, (seed, runs) in enumerate(by_option([(str(row["seed"]), row) for row in members]).items()):
        data.append(
            {
                "type": "scatter",
                "mode": "markers+lines",
                "name": f"seed {seed}",
                "x": [row["variant"] for row in runs],
                "y": significant([row["ap"] for row in runs]),
                "line": {"color": COLOURS[place % len(COLOURS)], "dash": "dot", "width": 1},
                "marker": {"size": 9},
                "hovertemplate": f"%{{x}}, seed {seed}: AP %{{y:.3f}}<extra></extra>",
            }
        )
    return figure(data, "", "AP", yaxis={"rangemode": "tozero"}, xaxis={"type": "category"})


def _variants(frames: Frames) -> list[tuple[str, Row]]:
    return [(f"{row['host']} {row['variant']}", row) for row in rows(frames["coco_map_confusion"])]


def _confusion(members: list[Row]) -> dict[str, Any]:
    shares = {(row["category"], row["detected_as"]): row["share"] for row in members if row["category"] != BACKGROUND}
    classes = list(dict.fromkeys(truth for truth, _ in shares))
    found = [*classes, BACKGROUND]
    data = {
        "type": "heatmap",
        "x": found,
        "y": classes,
        "z": [significant([shares.get((truth, label), 0.0) for label in found], 3) for truth in classes],
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Cividis",
        "hovertemplate": "%{y} found as %{x}: %{z:.1%}<extra></extra>",
    }
    height = 200 + 16 * len(classes)
    return figure(
        [data], "found as", "class", height=height, yaxis={"autorange": "reversed"}, xaxis={"type": "category"}
    )


def _curves(records: list[dict[str, Any]]) -> list[tuple[str, tuple[str, list[dict]]]]:
    found = []
    for record in records:
        curve = record["data"].get("curve")
        if record["cell"]["suite"] == "coco-map" and curve:
            row = (record["rows"].get("coco_map") or [{}])[0]
            label = f"{row.get('variant', record['cell']['adapter'])}, seed {row.get('seed', '?')}"
            found.append((row.get("host", record["cell"]["workload"]), (label, curve)))
    return found


def _training(members: list[tuple[str, list[dict]]]) -> dict[str, Any]:
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": label,
            "x": [point["step"] for point in curve],
            "y": significant([point["loss"] for point in curve]),
            "line": {
                "color": COLOURS[place % len(COLOURS)],
                "dash": DASHES[place // len(COLOURS) % len(DASHES)],
                "width": 2,
            },
        }
        for place, (label, curve) in enumerate(members)
    ]
    return figure(data, "step", "loss", "y", showlegend=True)  # one curve, too, says whose it is
