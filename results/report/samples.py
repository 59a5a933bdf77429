"""The pictures of a training run: one row a variant, what it found in the same few val pictures."""

from __future__ import annotations

from typing import Any

from focalbench_suite.results.coco_map import BASELINE

FIRST = (BASELINE, "own")  # what is looked for first


def samples(records: list[dict[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The pictures, each once, and a row for each training that kept some; its pictures are numbers of the former."""
    pictures: dict[str, int] = {}
    rows = []
    for record in records:
        kept, run = record["data"].get("samples"), record["data"].get("run")
        if kept and run:
            shown = [one | {"number": pictures.setdefault(one["jpeg"], len(pictures))} for one in kept]
            name = " ".join((run["host"], run["variant"], *([run["dtype"]] if run["dtype"] != "float32" else [])))
            rows.append(
                {
                    "name": name,
                    "cell": record["key"],
                    "host": run["host"],
                    "variant": run["variant"],
                    "seed": run["seed"],
                    "pictures": shown,
                }
            )
    return list(pictures), sorted(rows, key=lambda row: (row["host"], *(row["variant"] != name for name in FIRST)))
