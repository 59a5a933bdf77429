"""A COCO folder for a person to look at: what is wrong with it, what is in it, and some pictures with their boxes."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import ImageDraw

from focalbench_suite.suites.coco_map.data import Dataset
from focalbench_suite.suites.coco_map.normal_form import SPLITS, Fault
from focalbench_suite.suites.coco_map.samples import jpeg, small

SIZES = (("small", 32.0**2), ("medium", 96.0**2), ("large", float("inf")))  # COCO's: the area up to which, in pixels
SHOWN, SIDE = 12, 320  # pictures of a split on the page, and how large
FIRST = 5  # ids of each kind of fault in the table
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080")


def faults_by_kind(faults: list[Fault]) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for each split and kind of fault: split, kind, how many, what is done, the first ids and their reason."""
    for (split, kind), times in Counter((fault.split, fault.kind) for fault in faults).items():
        mine = [fault for fault in faults if (fault.split, fault.kind) == (split, kind)]
        ids = ", ".join(str(fault.identifier) for fault in mine[:FIRST]) + (", …" if times > FIRST else "")
        yield split, kind, str(times), "left out" if mine[0].fatal else "told", f"{ids}: {mine[0].detail}"


def counts(dataset: Dataset) -> Iterator[tuple[str, str, str, str, str, str]]:
    """A row for each split and class: split, class, its boxes, and how many of them are small, medium and large."""
    names = {category["id"]: category["name"] for category in dataset.categories()}
    for split in SPLITS:
        found = Counter((box["category_id"], size_of(box["area"])) for box in dataset.read(split)["annotations"])
        for key, name in names.items():
            by_size = [found[key, size] for size, _ in SIZES]
            small, medium, large = map(str, by_size)
            yield split, name, str(sum(by_size)), small, medium, large


def size_of(area: float) -> str:
    """small, medium or large, as COCO calls a box of that area."""
    return next(size for size, limit in SIZES if area < limit)


def page(dataset: Dataset, faults: list[Fault]) -> str:
    """An HTML page that needs no other file: the two tables, and the first pictures of each split with their boxes."""
    parts = [
        f"<h1>{html.escape(dataset.name)}</h1>",
        "<h2>Faults</h2>",
        _table(("split", "fault", "times", "what is done", "ids and the first reason"), faults_by_kind(faults)),
        "<h2>Boxes</h2>",
        _table(("split", "class", "boxes", *(size for size, _ in SIZES)), counts(dataset)),
    ]
    for split in SPLITS:
        parts += [f"<h2>{split}</h2>", *_pictures(dataset, split)]
    style = "body{font:15px sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:left}img{margin:.3em}"
    return f"<!doctype html><meta charset=utf-8><title>{html.escape(dataset.name)}</title><style>{style}</style>" + (
        "\n".join(parts)
    )


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    if not lines:
        return "<p>None.</p>"
    titles = "".join(f"<th>{title}</th>" for title in head)
    return f"<table><tr>{titles}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _pictures(dataset: Dataset, split: str) -> Iterator[str]:
    content = dataset.read(split)
    for image in content["images"][:SHOWN]:
        boxes = [box for box in content["annotations"] if box["image_id"] == image["id"]]
        path = dataset.images[split] / image["file_name"]
        drawn = base64.b64encode(_drawn(path, max(image["width"], image["height"]), boxes)).decode()
        name = html.escape(image["file_name"], quote=True)
        yield f'<img src="data:image/jpeg;base64,{drawn}" alt="{name}" title="{name}, {len(boxes)} boxes">'


def _drawn(path: Path, longer: float, boxes: list[dict[str, Any]]) -> bytes:
    canvas = small(path, SIDE)
    pen = ImageDraw.Draw(canvas)
    for box in boxes:
        left, top, width, height = (SIDE / longer * side for side in box["bbox"])
        colour = COLOURS[box["category_id"] % len(COLOURS)]
        pen.rectangle((left, top, left + width, top + height), outline=colour, width=2)
    return jpeg(canvas)
