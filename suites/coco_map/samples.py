"""A few val pictures with what is in them and what a detector found, for a person to look at."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

from focalbench_suite.suites.coco_map.data import Dataset
from focalbench_suite.suites.coco_map.evaluation import taken

SAMPLES, SIDE = 4, 240  # pictures, and their longer side in pixels
MOST_BOXES = 10  # of a picture that is easily looked at


def samples(dataset: Dataset, detections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first val pictures that hold a few boxes: each small, its boxes, and the sure detections in it.

    ``jpeg`` is the picture in base64; ``width`` and ``height`` are the full one's, to which every ``bbox`` (x, y,
    width, height in pixels) belongs. A box is ``found``, and a detection ``right``, where the one took the other and
    both name one class.
    """
    content = dataset.read("val")
    names = {category["id"]: category["name"] for category in content["categories"]}
    boxes: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
    for box in content["annotations"]:
        if not box["iscrowd"]:
            boxes[box["image_id"]].append(box)
    truth = {box["id"]: box for members in boxes.values() for box in members}
    pairs = [(found, truth.get(box)) for found, box in taken(dataset.annotations["val"], detections)]
    right = {box["id"] for found, box in pairs if box and box["category_id"] == found["category_id"]}
    shown = [image for image in content["images"] if 0 < len(boxes[image["id"]]) <= MOST_BOXES][:SAMPLES]
    return [
        {
            "name": image["file_name"],
            "width": image["width"],
            "height": image["height"],
            "jpeg": base64.b64encode(jpeg(small(dataset.images["val"] / image["file_name"], SIDE))).decode(),
            "boxes": [
                {"bbox": box["bbox"], "category": names[box["category_id"]], "found": box["id"] in right}
                for box in boxes[image["id"]]
            ],
            "detections": [
                {
                    "bbox": found["bbox"],
                    "category": names[found["category_id"]],
                    "score": found["score"],
                    "right": box is not None and box["category_id"] == found["category_id"],
                }
                for found, box in pairs
                if found["image_id"] == image["id"]
            ],
        }
        for image in shown
    ]


def small(path: Path, side: int) -> Image.Image:
    """The picture with its longer side of so many pixels."""
    with Image.open(path) as picture:
        scale = side / max(picture.size)
        return picture.convert("RGB").resize([max(1, round(length * scale)) for length in picture.size])


def jpeg(picture: Image.Image) -> bytes:
    """A picture as a file's content."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return stream.getvalue()
