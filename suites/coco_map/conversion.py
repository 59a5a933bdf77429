"""COCO-format data as Ultralytics reads it, converted once and kept in the cache."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from focalbench_suite.suites.coco_map.data import SPLITS, Dataset, cache_folder, digest


def for_ultralytics(dataset: Dataset) -> Path:
    """The data set as Ultralytics reads it: links to images, a label file each, and the yaml whose path is returned.

    A label is ``class x y width height``, centre and size as fractions of the image. Images are linked as their COCO
    id, which is how a detection finds its image again. Crowd boxes are left out.
    """
    contents = {split: dataset.read(split) for split in SPLITS}
    folder = (
        cache_folder() / f"ultralytics-{digest(contents, *sorted(str(p.resolve()) for p in dataset.images.values()))}"
    )
    description = folder / "data.yaml"
    if description.is_file():
        return description
    numbers = {category["id"]: number for number, category in enumerate(dataset.categories())}
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    for split in SPLITS:
        _convert_split(unfinished, split, dataset.images[split].resolve(), contents[split], numbers)
    names = {number: category["name"] for number, category in enumerate(dataset.categories())}
    settings = {"path": str(folder), "train": "images/train", "val": "images/val", "names": names}
    (unfinished / "data.yaml").write_text(yaml.safe_dump(settings))
    try:
        unfinished.rename(folder)
    except OSError:  # another process was faster: its conversion is the same
        shutil.rmtree(unfinished)
    return description


def _convert_split(folder: Path, split: str, images: Path, content: dict[str, Any], numbers: dict[int, int]) -> None:
    (folder / "images" / split).mkdir(parents=True)
    (folder / "labels" / split).mkdir(parents=True)
    lines = defaultdict(list)
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd"):
            width, height = sizes[annotation["image_id"]]
            left, top, right, bottom = _clip(annotation["bbox"], width, height)
            centre_and_size = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
            fractions = (value / side for value, side in zip(centre_and_size, (width, height) * 2, strict=True))
            label = " ".join(f"{fraction:.8f}" for fraction in fractions)
            lines[annotation["image_id"]].append(f"{numbers[annotation['category_id']]} {label}")
    for image in content["images"]:
        stem = f"{image['id']:012d}" if isinstance(image["id"], int) else str(image["id"])
        (folder / "images" / split / f"{stem}{Path(image['file_name']).suffix}").symlink_to(images / image["file_name"])
        (folder / "labels" / split / f"{stem}.txt").write_text("\n".join(lines[image["id"]]))


def _clip(box: list[float], width: float, height: float) -> tuple[float, float, float, float]:
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    return left, top, min(box[0] + box[2], width), min(box[1] + box[3], height)
