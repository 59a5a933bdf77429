"""report.html: one file with everything in it, which opens with the answers."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from focalbench_suite.results import answers, plots, printing
from focalbench_suite.results.answers import Race
from focalbench_suite.results.frames import Frames
from focalbench_suite.results.report import assets, words
from focalbench_suite.results.report.samples import samples
from focalbench_suite.results.schema import TABLES, Table
from focalbench_suite.results.standings import STANDINGS, Standing, standings

SHOWN_IN_RACE = 8
CHOICES = 40  # a column with at most so many distinct values gets a filter
FILTERED = ("loss", "adapter", "device", "dtype", "quantity", "probe", "kind", "capability", "pass", "workload", "host",
            "variant", "verdict", "status", "suite", "source")  # fmt: skip


# options of a selection, by their names
SINGLE = ("coco", "images", "seed", "backbone", "schedule", "seeds", "normalise")
REPEATED = {"loss": "losses", "adapter": "adapters", "device": "devices", "dtype": "dtypes", "variant": "variants"}


class Section(NamedTuple):
    """One suite's part of the page."""

    name: str
    title: str
    question: str
    plots: list[plots.Plot]
    tables: list[str]


SECTIONS = {
    "agreement": ("Agreement", "Do they compute the same function, and if not, why not?"),
    "throughput": ("Speed", "How fast are they, and how much memory do they take?"),
    "coco-map": ("Detectors", "What do they do to a detector?"),
    "claims": ("Claims", "Do the numbers printed in papers and articles come out?"),
    "history": ("Releases", "Which release of a library changed which loss, and how?"),
    "run": ("Cells", "What was run, what could not be, and what failed?"),
}


@dataclass(frozen=True)
class Sign:
    """How two sources relate, for one field of the matrix."""

    name: str
    symbol: str
    words: str


SIGNS = {
    sign.name: sign
    for sign in (
        Sign("equal", "=", "is the same function as"),
        Sign("scaled", "∝", "is the same function, reduced in another way, as"),
        Sign("hard", "≃", "is, for hard labels alone, the same function as"),
        Sign("unequal", "≠", "is another function than"),
        Sign("unknown", "?", "has no probe in common with"),
    )
}


def html(frames: Frames, records: list[dict[str, Any]], environment: dict[str, Any]) -> str:
    """The page, self-contained."""
    drawn = plots.every_plot(frames, records)
    sections = [
        Section(suite, *SECTIONS[suite], drawn.get(suite, []), [t.name for t in TABLES.values() if t.suite == suite])
        for suite in SECTIONS
    ]
    stands = standings(frames)
    races = [_race(race) for race in answers.races(frames)]
    pictures, sampled = samples(records)
    differences = answers.map_differences(frames)
    payload = {
        "tables": {name: table(TABLES[name], frame) for name, frame in frames.items()},
        "plots": {f"{s.name}/{plot.name}": plot.options for s in sections for plot in s.plots},
        "records": {record["key"]: _record(record, environment) for record in records},
        "environment": _versions(environment),
    }
    return (
        assets.templates("report")
        .get_template("report.html.j2")
        .render(
            facts=_facts(records, environment),
            environment=environment,
            sections=sections,
            standings=[_standings(loss, members) for loss, members in stands.items()],
            matrices={loss: _matrix(members) for loss, members in stands.items() if len(members) > 1},
            races=races,
            surprises=[
                vars(one) | {"numbers": words.numbers(one.finding), "others": words.others(one)}
                for one in answers.surprises(frames)
            ],
            differences=[row | {"sentence": words.difference(row)} for row in differences],
            differences_sentence=words.differences(differences),
            no_differences=_no_differences(frames),
            pictures=pictures,
            sampled=sampled,
            payload=assets.script(payload),
            plotly=Markup(assets.plotly()),
            css=Markup(assets.text("report", "report.css")),
            js=Markup(assets.text("report", "report.js")),
        )
    )


def _facts(records: list[dict[str, Any]], environment: dict[str, Any]) -> dict[str, Any]:
    when = environment.get("time", "")[:16].replace("T", " ")
    profile = environment.get("selection", {}).get("profile", "")
    parts = (when, profile and f"{profile} profile", words.machine(environment), words.outcome(records))
    table = [
        (name, ", ".join(f"{key} {item}" for key, item in value.items() if item) if isinstance(value, dict) else value)
        for name, value in sorted(environment.items())
        if value not in (None, "", [], {})
    ]
    return {"title": when, "sentence": " · ".join(filter(None, parts)), "table": table}


def _versions(environment: dict[str, Any]) -> list[tuple[str, str]]:
    """What every record shares: machine, versions, commit."""
    packages = ", ".join(f"{name} {version}" for name, version in sorted(environment.get("packages", {}).items()))
    commit = environment.get("commit", "") + (" with changes" if environment.get("changed") else "")
    return [("machine", words.machine(environment)), ("versions", packages), ("commit", commit)]


def _record(record: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
    asked = environment.get("selection", {})
    return {
        "loss": record["cell"]["loss"],
        "adapter": record["cell"]["adapter"],
        "status": record["status"],
        "reason": record["reason"],
        "seconds": record["seconds"],
        "seed": record["data"].get("run", asked).get("seed", 0),
        "command": command(record["key"], asked),
    }


def command(key: str, asked: dict[str, Any]) -> str:
    """The command that runs one cell again, within the selection that it was asked for in."""
    options = [("suite", key.partition("/")[0]), ("profile", asked.get("profile", "quick"))]
    options += [(name, asked[name]) for name in SINGLE if asked.get(name)]
    if asked.get("categories"):
        options.append(("categories", ",".join(asked["categories"])))
    options += [(name, value) for name, plural in REPEATED.items() for value in asked.get(plural) or ()]
    options.append(("cell", key))
    return "uv run run_all.py " + " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in options)


def _standings(loss: str, members: list[Standing]) -> dict[str, Any]:
    """One loss's sources from those that differ to those that do not, sources with the same reason together."""
    groups = []
    for standing in reversed(STANDINGS):
        reasons: dict[str, list[Standing]] = {}
        for one in members:
            if one.standing == standing:
                reasons.setdefault(one.reason, []).append(one)
        if reasons:
            groups.append({"standing": standing, "heading": words.HEADINGS[standing], "reasons": reasons.items()})
    return {"loss": loss, "sentence": words.beside_reference(members), "groups": groups}


def _matrix(members: list[Standing]) -> dict[str, Any]:
    return {
        "names": [one.adapter for one in members],
        "rows": [(one.adapter, [SIGNS[one.relation(other)] for other in members]) for one in members],
    }


def _race(race: Race) -> dict[str, Any]:
    slowest = max(row["median_ms"] for row in race.ranked[:SHOWN_IN_RACE])
    floor = race.first.get("floor_ms")
    shown = race.ranked[:SHOWN_IN_RACE]
    return {
        "loss": race.loss,
        "sentence": words.race(race),
        "short": race.first["adapter"] + f" {words.time(race.first)} ms",
        "setting": words.setting(race),
        "floor": words.plain(floor) if floor else None,
        "left_out": len(race.ranked) - len(shown),
        "rows": [
            {
                "adapter": row["adapter"],
                "cell": row.get("cell"),
                "time": words.time(row),
                "memory": words.memory(row),
                "width": round(100 * row["median_ms"] / slowest, 1),
                "floor": round(100 * floor / slowest, 1) if floor else None,
            }
            for row in shown
        ],
    }


def _no_differences(frames: Frames) -> str:
    runs = len(frames["coco_map"])
    if not runs:
        return "No detector was trained. run_all.py --suite coco-map answers this."
    return f"{runs} detectors were trained, none of them comparable in pairs."


def table(table: Table, frame: pd.DataFrame) -> dict[str, Any]:
    """The table column by column: each distinct pair of text and value once, and an index of them for the rows."""
    texts = printing.printable(table, frame)
    return {
        "name": table.name,
        "title": table.title,
        "rows": len(frame),
        "columns": [_column(table, frame, texts, name) for name in texts if len(frame) or name in table.printed],
    }


def _column(table: Table, frame: pd.DataFrame, texts: pd.DataFrame, name: str) -> dict[str, Any]:
    number = printing.is_numeric(frame[name])
    values = [None if value is pd.NA or value != value else value for value in frame[name].astype(object)]
    if not number:
        values = [None if value is None else str(value) for value in values]
    places: dict[tuple[str, Any], int] = {}
    index = [places.setdefault(pair, len(places)) for pair in zip(texts[name], values, strict=True)]
    return {
        "name": name,
        "title": name.replace("_", " "),
        "shown": name in table.printed,
        "number": number,
        "choices": name in FILTERED and 1 < len(places) <= CHOICES,
        "texts": [text for text, _ in places],
        "values": [value for _, value in places],
        "index": index,
    }
