"""COCO-format data: found, checked, and thinned to a subset.

The user's folder is only ever read. Whatever is written goes to the cache, under the hash of what it was made from.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

SPLITS = ("train", "val")
LAYOUTS = (  # image folder, annotation file
    ("{split}2017", "annotations/instances_{split}2017.json"),
    ("{split}", "instances_{split}.json"),
    ("{split}", "annotations/instances_{split}.json"),
)
BAD_IMAGES = ("missing file", "image in train and val")
BAD_BOXES = ("unknown image", "unknown category", "box without area", "box outside the image")
EDGE = 1.0  # pixels by which rounding may carry a box over the image's edge


@dataclass(frozen=True)
class Dataset:
    """A data set in COCO format: for each split a folder of images and an ``instances`` file.

    `left_out` says, for each kind of fault, how many records were left out of it.
    """

    name: str
    images: dict[str, Path]
    annotations: dict[str, Path]
    left_out: dict[str, int] = field(default_factory=dict)

    def read(self, split: str) -> dict[str, Any]:
        """The content of the split's ``instances`` file."""
        path = self.annotations[split]
        return _parsed(path, path.stat().st_mtime_ns)

    def categories(self) -> list[dict[str, Any]]:
        """Categories by id, the order in which both hosts number their classes."""
        return sorted(self.read("train")["categories"], key=lambda category: category["id"])


@functools.lru_cache(maxsize=4)  # COCO's own train file takes seconds to parse, and every training asks for it
def _parsed(path: Path, modified: int) -> dict[str, Any]:
    return json.loads(path.read_text())


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a data set: `kind`, split, the id of the image, annotation or category, and why.

    A fatal fault is left out of training; the others are only told.
    """

    kind: str
    split: str
    identifier: Any
    detail: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.split}: {self.kind} {self.identifier}: {self.detail}"


def cache_folder() -> Path:
    """Where generated and converted data sets are kept; ``FOCALBENCH_CACHE`` names another place."""
    return Path(os.environ.get("FOCALBENCH_CACHE") or platformdirs.user_cache_dir("focalbench"))


def locate(folder: Path) -> Dataset:
    """The data set in `folder`; raises `ValueError` with one line where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    for image_folder, file in LAYOUTS:
        annotations = {split: folder / file.format(split=split) for split in SPLITS}
        if all(path.is_file() for path in annotations.values()):
            images = {split: folder / image_folder.format(split=split) for split in SPLITS}
            missing = [str(path) for path in images.values() if not path.is_dir()]
            if missing:
                raise ValueError(f"{folder} has annotations but no image folder {missing[0]}")
            _check_json(annotations)
            return Dataset(folder.name, images, annotations)
    wanted = " or ".join(file.format(split="train") for _, file in LAYOUTS)
    raise ValueError(f"{folder} holds no COCO annotations: expected {wanted}, and the same for val")


def _check_json(annotations: dict[str, Path]) -> None:
    for path in annotations.values():
        try:
            content = _parsed(path, path.stat().st_mtime_ns)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not JSON: {error}") from None
        lacking = [key for key in ("images", "annotations", "categories") if key not in content]
        if lacking:
            raise ValueError(f"{path} is no COCO instances file: it has no {lacking[0]!r}")


def faults_in(dataset: Dataset) -> list[Fault]:
    """Everything that is wrong with the data set, every fault with its id."""
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for split in SPLITS:
        content = dataset.read(split)
        faults += _check_images(dataset, split, content, seen)
        faults += _check_annotations(split, content)
    return faults


def _check_images(dataset: Dataset, split: str, content: dict[str, Any], seen: dict[str, int]) -> list[Fault]:
    faults = []
    ids = Counter(image["id"] for image in content["images"])
    faults += [Fault("duplicate image id", split, key, f"{n} times") for key, n in ids.items() if n > 1]
    present = {path.name for path in dataset.images[split].iterdir()}
    for image in content["images"]:
        name = image["file_name"]
        if name not in present and not (dataset.images[split] / name).is_file():
            faults.append(Fault("missing file", split, image["id"], name))
        if split == "val" and name in seen:
            faults.append(Fault(BAD_IMAGES[1], split, image["id"], f"{name} is train's {seen[name]}"))
        if split == "train":
            seen[name] = image["id"]
    return faults


def _check_annotations(split: str, content: dict[str, Any]) -> list[Fault]:
    faults = []
    images = {image["id"]: image for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    ids = Counter(annotation["id"] for annotation in content["annotations"])
    faults += [Fault("duplicate annotation id", split, key, f"{n} times") for key, n in ids.items() if n > 1]
    for annotation in content["annotations"]:
        key, image = annotation["id"], images.get(annotation["image_id"])
        if image is None:
            faults.append(Fault("unknown image", split, key, f"image {annotation['image_id']}"))
            continue
        if annotation["category_id"] not in categories:
            faults.append(Fault("unknown category", split, key, f"category {annotation['category_id']}"))
        box = annotation["bbox"]
        if len(box) != 4 or not np.isfinite(box).all() or box[2] <= 0 or box[3] <= 0:
            faults.append(Fault("box without area", split, key, f"bbox {box}"))
        elif _outside(box, image):
            faults.append(Fault("box outside the image", split, key, f"bbox {box}, {image['width']}×{image['height']}"))
        if annotation.get("iscrowd"):
            faults.append(Fault("crowd", split, key, "not trained on; ignored by the evaluation", fatal=False))
    return faults


def _outside(box: list[float], image: dict[str, Any]) -> bool:
    right, bottom = box[0] + box[2] - image["width"], box[1] + box[3] - image["height"]
    return min(box[0], box[1]) < -EDGE or max(right, bottom) > EDGE


def prepare(dataset: Dataset, images: int | None = None, seed: int = 0) -> tuple[Dataset, list[Fault]]:
    """The data set without its faults, its train split thinned to about `images`, and the faults.

    The images stay where they are; new ``instances`` files go to the cache. A data set that needs neither is returned
    as it is.
    """
    faults = faults_in(dataset)
    fatal = [fault for fault in faults if fault.fatal]
    if not fatal and images is None:
        return dataset, faults
    contents = {split: _without(dataset.read(split), split, fatal) for split in SPLITS}
    if images is not None:
        contents["train"] = subset(contents["train"], images, seed)
    left_out = dict(Counter(fault.kind for fault in fatal))
    folder = cache_folder() / f"prepared-{digest(contents)}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {split: folder / f"instances_{split}.json" for split in SPLITS}
    for split, path in files.items():
        _write_whole(path, json.dumps(contents[split]))
    return Dataset(dataset.name, dataset.images, files, left_out), faults


def _without(content: dict[str, Any], split: str, faults: list[Fault]) -> dict[str, Any]:
    """The content without what is faulty: whole images, or single annotations; of duplicates the first stays."""
    bad_images = {f.identifier for f in faults if f.split == split and f.kind in BAD_IMAGES}
    bad_boxes = {f.identifier for f in faults if f.split == split and f.kind in BAD_BOXES}
    images: dict[Any, dict[str, Any]] = {}
    for image in content["images"]:
        if image["id"] not in bad_images:
            images.setdefault(image["id"], image)
    boxes: dict[Any, dict[str, Any]] = {}
    for annotation in content["annotations"]:
        if annotation["id"] not in bad_boxes and annotation["image_id"] in images:
            boxes.setdefault(annotation["id"], annotation)
    return content | {"images": list(images.values()), "annotations": list(boxes.values())}


def subset(content: dict[str, Any], count: int, seed: int) -> dict[str, Any]:
    """`count` images drawn by `seed`, with at least one of every class that there is (which may need a few more).

    The order of the draw is fixed by `seed` alone, so a smaller subset lies within a larger one but for those that a
    rare class brings in.
    """
    images = sorted(content["images"], key=lambda image: image["id"])
    classes = defaultdict(set)
    for annotation in content["annotations"]:
        classes[annotation["image_id"]].add(annotation["category_id"])
    order = np.random.default_rng(seed).permutation(len(images))
    chosen = [images[index] for index in order[:count]]
    covered = set().union(*(classes[image["id"]] for image in chosen))
    for index in order[count:]:
        if classes[images[index]["id"]] - covered:
            chosen.append(images[index])
            covered |= classes[images[index]["id"]]
    kept = {image["id"] for image in chosen}
    annotations = [annotation for annotation in content["annotations"] if annotation["image_id"] in kept]
    return content | {"images": sorted(chosen, key=lambda image: image["id"]), "annotations": annotations}


def digest(*contents: Any) -> str:
    """A short name for what a cached folder was made from."""
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]


def _write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written, also with several runs at once."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)
