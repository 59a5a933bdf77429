"""AP again for other draws of the val images: how much of it is owed to which pictures happen to be in the set.

By COCO's rule (101 points of the interpolated precision, mean over categories and the ten IoU thresholds), from which
of the detections were right. A record keeps the AP of each draw, the same draws for every training that shares a val
set, so that the difference of two trainings has its error from records alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

RESAMPLES = 200
THRESHOLDS = 10
RECALLS = np.linspace(0, 1, 101)


def image_weights(images: int, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each image counts: row 0 all once, then `resamples` bootstrap draws; (resamples + 1, images)."""
    drawn = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=resamples)
    return np.vstack([np.ones((1, images), dtype=int), drawn])


def resampled_ap(matches: dict[str, Any], weights: np.ndarray) -> np.ndarray:
    """COCO's AP for each row of image weights (R, images); 0 where nothing was detected.

    `matches` is what `evaluation.matches` gives.
    """
    if not matches["categories"]:
        return np.zeros(len(weights))
    per_category = np.stack([_category_ap(category, weights) for category in matches["categories"]])
    counted = ~np.isnan(per_category)
    return np.where(counted, per_category, 0).sum(axis=0) / np.maximum(counted.sum(axis=0), 1)


def _category_ap(category: dict[str, Any], weights: np.ndarray) -> np.ndarray:
    """Mean over the IoU thresholds; not a number where the drawn images hold no box of the category.

    Precision rises at a hit alone, so the envelope need be known there and nowhere else: of a hundred detections of an
    image few are hits.
    """
    positives = np.zeros(len(weights))
    for image, count in category["positives"]:
        positives += count * weights[:, image]
    image = np.asarray(category["image"], dtype=int)
    if len(image) == 0:
        return np.where(positives > 0, 0.0, np.nan)
    bits = 1 << np.arange(THRESHOLDS)
    hits = (np.asarray(category["hits"])[:, None] & bits) > 0
    ignored = (np.asarray(category["ignored"])[:, None] & bits) > 0
    places = np.flatnonzero(hits.any(axis=1))
    found, counts_as_hit = _running_counts(image, places, weights), (hits & ~ignored)[places]
    total, left_out = np.zeros(len(weights)), np.array([-1])
    for threshold in range(THRESHOLDS):
        before = left_out
        left_out = np.flatnonzero(ignored[:, threshold])
        if not np.array_equal(left_out, before):
            not_counted = _running(weights[:, image[left_out]])
        mine = np.flatnonzero(counts_as_hit[:, threshold])
        right = _running(weights[:, image[places[mine]]])[:, 1:]
        counted = found[:, mine] - not_counted[:, np.searchsorted(left_out, places[mine], side="right")]
        total += _interpolated(right, counted, positives)
    return np.where(positives > 0, total / THRESHOLDS, np.nan)


def _running_counts(image: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How many detections there are up to each of these places, for each row of weights: (R, places)."""
    slot = np.asarray(np.searchsorted(places, np.arange(len(image))))  # the first place that a detection is not after
    kept = slot < len(places)
    by_image = np.zeros((weights.shape[1], len(places)))
    np.add.at(by_image, (image[kept], slot[kept]), 1)
    return weights @ by_image.cumsum(axis=1)


def _running(counts: np.ndarray) -> np.ndarray:
    """Their sums up to each place, from none at all: (R, places + 1)."""
    return np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))


def _interpolated(right: np.ndarray, found: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """The mean of the 101 interpolated precisions, of running counts (R, hits)."""
    precision = right / np.maximum(found, np.spacing(1.0))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    points = np.diff(_reached(right / np.maximum(positives, 1)[:, None]), axis=1, prepend=0)
    return (points * envelope).sum(axis=1) / len(RECALLS)


def _reached(recall: np.ndarray) -> np.ndarray:
    """How many of the recall points lie at or below each recall."""
    last = len(RECALLS) - 1
    count: np.ndarray = (recall * last).astype(int)  # rounded either way
    count += RECALLS[np.minimum(count, last)] <= recall
    return count + ((count <= last) & (RECALLS[np.minimum(count, last)] <= recall))
