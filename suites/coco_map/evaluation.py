"""One evaluator for every host: COCO's.

AP is faster-coco-eval's, which gives COCO's own figures to the last bit in a fraction of the time. The matches of
detections and boxes, from which `results.coco_map` takes AP again for resampled images, are pycocotools', so that two
implementations stand behind every number.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np

STATISTICS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
MAX_DETECTIONS = 100


def average_precision(annotations: Path, detections: list[dict[str, Any]]) -> dict[str, float | None]:
    """COCO's bounding-box AP in [0, 1] by name; None where the set has no box of that size.

    `detections` are COCO results: image_id, category_id, bbox (x, y, width, height in pixels), score.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    if not detections:
        return dict.fromkeys(STATISTICS, 0.0)
    evaluator = _evaluated(COCO, COCOeval_faster, annotations, detections)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.accumulate()
        evaluator.summarize()
    values = evaluator.stats[: len(STATISTICS)]
    return {name: None if value < 0 else float(value) for name, value in zip(STATISTICS, values, strict=True)}


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


def _evaluated(
    coco: Any, evaluator: Any, annotations: Path, detections: list[dict[str, Any]], only_all_areas: bool = False
) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # both print their progress
        truth = coco(str(annotations))
        evaluation = evaluator(truth, truth.loadRes(detections), "bbox")
        if only_all_areas:
            evaluation.params.areaRng = evaluation.params.areaRng[:1]
            evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
        evaluation.evaluate()
    return evaluation
