"""One form of a COCO data set for every host and the evaluator, and what had to be mended or left out for it.

Hosts disagree on everything that COCO's format leaves open: MMDetection numbers classes in the file's order and drops
boxes under a pixel, Ultralytics keeps those, and the evaluator takes an annotation with id 0 for a miss and stops where
`iscrowd` or `area` is missing. In the normal form nothing is left open: categories are train's, numbered from 1 in the
order of their ids; images and annotations are numbered from 1; every box lies in its picture.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from focalbench_suite.suites.coco_map.pictures import Picture

Content = dict[str, Any]  # of an `instances` file
SPLITS = ("train", "val")
SUPERCATEGORIES = "supercategories"
EDGE = 1.0  # pixels by which rounding may carry a box over the image's edge
WHOLE_NUMBER = re.compile(r"-?\d+")
SMALLEST = 1.0  # pixels: MMDetection's loader leaves out boxes of a smaller side


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a data set: `kind`, split, the id of the image, annotation or category, and why.

    What has a fatal fault is left out; the others are mended, or only told.
    """

    kind: str
    split: str
    identifier: Any
    detail: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.split}: {self.kind} {self.identifier}: {self.detail}"


def normal_form(
    contents: Mapping[str, Content], pictures: Mapping[str, Mapping[str, Picture]]
) -> tuple[dict[str, Content], list[Fault]]:
    """Train and val in the normal form, and every fault with its id.

    `pictures` are those of each split that exist, by `file_name`. Raises `ValueError` with one line where the two
    splits share no category, where boxes are fractions of the image, or where nothing is left.
    """
    faults: list[Fault] = []
    categories = _categories("train", contents["train"], faults)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(categories.values()), 1)}
    listed = [{"id": number, "name": name} for name, number in numbers.items()]
    trained = {one.content for one in pictures["train"].values() if one.content}
    normal = {}
    for split in SPLITS:
        names = categories if split == "train" else _categories(split, contents[split], faults)
        if split == "val" and not set(names.values()) & set(numbers):
            raise ValueError(f"val's categories ({_few(names)}) share no name with train's ({_few(categories)})")
        for key, name in names.items():
            if name not in numbers:
                faults.append(Fault("category in val only", split, key, f"{name!r}: its boxes are left out"))
        images = _images(split, contents[split], pictures[split], trained if split == "val" else set(), faults)
        boxes = _annotations(split, contents[split], images, {key: numbers.get(n) for key, n in names.items()}, faults)
        kept = list(images.values())
        if split == "train":
            kept = _with_boxes(kept, boxes, faults)
        normal[split] = {"images": kept, "annotations": boxes, "categories": listed}
    for split in SPLITS:
        if not any(not box["iscrowd"] for box in normal[split]["annotations"]):
            raise ValueError(f"no box of {split} is left: {_commonest(faults, split)}")
    return normal, faults


def narrowed(content: Content, categories: tuple[str, ...]) -> Content:
    """An `instances` file with these categories alone, or with COCO's `SUPERCATEGORIES` in the place of its own.

    Raises `ValueError` with one line where it has no category of such a name.

    >>> cat, dog = {"id": 1, "name": "cat", "supercategory": "animal"}, {"id": 2, "name": "dog"}
    >>> boxes = [{"category_id": 1}, {"category_id": 2}]
    >>> narrowed({"categories": [cat, dog], "annotations": boxes}, ("dog",))
    {'categories': [{'id': 2, 'name': 'dog'}], 'annotations': [{'category_id': 2}]}
    """
    if categories == (SUPERCATEGORIES,):
        return _by_supercategory(content)
    names = {str(category["name"]) for category in content["categories"]}
    if unknown := sorted(set(categories) - names):
        some = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
        raise ValueError(f"there is no category {unknown[0]!r}; there are {some}")
    kept = [category for category in content["categories"] if str(category["name"]) in categories]
    left_out = {str(category["id"]) for category in content["categories"] if category not in kept}
    boxes = [box for box in content["annotations"] if str(box.get("category_id")) not in left_out]
    return content | {"categories": kept, "annotations": boxes}


def _by_supercategory(content: Content) -> Content:
    """Every box under the first category of its supercategory, which stands for all of them."""
    first: dict[str, Content] = {}
    numbers = {}
    for category in sorted(content["categories"], key=lambda category: _sortable(category["id"])):
        name = category.get("supercategory")
        if not name:
            raise ValueError(f"category {category['name']!r} has no supercategory")
        numbers[str(category["id"])] = first.setdefault(name, {"id": category["id"], "name": name})["id"]
    boxes = [
        box | {"category_id": numbers.get(str(box.get("category_id")), box.get("category_id"))}
        for box in content["annotations"]
    ]
    return content | {"categories": list(first.values()), "annotations": boxes}


def _with_boxes(images: list[Content], boxes: list[Content], faults: list[Fault]) -> list[Content]:
    """The images with a box to train on: MMDetection leaves the others out of training, Ultralytics does not."""
    trained = {box["image_id"] for box in boxes if not box["iscrowd"]}
    for image in images:
        if image["id"] not in trained:
            detail = f"{image['file_name']} is not trained on, in any host"
            faults.append(Fault("image without boxes", "train", image["original_id"], detail, fatal=False))
    return [image for image in images if image["id"] in trained]


def _few(names: Mapping[Any, str]) -> str:
    shown = list(names.values())
    return ", ".join(shown[:3]) + (", …" if len(shown) > 3 else "")


def _commonest(faults: list[Fault], split: str) -> str:
    counts = Counter(fault.kind for fault in faults if fault.split == split and fault.fatal)
    return ", ".join(f"{kind} ({count})" for kind, count in counts.most_common(3)) or "it has none"


def _sortable(key: Any) -> tuple[int, float, str]:
    """Ids in order: numbers, also those written as text, before names."""
    text = str(key)
    return (0, float(text), "") if WHOLE_NUMBER.fullmatch(text) else (1, 0.0, text)


def _categories(split: str, content: Content, faults: list[Fault]) -> dict[str, str]:
    """The name of each category id (as text, since annotations may hold numbers for it), in the order of the ids."""
    found: dict[str, str] = {}
    for category in sorted(content["categories"], key=lambda category: _sortable(category["id"])):
        key, name = str(category["id"]), str(category["name"])
        if key in found:
            faults.append(Fault("duplicate category id", split, key, f"{name!r} is left out, {found[key]!r} stays"))
            continue
        if name in found.values():
            detail = f"{name!r} is another id's, too; both are one class"
            faults.append(Fault("duplicate category name", split, key, detail, fatal=False))
        found[key] = name
    return found


def _images(
    split: str, content: Content, pictures: Mapping[str, Picture], trained: set[str], faults: list[Fault]
) -> dict[str, Content]:
    """The images that every host can read, by their old ids as text, numbered from 1."""
    found: dict[str, Content] = {}
    for image in sorted(content["images"], key=lambda image: _sortable(image["id"])):
        key, name = image["id"], str(image["file_name"])
        picture = pictures.get(name)
        size = (image.get("width"), image.get("height"))
        if str(key) in found:
            faults.append(Fault("duplicate image id", split, key, f"{name}; the first stays"))
        elif picture is None:
            faults.append(Fault("missing file", split, key, name))
        elif picture.fault:
            faults.append(Fault("unreadable picture", split, key, f"{name} {picture.fault}"))
        elif None not in size and size != (picture.width, picture.height):
            told = f"{name} is {picture.width}×{picture.height}, not {size[0]}×{size[1]}"
            faults.append(Fault("size that is not the picture's", split, key, told))
        elif picture.content and picture.content in trained:
            faults.append(Fault("image in train and val", split, key, f"{name} is one of train's pictures"))
        else:
            found[str(key)] = {
                "id": len(found) + 1, "file_name": name, "width": picture.width, "height": picture.height,
                "original_id": key,
            }  # fmt: skip
    return found


def _annotations(
    split: str,
    content: Content,
    images: Mapping[str, Content],
    categories: Mapping[str, int | None],
    faults: list[Fault],
) -> list[Content]:
    """The boxes of these images and categories, numbered from 1, each within its picture."""
    found: list[Content] = []
    seen: set[tuple[Any, ...]] = set()
    listed = {str(image["id"]) for image in content["images"]}
    fractions = []
    for annotation in content["annotations"]:
        key, image = annotation.get("id"), images.get(str(annotation.get("image_id")))
        number = categories.get(str(annotation.get("category_id")))
        box = _box(annotation.get("bbox"))
        if str(annotation.get("image_id")) not in listed:
            faults.append(Fault("unknown image", split, key, f"image {annotation.get('image_id')}"))
        elif str(annotation.get("category_id")) not in categories:
            faults.append(Fault("unknown category", split, key, f"category {annotation.get('category_id')}"))
        elif box is None:
            faults.append(Fault("box without area", split, key, f"bbox {annotation.get('bbox')}"))
        elif image is not None and number is not None:
            fractions.append(max(box[0] + box[2], box[1] + box[3]) <= 1)
            same = (key, image["id"], number, *box)
            if key is not None and same in seen:
                faults.append(Fault("duplicate annotation", split, key, "the same box twice"))
                continue
            seen.add(same)
            if (inside := _inside(split, key, box, image, faults)) is not None:
                crowd = int(bool(annotation.get("iscrowd")))
                if crowd:
                    detail = "not trained on; ignored by the evaluation"
                    faults.append(Fault("crowd", split, key, detail, fatal=False))
                area = annotation.get("area") if inside == box else None
                found.append({
                    "id": len(found) + 1, "image_id": image["id"], "category_id": number, "bbox": list(inside),
                    "iscrowd": crowd, "area": area if _positive(area) else inside[2] * inside[3],
                })  # fmt: skip
    if fractions and all(fractions):
        raise ValueError(f"the boxes of {split} are fractions of the image, COCO's are pixels: multiply them")
    return found


def _positive(area: Any) -> bool:
    return _finite(area) and area > 0


def _finite(value: Any) -> bool:
    """Whether it is a number that a float can hold; JSON's whole numbers have no end."""
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max


def _box(box: Any) -> tuple[float, ...] | None:
    """Four finite numbers (x, y, width, height) with an area; None for anything else."""
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not all(map(_finite, box)):
        return None
    return tuple(box) if box[2] > 0 and box[3] > 0 else None


def _inside(
    split: str, key: Any, box: tuple[float, ...], image: Content, faults: list[Fault]
) -> tuple[float, ...] | None:
    """The part of a box that lies in its picture; None where that is nothing, or too little for every host to train."""
    left, top, width, height = box
    right, bottom = min(left + width, image["width"]), min(top + height, image["height"])
    within = (max(left, 0.0), max(top, 0.0))
    size = f"bbox {list(box)}, {image['width']}×{image['height']}"
    if right <= within[0] or bottom <= within[1]:
        faults.append(Fault("box outside the image", split, key, size))
        return None
    if min(left, top) >= 0 and right == left + width and bottom == top + height:
        inside = box
    else:
        inside = (*within, right - within[0], bottom - within[1])
        if max(-min(left, top), left + width - right, top + height - bottom) > EDGE:
            faults.append(Fault("box over the edge", split, key, f"{size}: cut at the edge", fatal=False))
    if split == "train" and min(inside[2:]) < SMALLEST:
        faults.append(Fault("box under a pixel", split, key, f"{size}: not every host would train on it"))
        return None
    return inside
