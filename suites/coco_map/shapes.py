"""The default data set: drawn shapes, the same ones every time, as real JPEGs with COCO annotations.

Small enough to train on in seconds and hard enough to tell a loss that learns from one that does not: large coloured
shapes over a noisy background with lines drawn across it, one category a shape whatever its colour.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from focalbench_suite.suites.coco_map.data import Dataset, cache_folder, locate

CATEGORIES = ("circle", "rectangle", "triangle")
VERSION = 1  # of the drawing: raise it with any change, so that no cache mixes two
MAX_SHAPES = 3
CIRCLE_CORNERS = 32
MAX_OVERLAP = 0.15  # of the smaller box


def shapes(images_train: int, images_val: int, size: int, seed: int = 0) -> Dataset:
    """The generated set of `size` × `size` pixel images; drawn at the first call, from the cache after it.

    The n-th image of a split depends on `size`, `seed`, the split and n alone, so a smaller set is the beginning of a
    larger one.
    """
    name = f"shapes-v{VERSION}-{size}px-{images_train}+{images_val}-seed{seed}"
    folder = cache_folder() / name
    if not folder.is_dir():
        unfinished = folder.with_name(f"{name}.{os.getpid()}")
        for split, count in (("train", images_train), ("val", images_val)):
            _write_split(unfinished, split, count, size, seed)
        try:
            unfinished.rename(folder)  # another process may have been faster: its set is the same
        except OSError:
            shutil.rmtree(unfinished)
    return locate(folder)


def _write_split(folder: Path, split: str, count: int, size: int, seed: int) -> None:
    (folder / split).mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        identifier = index + 1 + (0 if split == "train" else 1_000_000)
        image, boxes = draw(size, seed, identifier)
        name = f"{identifier:012d}.jpg"
        image.save(folder / split / name, quality=92)
        images.append({"id": identifier, "file_name": name, "width": size, "height": size})
        for category, (x, y, width, height) in boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": identifier,
                    "category_id": category + 1,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(CATEGORIES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / f"instances_{split}.json").write_text(json.dumps(content))


def draw(size: int, seed: int, identifier: int) -> tuple[Image.Image, list[tuple[int, tuple[float, ...]]]]:
    """One image and its (category index, (x, y, width, height) in pixels) list."""
    random = np.random.default_rng([seed, identifier, size])
    image = Image.fromarray(_background(random, size))
    canvas = ImageDraw.Draw(image)
    for _ in range(2):
        canvas.line(random.integers(0, size, 4).tolist(), fill=_colour(random), width=max(1, size // 64))
    boxes: list[tuple[int, tuple[float, ...]]] = []
    for _ in range(int(random.integers(1, MAX_SHAPES + 1))):
        category = int(random.integers(len(CATEGORIES)))
        width, height = random.uniform(0.3, 0.6, 2) * size
        x, y = random.uniform(0, 1, 2) * (size - 1 - np.array([width, height]))
        points = _outline(CATEGORIES[category], x, y, width, height)
        box = _bounding_box(points)
        if all(_overlap(box, other) <= MAX_OVERLAP for _, other in boxes):
            canvas.polygon(points, fill=_colour(random))
            boxes.append((category, box))
    return image, boxes


def _background(random: np.random.Generator, size: int) -> np.ndarray:
    shade = random.integers(60, 190, 3)
    return np.clip(shade + random.normal(0, 12, (size, size, 3)), 0, 255).astype(np.uint8)


def _colour(random: np.random.Generator) -> tuple[int, ...]:
    return tuple(random.integers(0, 256, 3).tolist())


def _outline(name: str, x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """The polygon of a shape, about as large as the given box."""
    if name == "rectangle":
        return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    if name == "triangle":
        return [(x + width / 2, y), (x + width, y + height), (x, y + height)]
    angles = [2 * math.pi * corner / CIRCLE_CORNERS for corner in range(CIRCLE_CORNERS)]
    return [(x + width * (0.5 + math.cos(a) / 2), y + height * (0.5 + math.sin(a) / 2)) for a in angles]


def _bounding_box(points: list[tuple[float, float]]) -> tuple[float, ...]:
    (left, top), (right, bottom) = np.min(points, axis=0), np.max(points, axis=0)
    return tuple(round(float(value), 2) for value in (left, top, right - left, bottom - top))


def _overlap(one: Any, other: Any) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0) / min(one[2] * one[3], other[2] * other[3])
