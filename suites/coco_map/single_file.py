"""One JSON for all pictures, as CVAT and Label Studio export them, divided into train and val.

Where the file says of each picture to which split it belongs, that is what is done. Else one picture in five is held
for val, chosen by its name alone, so that the same pictures are held wherever and whenever the folder is read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from focalbench_suite.suites.coco_map.normal_form import SPLITS, Content, Fault

FILES = (
    "annotations/instances_default.json",  # CVAT's
    "result.json",  # Label Studio's
    "_annotations.coco.json",  # Roboflow's, exported without splits
    "annotations.json",
)
PLACES = ("images", "images/default", "")  # of the pictures, in the folder
MEANT = {  # what a picture's entry "split" may be; restval is that of Karpathy's division of COCO
    "train": "train", "training": "train", "restval": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "",
}  # fmt: skip
HELD = 5  # one picture in so many


def found_in(folder: Path) -> Path | None:
    """The one annotation file of a folder, if it has one of those."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def divided(content: Content, folder: Path) -> tuple[dict[str, Content], list[Fault]]:
    """The content of each split, its pictures named from `folder` on, and what there is to tell.

    Raises `ValueError` with one line where a picture names a split that nobody knows, or others do and it names none.
    """
    images = [image | {"file_name": _place(folder, str(image["file_name"]))} for image in content["images"]]
    named = any("split" in image for image in images)
    split_of = dict(_named(images)) if named else _held_out(images)
    of_id = {str(image["id"]): split_of[image["file_name"]] for image in images}
    parts: dict[str, Content] = {split: {"images": [], "annotations": []} for split in (*SPLITS, "")}
    for image in images:
        parts[split_of[image["file_name"]]]["images"].append(image)
    for one in content["annotations"]:  # a box of no picture stays with train, where its fault is named
        parts[of_id.get(str(one.get("image_id")), "train")]["annotations"].append(one)
    contents = {split: content | parts[split] for split in SPLITS}
    return contents, list(_told(Counter(split_of.values()), named))


def _place(folder: Path, name: str) -> str:
    """Where the picture is, from the folder on; an exported name may hold folders of the machine that exported it."""
    path = PurePosixPath(name.replace("\\", "/"))
    inside = [] if path.is_absolute() or ".." in path.parts else [path]
    tried = [PurePosixPath(place, each) for each in (*inside, PurePosixPath(path.name)) for place in PLACES]
    return str(next((each for each in tried if (folder / each).is_file()), tried[0]))


def _named(images: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for image in images:
        said = str(image.get("split", "")).lower()
        if said not in MEANT:
            reason = f"the split {said!r}" if said else "no split, while others name one"
            raise ValueError(f"image {image['id']} names {reason}; the splits are {', '.join(MEANT)}")
        yield image["file_name"], MEANT[said]


def _held_out(images: list[dict[str, Any]]) -> dict[str, str]:
    names = sorted((image["file_name"] for image in images), key=lambda name: hashlib.sha256(name.encode()).digest())
    held = set(names[: max(1, len(names) // HELD)])
    return {name: "val" if name in held else "train" for name in names}


def _told(counts: Counter[str], named: bool) -> Iterator[Fault]:
    if not named:
        detail = f"no split is named: one picture in {HELD}, by its name, is held for val"
        yield Fault("held for val", "val", counts["val"], detail, fatal=False)
    if counts[""]:
        yield Fault("not used", "test", counts[""], "pictures of the split test are neither train nor val", fatal=False)
