"""COCO-format data: found, checked, and thinned to a subset.

The user's folder is only ever read. Whatever is written goes to the cache, under the hash of what it was made from.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from focalbench_suite.suites.coco_map import single_file
from focalbench_suite.suites.coco_map.normal_form import SPLITS, Fault, narrowed, normal_form
from focalbench_suite.suites.coco_map.pictures import look
from focalbench_suite.suites.whole_file import whole_file

NEEDED = {"images": ("id", "file_name"), "annotations": (), "categories": ("id", "name")}  # what has no substitute
LAYOUTS = (  # image folder, annotation file
    ("{split}2017", "annotations/instances_{split}2017.json"),
    ("{split}2014", "annotations/instances_{split}2014.json"),
    ("{split}", "instances_{split}.json"),
    ("{split}", "annotations/instances_{split}.json"),
    ("{split}", "{split}/_annotations.coco.json"),  # Roboflow's
)
CALLED = ({"train": "train", "val": "val"}, {"train": "train", "val": "valid"})  # what the splits are called in them


@dataclass(frozen=True)
class Dataset:
    """A data set in COCO format: for each split a folder of images and an ``instances`` file.

    `left_out` says, for each kind of fault, how many records were left out of it. `told` is what is to be told of how
    it was found.
    """

    name: str
    images: dict[str, Path]
    annotations: dict[str, Path]
    left_out: dict[str, int] = field(default_factory=dict)
    told: tuple[Fault, ...] = ()

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


def cache_folder() -> Path:
    """Where generated and converted data sets are kept; ``FOCALBENCH_CACHE`` names another place."""
    return Path(os.environ.get("FOCALBENCH_CACHE") or platformdirs.user_cache_dir("focalbench"))


def locate(folder: Path) -> Dataset:
    """The data set in `folder`; raises `ValueError` with one line where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    for (image_folder, file), called in itertools.product(LAYOUTS, CALLED):
        annotations = {split: folder / file.format(split=called[split]) for split in SPLITS}
        if all(path.is_file() for path in annotations.values()):
            images = {split: folder / image_folder.format(split=called[split]) for split in SPLITS}
            missing = [str(path) for path in images.values() if not path.is_dir()]
            if missing:
                raise ValueError(f"{folder} has annotations but no image folder {missing[0]}")
            _check_json(annotations)
            return Dataset(folder.name, images, annotations)
    if (whole := single_file.found_in(folder)) is not None:
        return _of_one_file(folder, whole)
    wanted = " or ".join(file.format(split="train") for _, file in LAYOUTS)
    raise ValueError(
        f"{folder} holds no COCO annotations: expected {wanted}, and the same for val, or one file for all: "
        f"{' or '.join(single_file.FILES)}"
    )


def _of_one_file(folder: Path, file: Path) -> Dataset:
    """A data set whose one annotation file is divided, into files in the cache."""
    _check_json({"all": file})
    try:
        contents, told = single_file.divided(_parsed(file, file.stat().st_mtime_ns), folder)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return Dataset(folder.name, dict.fromkeys(SPLITS, folder), _kept("divided", contents), told=tuple(told))


def _kept(kind: str, contents: dict[str, Any]) -> dict[str, Path]:
    """The ``instances`` file of each split, in the cache under the hash of both."""
    folder = cache_folder() / f"{kind}-{digest(contents)}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {split: folder / f"instances_{split}.json" for split in SPLITS}
    for split, path in files.items():
        with whole_file(path) as unfinished:
            unfinished.write_text(json.dumps(contents[split]))
    return files


def _check_json(annotations: dict[str, Path]) -> None:
    for path in annotations.values():
        try:
            content = _parsed(path, path.stat().st_mtime_ns)
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{path} is not JSON: {error}") from None
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        for part, needed in NEEDED.items():
            listed = content.get(part) if isinstance(content, dict) else None
            if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
                raise ValueError(f"{path} is no COCO instances file: it has no list {part!r}")
            if lacking := [key for key in needed if any(one.get(key) is None for one in listed)]:
                raise ValueError(f"{path} is no COCO instances file: not all of its {part} have {lacking[0]!r}")


def faults_in(dataset: Dataset, categories: tuple[str, ...] = ()) -> list[Fault]:
    """Everything that is wrong with the data set, every fault with its id."""
    return _normal(dataset, categories)[1]


def prepare(
    dataset: Dataset, images: int | None = None, seed: int = 0, categories: tuple[str, ...] = ()
) -> tuple[Dataset, list[Fault]]:
    """The data set in its normal form, its train split thinned to about `images`, and the faults.

    With `categories`, of boxes of these alone, or of COCO's supercategories as classes. The images stay where they are;
    new ``instances`` files go to the cache. Raises `ValueError` with one line, which names the folder, where there is
    nothing to train on or to evaluate with.
    """
    contents, faults = _normal(dataset, categories)
    if images is not None:
        contents = contents | {"train": subset(contents["train"], images, seed)}
    left_out = dict(Counter(fault.kind for fault in faults if fault.fatal))
    return Dataset(dataset.name, dataset.images, _kept("prepared", contents), left_out), faults


def _normal(dataset: Dataset, categories: tuple[str, ...]) -> tuple[dict[str, Any], list[Fault]]:
    contents = {split: dataset.read(split) for split in SPLITS}
    names = {split: [str(image["file_name"]) for image in contents[split]["images"]] for split in SPLITS}
    try:
        if categories:
            contents = {split: narrowed(content, categories) for split, content in contents.items()}
        contents, faults = normal_form(contents, look(dataset.images, names, cache_folder()))
    except ValueError as error:
        raise ValueError(f"{dataset.annotations['train'].parent}: {error}") from None
    return contents, [*dataset.told, *faults]


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
