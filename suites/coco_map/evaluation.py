"""One evaluator for every host: COCO's.

AP is faster-coco-eval's, which gives COCO's own figures to the last bit in a fraction of the time. The matches of
detections and boxes, from which `resampling` takes AP again for other draws of the images, are pycocotools', so that
two implementations stand behind every number.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from focalbench_suite.results.coco_map import BACKGROUND

STATISTICS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
MAX_DETECTIONS = 100
SURE, OVERLAP = 0.3, 0.5  # the score and the IoU from which a confusion matrix counts, those of MMDetection's tool


def average_precision(annotations: Path, detections: list[dict[str, Any]]) -> dict[str, float | None]:
    """COCO's bounding-box AP in [0, 1] by name; None where the set has no box of that size.

    `detections` are COCO results: image_id, category_id, bbox (x, y, width, height in pixels), score.
    """
    if not detections:
        return dict.fromkeys(STATISTICS, 0.0)
    values = _accumulated(annotations, detections).stats[: len(STATISTICS)]
    return {name: None if value < 0 else float(value) for name, value in zip(STATISTICS, values, strict=True)}


def by_class(
    annotations: Path, detections: list[dict[str, Any]], confused: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The same statistics of each category that has a box, with its name, and what became of its boxes.

    `confused` are the rows of `confusion` for the same detections. ``boxes`` is the number of boxes, of which
    ``matched`` were found by a sure detection of this category; ``false_alarms`` are its sure detections that found no
    box of it.
    """
    nothing = {"image_id": _an_image(annotations), "category_id": 0, "bbox": [0, 0, 0, 0], "score": 0.0}
    evaluator = _accumulated(annotations, detections or [nothing])  # neither evaluator takes an empty list
    counts = [tuple(row.values()) for row in confused]
    rows = []
    for place, key in enumerate(evaluator.params.catIds):
        name = evaluator.cocoGt.cats[key]["name"]
        boxes = sum(count for truth, _, count in counts if truth == name)
        found = sum(count for _, label, count in counts if label == name)
        matched = sum(count for truth, label, count in counts if truth == label == name)
        if boxes:
            told = {"category": name, "boxes": boxes, "matched": matched, "false_alarms": found - matched}
            rows.append(told | _statistics(evaluator.eval["precision"][:, :, place, :, -1], evaluator.params.iouThrs))
    return rows


def _statistics(precision: np.ndarray, thresholds: np.ndarray) -> dict[str, float | None]:
    """AP of one category from its precision (thresholds, recalls, sizes); None where it has no box of that size."""
    everywhere = precision[..., 0]
    parts = [everywhere, everywhere[np.isclose(thresholds, 0.5)], everywhere[np.isclose(thresholds, 0.75)]]
    parts += [precision[..., size] for size in (1, 2, 3)]
    return {n: float(p.mean()) if (p >= 0).all() else None for n, p in zip(STATISTICS, parts, strict=True)}


def confusion(annotations: Path, detections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What boxes were taken for by sure detections: rows of ``category``, ``detected_as`` and ``count``.

    A box that none took is detected as `BACKGROUND`, and the category of a detection that took none is `BACKGROUND`.
    """
    content = json.loads(annotations.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    truth = {box["id"]: names[box["category_id"]] for box in content["annotations"] if not box["iscrowd"]}
    pairs = taken(annotations, detections)
    found = {box for _, box in pairs}
    counts = Counter((name, BACKGROUND) for box, name in truth.items() if box not in found)
    counts.update((truth.get(box, BACKGROUND), names[detection["category_id"]]) for detection, box in pairs)
    return [{"category": name, "detected_as": found, "count": n} for (name, found), n in sorted(counts.items())]


def taken(annotations: Path, detections: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """The sure detections, each with the id of the box that it took, 0 for none.

    A detection takes the box that it overlaps most, whatever its category, the best detection first. Those in crowds
    are left out.
    """
    sure = [detection for detection in detections if detection["score"] >= SURE]
    # loadRes numbers detections from 1
    return [(sure[found - 1], box) for found, box in _pairs(annotations, sure)] if sure else []


def _pairs(annotations: Path, detections: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Each detection's id and that of the box that it took."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    evaluator = _evaluated(COCO, COCOeval, annotations, detections, only_all_areas=True, useCats=0, iouThrs=[OVERLAP])
    for image in filter(None, evaluator.evalImgs):
        for found, box, ignored in zip(image["dtIds"], image["dtMatches"][0], image["dtIgnore"][0], strict=True):
            if not ignored:
                yield int(found), int(box)


def _an_image(annotations: Path) -> int:
    return json.loads(annotations.read_text())["images"][0]["id"]


def matches(annotations: Path, detections: list[dict[str, Any]]) -> dict[str, Any]:
    """What of the detections was right, as plain data from which AP can be taken again for any weighting of images.

    ``images`` is their number; each of ``categories`` holds ``positives`` ([image, boxes], images counted from 0) and,
    best detection first, ``image``, ``hits`` and ``ignored``: bit t stands for the t-th IoU threshold.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not detections:
        return {"images": 0, "categories": []}
    evaluator = _evaluated(COCO, COCOeval, annotations, detections, only_all_areas=True)
    images = evaluator.params.imgIds
    per_category = [evaluator.evalImgs[k * len(images) :][: len(images)] for k in range(len(evaluator.params.catIds))]
    return {"images": len(images), "categories": [_category(results) for results in per_category]}


def _category(results: list[dict[str, Any] | None]) -> dict[str, Any]:
    found = [(index, result) for index, result in enumerate(results) if result is not None]
    positives = [(index, int((1 - np.asarray(result["gtIgnore"])).sum())) for index, result in found]
    rows = [_bits(index, result) for index, result in found]
    scores, image, hits, ignored = (np.concatenate(column) for column in zip(*rows, strict=True)) if rows else [[]] * 4
    order = np.argsort(-np.asarray(scores, dtype=float), kind="mergesort")  # COCO's: ties stay in the images' order
    return {
        "positives": [[index, count] for index, count in positives if count],
        "image": np.asarray(image, dtype=int)[order].tolist(),
        "hits": np.asarray(hits, dtype=int)[order].tolist(),
        "ignored": np.asarray(ignored, dtype=int)[order].tolist(),
    }


def _bits(index: int, result: dict[str, Any]) -> tuple[np.ndarray, ...]:
    scores = np.asarray(result["dtScores"][:MAX_DETECTIONS], dtype=float)
    powers: np.ndarray = 2 ** np.arange(len(result["dtMatches"]))[:, None]
    hits = ((np.asarray(result["dtMatches"]) > 0) * powers).sum(axis=0)
    ignored = ((np.asarray(result["dtIgnore"]) > 0) * powers).sum(axis=0)
    return scores, np.full(len(scores), index), hits[: len(scores)], ignored[: len(scores)]


def _accumulated(annotations: Path, detections: list[dict[str, Any]]) -> Any:
    from faster_coco_eval import COCO, COCOeval_faster

    evaluator = _evaluated(COCO, COCOeval_faster, annotations, detections)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def _evaluated(
    coco: Any,
    evaluator: Any,
    annotations: Path,
    detections: list[dict[str, Any]],
    only_all_areas: bool = False,
    **parameters: Any,
) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # both print their progress
        truth = coco(str(annotations))
        evaluation = evaluator(truth, truth.loadRes(detections), "bbox")
        if only_all_areas:
            evaluation.params.areaRng = evaluation.params.areaRng[:1]
            evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
        for name, value in parameters.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
    return evaluation
